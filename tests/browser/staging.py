"""The stage in a browser: when a slide stands there, and how small its smallest text is."""

from __future__ import annotations

import time
from typing import Any

STANDS = """number => {
    const stage = document.querySelector('.st-key-stage');
    if (!stage || stage.closest('[data-stale=true]') || stage.querySelector('[data-stale=true]')) return false;
    const said = stage.querySelector('.st-key-stage-number')?.innerText.trim() ?? '';
    if (number && said !== number) return false;
    const figure = stage.querySelector('.st-key-stage-figure');
    if (!figure) return false;
    const drawn = [...figure.querySelectorAll('*')].map(e => e.shadowRoot).filter(Boolean)
        .some(root => [...root.querySelectorAll('canvas')].some(c => c.width > 60 && c.height > 60));
    return drawn || Boolean(figure.querySelector('.main-svg .plot, .main-svg .layer-above')) ||
        [...figure.querySelectorAll('img')].some(i => i.complete && i.naturalWidth > 0);
}"""

# Every text that is seen on the stage: [pixels of the window, words]. What is drawn on a canvas is caught as it is
# written (`spy`); the rest is asked for its size, times the size at which its element is shown.
TEXTS = """() => {
    const stage = document.querySelector('.st-key-stage');
    const whole = stage.getBoundingClientRect().width / 1920;
    const out = [];
    const look = (root, scale) => {
        for (const e of root.querySelectorAll('*')) {
            if (e.shadowRoot) {
                const box = e.getBoundingClientRect();
                look(e.shadowRoot, e.offsetWidth ? box.width / e.offsetWidth : scale);
            }
            const own = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join(' ').trim();
            if (!own || ['STYLE', 'SCRIPT'].includes(e.tagName)) continue;
            if (!e.checkVisibility({visibilityProperty: true})) continue;
            const box = e.getBoundingClientRect();
            if (!box.width || !box.height || e.closest('.hoverlayer')) continue;
            out.push([parseFloat(getComputedStyle(e).fontSize) * scale, own]);
        }
    };
    look(stage, whole);
    for (const [size, words] of window.drawnTexts ?? []) out.push([size, words]);
    return out;
}"""

SPY = """(() => {
    window.drawnTexts = [];
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (words, ...rest) {
        const box = this.canvas.getBoundingClientRect();
        if (box.width) {
            const pixels = parseFloat(this.font.match(/([\\d.]+)px/)[1]) * this.getTransform().a;
            window.drawnTexts.push([pixels * box.width / this.canvas.width, String(words)]);
        }
        return draw.call(this, words, ...rest);
    };
})();"""


def stands(page: Any, number: str = "", limit: float = 60.0) -> float:
    """Wait until a slide stands on the stage, *number* ("3 / 10") if it is of a deck; the seconds that it took."""
    begun = time.monotonic()
    page.wait_for_function(STANDS, arg=number, timeout=limit * 1000, polling="raf")
    return time.monotonic() - begun


def smallest(page: Any) -> list[tuple[float, str]]:
    """All texts on the stage, the smallest first: (pixels of the window, words)."""
    return sorted((round(float(size), 1), str(words)[:60]) for size, words in page.evaluate(TEXTS))
