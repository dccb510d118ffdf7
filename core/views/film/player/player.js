// The clock of a film: play, pause, step, scrub, speed, loop, keys, and the moment in the link. Everything here runs in
// the browser; the page hears of a moment only once it stands still.

const SPEEDS = [0.5, 1, 2, 4, 8, 16];
const REST = 1.2; // seconds at the end of a loop
const SETTLED = 400; // milliseconds without a move, and the moment is written into the link
const WATCH = 300; // milliseconds between two looks at the link
const ICONS = {
  start: "M6 6h2v12H6zm12 0v12l-8.5-6z", back: "M15.4 7.4 14 6l-6 6 6 6 1.4-1.4L10.8 12z",
  play: "M8 5v14l11-7z", pause: "M6 5h4v14H6zm8 0h4v14h-4z", on: "M8.6 16.6 10 18l6-6-6-6-1.4 1.4 4.6 4.6z",
  loop: "M7 7h10v3l4-4-4-4v3H5v6h2zm10 10H7v-3l-4 4 4 4v-3h12v-6h-2z",
};
const players = new WeakMap();
const open = new Set(); // films on the page; keys go to the one touched last

class Player {
  constructor(host, bytes, component) {
    Object.assign(this, { host, component, playing: false, t: 0, speed: 1, loop: false, chosen: {}, pointed: null });
    Object.assign(this, unpack(bytes));
    this.last = this.header.moments.length - 1;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.colours = theme(host);
    this.frame();
    build(this, this.stage);
    this.stage.children[Math.min(this.header.bar ?? 0, this.stage.children.length - 1)].after(this.bar);
    this.asked = this.link();
    this.t = this.asked ?? this.header.default ?? this.last;
    this.poster = this.asked === null; // it stands where it opens: nobody has chosen that moment, so it plays from 0
    this.observer = new ResizeObserver(() => this.measure());
    this.observer.observe(host);
    this.resized = () => this.measure();
    window.addEventListener("resize", this.resized);
    this.watch = setInterval(() => {
      this.follow();
      this.measure(); // a lesson's strip grows and shrinks
    }, WATCH);
    open.add(this);
    host.addEventListener("pointerdown", () => (Player.latest = this));
    this.measure();
    if (this.header.autoplay && this.asked === null && !this.calm && this.last > 0) {
      this.t = 0;
      this.play();
    }
  }

  get k() {
    return Math.round(Math.min(Math.max(this.t, 0), this.last));
  }

  // -- elements ------------------------------------------------------------------------------------------------

  frame() {
    const { host } = this;
    host.replaceChildren();
    host.setAttribute("role", "group");
    host.setAttribute("aria-label", this.header.alt);
    this.stage = make("div", "stage");
    this.bar = make("div", "bar");
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    host.append(this.stage, this.tip);
    if (this.last === 0) {
      this.bar.hidden = true;
    }
    this.buttons = {};
    const add = (name, label, act) => {
      const button = make("button");
      button.type = "button";
      button.title = label;
      button.setAttribute("aria-label", label);
      button.addEventListener("click", act);
      this.buttons[name] = button;
      this.bar.append(button);
    };
    add("start", "Start (H)", () => this.seek(0, true));
    add("back", "Back (J)", () => this.seek(this.k - 1, true));
    add("play", "Play (K)", () => this.toggle());
    add("on", "On (L)", () => this.seek(this.k + 1, true));
    this.range = make("input");
    Object.assign(this.range, { type: "range", min: 0, max: this.last, step: 1 });
    this.range.setAttribute("aria-label", "Moment");
    this.range.addEventListener("input", () => this.seek(Number(this.range.value), true));
    this.moment = make("output", "moment");
    this.widest();
    this.bar.append(this.range, this.moment);
    this.named = (this.header.named ?? []).map(([k, words]) => {
      const button = make("button", "named", words);
      button.type = "button";
      button.addEventListener("click", () => this.seek(k, true));
      this.bar.append(button);
      return { at: k, button };
    });
    add("speed", "Speed", () => this.faster());
    add("loop", "Loop", () => {
      this.loop = !this.loop;
      this.again();
    });
    for (const name of ["start", "back", "play", "on", "loop"]) this.icon(name, name);
    this.buttons.play.classList.add("main");
  }

  // Room for the longest name of a moment, so that nothing moves while it plays.
  widest() {
    const longest = Math.max(...this.header.moments.map((words) => words.length));
    this.moment.style.minWidth = `${Math.min(longest, 44) * 0.52}em`;
  }

  icon(name, shape) {
    if (this.buttons[name].dataset.icon === shape) return;
    this.buttons[name].dataset.icon = shape;
    this.buttons[name].innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[shape]}"/></svg>`;
  }

  tell(event, lines) {
    this.tip.hidden = !lines;
    if (!lines) return;
    this.tip.replaceChildren(...lines.map((line) => make("div", "", line)));
    const box = this.host.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / SCALE, (event.clientY - box.top) / SCALE];
    const right = x + 16 + this.tip.offsetWidth < box.width / SCALE;
    this.tip.style.left = `${right ? x + 14 : Math.max(0, x - 14 - this.tip.offsetWidth)}px`;
    this.tip.style.top = `${Math.max(0, y + 14 + this.tip.offsetHeight > box.height / SCALE ? y - 10 - this.tip.offsetHeight : y + 14)}px`;
  }

  // -- size and paint ------------------------------------------------------------------------------------------

  measure() {
    const width = Math.floor(this.host.clientWidth);
    if (!width) return;
    const outside = this.host.getRootNode().host;
    const main = outside?.closest("[data-testid=stMain]");
    const stage = outside?.closest(".st-key-stage");
    if (stage) return this.staged(width, stage);
    SCALE = 1;
    const top = this.host.getBoundingClientRect().top + (main?.scrollTop ?? 0);
    const below = this.bar.hidden ? 0 : this.bar.offsetHeight + BETWEEN;
    const floor = "[data-testid=stBottomBlockContainer], [data-film-floor]"; // a lesson's strip; notes and source
    const strip = document.querySelector(floor)?.offsetHeight ?? 0;
    const mark = `${width}/${window.innerHeight - strip}/${Math.round(top)}/${window.devicePixelRatio}`;
    if (mark === this.mark) return;
    this.mark = mark;
    arrange(this, width, Math.max(window.innerHeight - strip - top - below - 14, 240));
    this.again();
  }

  // On the stage the room ends with the slide, or with the knobs under the picture.
  staged(width, stage) {
    const box = this.host.getBoundingClientRect();
    const scale = box.width / width;
    const knobs = document.querySelector(".st-key-knobs")?.getBoundingClientRect();
    const edge = stage.getBoundingClientRect();
    const below = this.bar.hidden ? 0 : this.bar.offsetHeight + BETWEEN;
    const high = ((knobs?.height ? knobs.top : edge.bottom - (edge.width * 52) / 1920) - box.top) / scale;
    const mark = `${width}/${scale}/${Math.round(high)}/${window.devicePixelRatio}`;
    if (mark === this.mark) return;
    this.mark = mark;
    SCALE = scale;
    this.host.classList.add("staged");
    arrange(this, width, Math.max(high - below, 200));
    this.again();
  }

  recolour() {
    this.colours = theme(this.host);
    this.mark = "";
    this.measure();
  }

  again() {
    this.waiting ??= requestAnimationFrame((now) => {
      this.waiting = undefined;
      this.tick(now);
    });
  }

  tick(now) {
    if (this.playing) this.advance(now);
    this.paint();
    if (this.playing) this.again();
  }

  advance(now) {
    const seconds = Math.min((now - (this.since ?? now)) / 1000, 0.25); // a tab that slept does not jump
    this.since = now;
    this.t += (seconds * this.speed) / this.header.pace;
    if (this.t < this.last) return;
    if (this.loop && this.t < this.last + (REST * this.speed) / this.header.pace) return;
    if (this.loop) this.t = 0;
    else this.pause(this.last);
  }

  paint() {
    const t = Math.min(Math.max(this.t, 0), this.last);
    const k = Math.floor(t);
    const next = Math.min(k + 1, this.last);
    // At rest, and where a moment is shorter than an eye can follow, moments are shown as they are.
    const mixed = this.playing && !this.calm && this.header.pace / this.speed > 0.12;
    const share = mixed ? (t - k) * (t - k) * (3 - 2 * (t - k)) : 0;
    const at = mixed ? k : this.k;
    for (const drawer of this.drawn) drawer.draw(at, mixed ? next : at, share);
    this.controls(t);
    if (this.painted !== this.k) {
      this.painted = this.k;
      this.host.dispatchEvent(new CustomEvent("film-painted", { detail: this.k, bubbles: true, composed: true }));
    }
    hideStills();
  }

  controls(t) {
    const { buttons, range, moment, k } = this;
    if (Number(range.value) !== k) range.value = k;
    range.style.setProperty("--share", this.last ? t / this.last : 1);
    range.setAttribute("aria-valuetext", this.header.moments[k]);
    moment.setAttribute("aria-live", this.playing ? "off" : "polite");
    if (moment.textContent !== this.header.moments[k]) moment.textContent = this.header.moments[k];
    buttons.start.disabled = buttons.back.disabled = k === 0 && !this.playing;
    buttons.on.disabled = k === this.last && !this.playing;
    this.icon("play", this.playing ? "pause" : "play");
    const label = this.playing ? "Pause (K)" : "Play (K)";
    if (buttons.play.title !== label) {
      buttons.play.title = label;
      buttons.play.setAttribute("aria-label", label);
    }
    buttons.speed.textContent = `${this.speed === 0.5 ? "½" : this.speed}×`;
    buttons.loop.setAttribute("aria-pressed", String(this.loop));
    for (const { at, button } of this.named) button.setAttribute("aria-pressed", String(at === k));
  }

  // -- the clock -----------------------------------------------------------------------------------------------

  play() {
    if (this.last === 0) return;
    if (this.k === this.last || this.poster) this.t = 0;
    this.poster = false;
    this.playing = true;
    this.since = undefined;
    this.again();
  }

  pause(at) {
    this.playing = false;
    this.t = at ?? this.k;
    this.settle();
    this.again();
  }

  // The film has grown: whoever stood at its end is led to the new one; whoever looks at an earlier moment stays there.
  after(before) {
    let [k, same] = [before.k, -1];
    while (k >= 0 && same < 0) same = this.header.moments.indexOf(before.header.moments[k--]); // a long film is thinned
    if (same < 0) return;
    const atEnd = before.k === before.last;
    if (atEnd && this.calm) return;
    this.t = before.going ? Math.min(before.t, this.last) : same;
    this.poster = false; // it goes on from there
    if ((atEnd || before.going) && same < this.last) this.play();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(k, byHand) {
    this.playing = this.poster = false;
    this.t = Math.min(Math.max(k, 0), this.last);
    if (byHand) this.settle();
    this.again();
  }

  faster() {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length];
    this.again();
  }

  // -- the link ------------------------------------------------------------------------------------------------

  // The moment that the link names, moved inside; null when it names none, or no number.
  link() {
    const text = this.header.key ? new URLSearchParams(location.search).get(this.header.key) : null;
    const k = text === null || !/^\s*[+-]?\d{1,12}\s*$/.test(text) ? null : Number(text);
    return k === null ? null : Math.min(Math.max(k, 0), this.last);
  }

  settle() {
    clearTimeout(this.settling);
    if (this.header.key) this.settling = setTimeout(() => this.write(), SETTLED);
  }

  write() {
    // The link first, without an entry in the history; then the page, which writes the same.
    this.settling = undefined;
    if (this.playing) return;
    const url = new URL(location.href);
    if (this.k === (this.header.default ?? this.last)) url.searchParams.delete(this.header.key);
    else url.searchParams.set(this.header.key, this.k);
    if (url.href !== location.href) history.replaceState(history.state, "", url);
    this.asked = this.link();
    if (this.told !== this.k) {
      this.told = this.k;
      this.component.setStateValue("k", this.k);
    }
  }

  // Somebody else changed the link: the back button, a step of a lesson.
  follow() {
    if (this.settling !== undefined || !this.header.key) return;
    const now = this.link();
    if (now === this.asked) return;
    this.asked = now;
    this.seek(now ?? this.header.default ?? this.last, false);
  }

  pick(name) {
    this.component.setTriggerValue("picked", name);
  }

  close() {
    this.going = this.playing; // for the player that takes its place
    this.closed = performance.now();
    this.playing = false;
    open.delete(this);
    this.observer.disconnect();
    window.removeEventListener("resize", this.resized);
    clearInterval(this.watch);
    clearTimeout(this.settling);
    if (this.waiting !== undefined) cancelAnimationFrame(this.waiting);
  }
}

// -- keys, whatever has the focus ------------------------------------------------------------------------------------

const OWN_KEYS = "input:not([type=range]), textarea, select, [contenteditable=true], [role=textbox]";
const ARROWS = "input, select, textarea, [role=slider], [role=radio], [role=tab], [role=listbox], [role=option], " +
  "[role=menuitem], [role=combobox], [role=grid], [role=spinbutton], canvas[data-grid]";
const SPACE = "button, a, summary, select, [role=button], [role=switch], [role=checkbox], [role=radio], [role=tab], " +
  "[role=option], [role=combobox]";

function typing(element) {
  // A closed select box keeps the focus in its text field: nobody types there.
  const box = element.closest?.("[role=combobox]");
  if (box) return box.getAttribute("aria-expanded") === "true";
  if (element.matches?.("[type=checkbox], [type=radio], [type=button], [type=submit]")) return false;
  return Boolean(element.closest?.(OWN_KEYS));
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.composedPath()[0];
  if (!(target instanceof Element) || typing(target)) return;
  const film = open.has(Player.latest) ? Player.latest : [...open].find((each) => each.last > 0);
  if (!film || film.last === 0) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const free = { ArrowLeft: ARROWS, ArrowRight: ARROWS, " ": SPACE }[key];
  if (free && target.closest(free)) return;
  const act = {
    h: () => film.seek(0, true), j: () => film.seek(film.k - 1, true), k: () => film.toggle(),
    l: () => film.seek(film.k + 1, true), ArrowLeft: () => film.seek(film.k - 1, true),
    ArrowRight: () => film.seek(film.k + 1, true), " ": () => film.toggle(),
  }[key];
  if (!act) return;
  act();
  event.preventDefault();
  event.stopPropagation();
}

function hideStills() {
  // The pictures that the server made for a browser without this script.
  if (document.getElementById("film-drawn")) return;
  const style = make("style", "", "[class*=st-key-film-still] { display: none !important; }");
  style.id = "film-drawn";
  document.head.append(style);
}

// The end of a run changes its page, and the film gets another element: who looked at it is led on all the same.
const growing = new Map(); // by what grows
const SOON = 5000; // milliseconds: whoever comes back later begins anew

function left(name) {
  const player = name ? growing.get(name) : undefined;
  if (player && open.has(player)) player.close();
  return player && performance.now() - player.closed < SOON ? player : undefined;
}

let listening = false;

function followed(next, before) {
  next.speed = before.speed;
  next.loop = before.loop;
  next.poster = next.poster && before.poster;
  // Another matrix of the same run: the same moment, and it goes on playing.
  if (before.last === next.last && next.asked === before.asked) next.t = before.t;
  if (before.last === next.last && before.going) next.play();
  else if (next.header.grows) next.after(before);
}

function mounted(component) {
  const { parentElement, data } = component;
  const host = parentElement.querySelector(".film");
  if (!listening) {
    document.addEventListener("keydown", pressed, true);
    listening = true;
  }
  const before = players.get(host);
  const id = data ? headerOf(data).header.id : null;
  if (before && before.header.id === id) {
    before.component = component;
    before.recolour();
  } else if (data) {
    const next = new Player(host, data, component);
    const gone = before ?? left(next.header.grows);
    if (before) before.close();
    if (gone) followed(next, gone);
    if (next.header.grows) growing.set(next.header.grows, next);
    players.set(host, next);
  }
  return () => {
    players.get(host)?.close();
    players.delete(host);
  };
}
