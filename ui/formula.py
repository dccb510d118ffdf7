"""Formulas as methods write them, in plain letters, set with raised and lowered signs. HTML, everything escaped.

    W <- (W0 A + rho (Z - U)) (A + rho I)^-1      becomes      W ← (W₀A + ρ (Z − U)) (A + ρ I)⁻¹
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from core.methods.cards import Line

GREEK = {"rho": "ρ", "lambda": "λ", "sigma": "σ", "alpha": "α", "beta": "β", "mu": "μ", "eps": "ε", "sum": "Σ"}
TOKEN = re.compile(
    r"(?P<arrow><-)|(?P<le><=)|(?P<ge>>=)|_(?P<sub>[A-Za-z0-9]+)|\^(?P<sup>-?[A-Za-z0-9]+)|`(?P<code>[^`]+)`"
    r"|(?P<plain>\bN:M\b|\d+(?:\.\d+)?(?:e-?\d+)?)|(?P<dot>(?<= )o(?= ))|(?P<minus>(?<= )-(?= ))"
    r"|(?P<base>(?<![A-Za-z0-9])[A-Z])(?P<index>\d)(?![A-Za-z0-9])|(?P<word>[A-Za-z]+)|(?P<other>.)", re.DOTALL)


def typeset(text: str, words: bool = False) -> str:
    """*text* as HTML. *words*: a sentence with signs in it, where a small letter alone is a word, not a variable."""
    return "".join(_set(found, words) for found in TOKEN.finditer(text))


def _set(found: re.Match[str], words: bool) -> str:
    kind, part = found.lastgroup, found.groupdict()
    match kind:
        case "arrow" | "le" | "ge" | "dot" | "minus":
            return {"arrow": "←", "le": "≤", "ge": "≥", "dot": "∘", "minus": "−"}[kind]
        case "sub":
            low = part["sub"]
            short = low.isalpha() and len(low) < 3  # ij, not old
            return f"<sub>{f'<i>{low}</i>' if short else _letters(low, words)}</sub>"
        case "sup":
            return f"<sup>{_letters(part['sup'].replace('-', '−'), words)}</sup>"
        case "code":
            return f"<code>{escape(part['code'])}</code>"
        case "index":
            return f"<i>{part['base']}</i><sub>{part['index']}</sub>"
        case "plain":
            return part["plain"]
        case "word":
            return _letters(part["word"], words)
        case _:
            return _sign(part["other"], words)


def _sign(sign: str, words: bool) -> str:
    """A product's dot, a prime (in a sentence it is an apostrophe), or the sign itself."""
    if sign == "'" and not words:
        return "<sup>′</sup>"
    return "·" if sign == "*" else escape(sign, quote=False)


def _letters(text: str, words: bool) -> str:
    if text in GREEK:
        return GREEK[text]
    variable = len(text) == 1 and text.isalpha() and (text.isupper() or not words)
    return f"<i>{escape(text)}</i>" if variable else escape(text)


def block(lines: Iterable[Line]) -> str:
    """A method's formula: a line each, its note beside it, or below where there is no room."""
    out = []
    for line in lines:
        note = f"<span>{typeset(line.note, words=True)}</span>" if line.note else ""
        kind = ' class="words"' if line.words else ""
        out.append(f'<div{kind} style="padding-left:{1.4 * line.depth:.1f}em"><b>{typeset(line.text, line.words)}</b>'
                   f"{note}</div>")
    return f'<div class="formula">{"".join(out)}</div>'
