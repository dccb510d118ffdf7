// The speaker's window: follows the window of the hall, and may walk it. Both are of one browser: no server between.

const MARK = "sparsescope.clock"; // when the talk began, kept over a reload of this window
const KEYS = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 };

class Speaker {
  constructor(host, said) {
    Object.assign(this, { host, said, at: 0 });
    const text = (name, tag = "div") => {
      const made = document.createElement(tag);
      made.className = name;
      return (this[name] = made);
    };
    const button = (words, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = words;
      made.addEventListener("click", act);
      return made;
    };
    const top = text("top");
    top.append(text("elapsed", "b"), text("plan", "span"), text("clock", "span"));
    const ways = text("ways");
    ways.append(button("Back", () => this.go(this.at - 1)), button("Next slide", () => this.go(this.at + 1)),
      button("Blank", () => this.post({ key: "b" })), button("Play", () => this.post({ key: "p" })),
      button("Start the clock again", () => this.begin()));
    const next = text("next");
    next.append(Object.assign(document.createElement("small"), { textContent: "Next" }), text("coming", "span"));
    host.replaceChildren(top, text("says", "h2"), text("notes"), next, ways);
    this.says.setAttribute("aria-live", "polite");
    this.channel = new BroadcastChannel("sparsescope.deck");
    this.channel.addEventListener("message", ({ data }) => {
      if (data.deck === said.deck && Number.isInteger(data.at)) this.show(data.at);
    });
    this.pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = KEYS[event.key];
      const key = event.key.toLowerCase();
      if (event.key === " " && event.composedPath()[0] instanceof HTMLButtonElement) return;
      if (step) this.go(this.at + step);
      else if ("bp".includes(key)) this.post({ key });
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", this.pressed, true);
    if (!Number(sessionStorage.getItem(MARK))) this.begin();
    this.ticking = setInterval(() => this.tick(), 500);
    this.show(0);
    this.post({ ask: true });
  }

  post(message) {
    this.channel.postMessage({ deck: this.said.deck, ...message });
  }

  begin() {
    sessionStorage.setItem(MARK, Date.now());
    this.tick();
  }

  go(k) {
    const place = Math.max(0, Math.min(this.said.slides.length - 1, k));
    this.post({ go: place });
    this.show(place);
  }

  show(k) {
    const { slides } = this.said;
    this.at = Math.max(0, Math.min(slides.length - 1, k));
    const now = slides[this.at];
    this.says.textContent = `${this.at + 1} / ${slides.length}  ${now.says}`;
    this.notes.textContent = now.notes || "No notes on this slide.";
    this.coming.textContent = slides[this.at + 1]?.says ?? "The end.";
    this.tick();
  }

  tick() {
    const seconds = Math.max(0, Math.floor((Date.now() - Number(sessionStorage.getItem(MARK))) / 1000));
    const two = (value) => String(Math.floor(value)).padStart(2, "0");
    const due = this.said.slides.slice(0, this.at + 1).reduce((sum, slide) => sum + slide.minutes, 0);
    this.elapsed.textContent = `${two(seconds / 60)}:${two(seconds % 60)}`;
    this.plan.textContent = due ? `this slide until ${two(due)}:${two((due % 1) * 60)}` : "";
    this.plan.classList.toggle("late", due > 0 && seconds > due * 60);
    this.clock.textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }

  close() {
    removeEventListener("keydown", this.pressed, true);
    clearInterval(this.ticking);
    this.channel.close();
  }
}

export default function ({ parentElement, data }) {
  const speaker = new Speaker(parentElement.querySelector(".speaker"), data);
  return () => speaker.close();
}
