// Keys and size of the stage, and the walk through a deck. Installed once a page load; the page's own data come with
// every run of its script: { page, deck, at, slides, keys }.
(() => {
  if (window.sparsescopeStage) return;
  const SETTLE = 700; // milliseconds after the last digit, and the slide is opened
  const [WIDE, HIGH] = [1920, 1080];
  const OURS = ["present", "deck", "slide", "look"];
  const REHEARSAL = "stage-rehearsal"; // the name of the frame in which a deck is gone through once, unseen
  const rehearsing = window.name === REHEARSAL;
  const REST = 400; // milliseconds between two slides of it
  const PATIENCE = 60_000; // and at most on one
  const asked = () => new URLSearchParams(location.search);
  const on = () => asked().get("present") === "1";
  const stage = (window.sparsescopeStage = { data: { slides: [], keys: [], at: 0 } });
  let digits = "";
  let waiting;

  // -- size ----------------------------------------------------------------------------------------------------------

  const fit = () => {
    const scale = Math.min(innerWidth / WIDE, innerHeight / HIGH);
    const style = document.documentElement.style;
    style.setProperty("--stage-scale", scale);
    style.setProperty("--stage-left", `${(innerWidth - WIDE * scale) / 2}px`);
    style.setProperty("--stage-top", `${(innerHeight - HIGH * scale) / 2}px`);
  };
  fit();
  addEventListener("resize", fit);

  // -- ways: the address line changes, and the page is told as by the back button ------------------------------------

  const root = () => {
    const path = location.pathname.replace(/\/$/, "");
    return path.endsWith(`/${stage.data.page}`) ? path.slice(0, -stage.data.page.length - 1) : path;
  };
  const open = (page, query) => {
    const words = query.toString();
    history.pushState(null, "", `${root()}/${page === "overview" ? "" : page}${words ? `?${words}` : ""}`);
    dispatchEvent(new PopStateEvent("popstate", { state: null }));
  };
  const jump = (k) => {
    const { slides, deck } = stage.data;
    const place = Math.max(0, Math.min(slides.length - 1, k));
    if (!slides.length || place === stage.data.at) return;
    const query = new URLSearchParams(slides[place].query);
    for (const [key, value] of [["present", "1"], ["deck", deck], ["slide", place + 1]]) query.set(key, value);
    stage.data.at = place; // a clicker is faster than a page
    open(slides[place].page, query);
    tell();
  };
  const walk = (step) => {
    const { slides, keys, at, look } = stage.data;
    if (slides.length) return jump(at + step);
    const place = keys.indexOf(look ?? keys[0]) + step; // without a deck: the figures of the page
    if (!keys[place]) return;
    const query = asked();
    query.set("look", keys[place]);
    open(stage.data.page, query);
  };
  const enter = () => {
    const query = asked();
    query.set("present", "1");
    const look = nearest();
    if (look) query.set("look", look);
    open(stage.data.page, query);
  };
  const leave = () => {
    const query = asked();
    for (const key of OURS) query.delete(key);
    blank(false);
    open(stage.data.page, query);
  };
  // The figure of which most is seen.
  const nearest = () => {
    let [best, most] = [null, 0];
    for (const key of stage.data.keys) {
      const found = document.querySelector(`.st-key-${key.replace(/[^a-zA-Z0-9_-]/g, "-")}`)?.getBoundingClientRect();
      const seen = found ? Math.min(found.bottom, innerHeight) - Math.max(found.top, 0) : 0;
      if (seen > most + 1) [best, most] = [key, seen];
    }
    return best;
  };
  const blank = (dark) => {
    const cover = document.getElementById("stage-blank");
    if (cover || !dark) return cover?.remove();
    const made = document.createElement("div");
    made.id = "stage-blank";
    made.style.cssText = "position:fixed;inset:0;z-index:100000;background:#000";
    document.body.append(made);
  };

  // -- the second window: notes follow, and may walk -----------------------------------------------------------------

  const channel = new BroadcastChannel("sparsescope.deck");
  const tell = () => {
    const { deck, at, slides } = stage.data;
    if (on() && slides.length && !rehearsing) channel.postMessage({ deck, at });
  };
  channel.addEventListener("message", ({ data }) => {
    if (!on() || rehearsing) return;
    if (data.ask) tell();
    if (Number.isInteger(data.go) && data.deck === stage.data.deck) jump(data.go);
    if (data.key) act(data.key);
  });

  // -- keys, whatever has the focus ----------------------------------------------------------------------------------

  const WORDLESS = ["range", "checkbox", "radio", "button", "submit"];
  const typing = (element) => {
    const box = element.closest?.("[role=combobox]");
    if (box) return box.getAttribute("aria-expanded") === "true";
    if (element instanceof HTMLInputElement) return !WORDLESS.includes(element.type);
    return Boolean(element.closest?.("textarea, select, [contenteditable=true], [role=textbox]"));
  };
  const number = (digit) => {
    clearTimeout(waiting);
    digits = (digits + digit).slice(-3);
    waiting = setTimeout(settle, SETTLE);
  };
  const settle = () => {
    clearTimeout(waiting);
    if (digits) jump(Number(digits) - 1);
    digits = "";
  };
  const onward = (step) => {
    blank(false);
    walk(step);
  };
  const KEYS = {
    ArrowRight: () => onward(1), PageDown: () => onward(1), " ": () => onward(1), ArrowLeft: () => onward(-1),
    PageUp: () => onward(-1), Home: () => jump(0), End: () => jump(Infinity), b: () => blank(true), ".": () => blank(true),
    p: () => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k", bubbles: true, composed: true })),
    Escape: leave, f: leave, Enter: settle,
  };
  const act = (key) => {
    if (/^[0-9]$/.test(key)) return number(key) ?? true;
    if (!KEYS[key]) return false;
    KEYS[key]();
    return true;
  };
  if (!rehearsing) addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !event.isTrusted) return;
    const target = event.composedPath()[0];
    if (target instanceof Element && typing(target)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!on()) {
      if (key !== "f" || event.shiftKey || !stage.data.page) return;
      enter();
    } else if (key === "Enter" && !digits) return; // a focused knob has it
    else if (!act(event.shiftKey && key === " " ? "PageUp" : key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  // -- the rehearsal: while the first slide stands, all others are opened once, so that server and browser have at hand
  // what they need. It has the window's size, and nobody sees, hears or reaches it.

  const rehearsed = new Set();
  const rehearse = () => {
    const { deck, slides } = stage.data;
    if (rehearsing || !on() || slides.length < 2 || rehearsed.has(deck)) return;
    rehearsed.add(deck);
    const unseen = document.createElement("iframe");
    unseen.id = unseen.name = REHEARSAL;
    unseen.inert = true;
    unseen.tabIndex = -1;
    unseen.setAttribute("aria-hidden", "true");
    unseen.style.cssText = `position:fixed;left:0;top:0;width:${WIDE}px;height:${HIGH}px;opacity:0;border:0;` +
      "pointer-events:none;z-index:-1";
    unseen.src = location.href;
    const over = () => unseen.remove();
    unseen.addEventListener("rehearsed", over);
    setTimeout(over, PATIENCE * slides.length);
    document.body.append(unseen);
  };
  let turning;
  const turn = () => {
    clearTimeout(turning);
    if (stage.data.at + 1 < stage.data.slides.length) {
      turning = setTimeout(turn, PATIENCE);
      walk(1);
    } else frameElement?.dispatchEvent(new Event("rehearsed"));
  };

  stage.set = (data) => {
    stage.data = { ...stage.data, ...data };
    if (data.page) return tell();
    if (rehearsing) turning = setTimeout(turn, REST); // the page has come to its end
    else setTimeout(rehearse, REST);
  };
})();
