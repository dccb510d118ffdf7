// The page that was taken away: one screen at a time, by keys; figures by Plotly, films by their player. No network.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const screens = read("screens");
  const templates = read("templates");
  const find = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const LETTERS = 1100; // pixels of width that a figure is drawn for; a wider window shows it larger
  const FILM = 1000; // the same of a film: its letters are then 24 pixels high at 1920
  let at = 0;
  let leave = () => {};
  let playing = () => {};

  function bytes(text) {
    const raw = atob(text);
    const out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out;
  }

  function figure(stage, screen) {
    const box = document.createElement("div");
    stage.append(box);
    const { width, height } = stage.getBoundingClientRect();
    // Never less room than it was laid out for: panels that stand one over the other would run into each other.
    const factor = Math.max(0.5, Math.min(width / LETTERS, height / Math.max(screen.figure.layout.height || 0, 320), 2.4));
    const layout = { ...screen.figure.layout, template: templates[dark.matches ? "dark" : "light"], autosize: false,
      width: Math.floor(width / factor), height: Math.floor(Math.max(height / factor, 260)) };
    box.style.cssText = `width:${layout.width}px;height:${layout.height}px;transform-origin:0 0;transform:scale(${factor})`;
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", screen.alt);
    Plotly.newPlot(box, screen.figure.data, layout, { displaylogo: false, responsive: false,
      toImageButtonOptions: { format: "svg", filename: document.title } });
    return () => Plotly.purge(box);
  }

  // In a deck a film is drawn small and shown large, as on the app's stage: the player finds its scale by itself.
  function film(stage, screen) {
    let root = stage;
    if (screens.length > 1) {
      const [hall, holder] = [document.createElement("div"), document.createElement("div")];
      hall.className = "st-key-stage";
      hall.append(holder);
      stage.append(hall);
      const factor = Math.max(1, stage.clientWidth / FILM);
      holder.style.cssText = `width:${Math.floor(stage.clientWidth / factor)}px;transform-origin:0 0;transform:scale(${factor})`;
      root = holder.attachShadow({ mode: "open" });
      const style = document.createElement("style");
      style.textContent = find("film-style").textContent;
      root.append(style);
    }
    const host = document.createElement("div");
    host.className = "film";
    root.append(host);
    playing = () => host.querySelector(".bar .main")?.click();
    return sparsescopeFilm({ parentElement: root, data: bytes(find(screen.film).textContent),
      setStateValue() {}, setTriggerValue() {} });
  }

  function image(stage, screen) {
    const picture = document.createElement("img");
    Object.assign(picture, { src: screen.image, alt: screen.alt });
    stage.append(picture);
    return () => {};
  }

  function show(next) {
    at = Math.min(Math.max(next, 0), screens.length - 1);
    const screen = screens[at];
    leave();
    playing = () => {};
    const stage = find("stage");
    stage.replaceChildren();
    find("claim").textContent = screen.claim;
    find("claim").hidden = !screen.claim;
    find("words").textContent = screen.words;
    find("words").hidden = !screen.words;
    find("source").textContent = screen.source;
    find("notes").textContent = screen.notes || "No notes for this one.";
    find("place").textContent = screens.length > 1 ? `${at + 1} / ${screens.length}` : "";
    leave = screen.figure ? figure(stage, screen) : screen.film ? film(stage, screen)
      : screen.image ? image(stage, screen) : () => {};
    document.body.dataset.shown = String(at);
  }

  const notes = () => {
    find("notes").hidden = !find("notes").hidden;
    if (screens[at].figure) show(at); // a film finds its new room by itself, and stays where it is
  };
  const keys = {
    ArrowRight: () => show(at + 1), PageDown: () => show(at + 1), " ": () => show(at + 1),
    ArrowLeft: () => show(at - 1), PageUp: () => show(at - 1), Home: () => show(0), End: () => show(screens.length - 1),
    n: notes, p: () => playing(), b: () => document.body.classList.toggle("blank"), ".": () => document.body.classList.toggle("blank"),
  };
  for (let digit = 1; digit <= 9; digit++) keys[digit] = () => show(digit - 1);

  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || screens.length < 2 && !["p", "b"].includes(event.key)) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.target.closest?.("input, button") && event.key === " ") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }, true);
  let waiting;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (screens[at].film && screens.length === 1) || show(at), 150);
  });
  dark.addEventListener("change", () => show(at));
  show(0);
})();
