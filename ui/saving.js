// Save a picture as it is on the screen: a figure of Plotly, a film at its present moment, or an image, under its claim
// and over the line that says where it is from. As SVG (letters stay letters, lines stay lines) or as PNG.
//
// Plotly's own export cannot be reached from here: Streamlit keeps its Plotly to itself. What it has drawn can be read,
// so the file shows the very zoom, theme and hidden lines that a person sees, and films take the same way.
(() => {
  if (window.sparsescopeSaving) return;
  window.sparsescopeSaving = true;
  const SVG = "http://www.w3.org/2000/svg";
  const [EDGE, CLAIM, SMALL] = [20, 20, 12.5]; // pixels: margin, letters of the claim, letters of its source
  const SHARP = 2; // pixels of a PNG a pixel of the screen
  const LEFT_OUT = ".draglayer, .hoverlayer, .zoomlayer, .draggers, .cursor-layer, .scrollbox-hidden";

  const node = (tag, attributes, text) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const image = (href, x, y, width, height) =>
    node("image", { href, x, y, width, height, preserveAspectRatio: "none", style: "image-rendering: pixelated" });

  // -- what is on the screen -----------------------------------------------------------------------------------

  function chart(plot) {
    // Plotly draws into several sheets that lie one over the other; canvases between them hold what WebGL drew.
    const box = plot.getBoundingClientRect();
    const group = node("g", {});
    for (const sheet of plot.querySelectorAll("svg.main-svg, .gl-container canvas")) {
      const at = sheet.getBoundingClientRect();
      if (sheet instanceof HTMLCanvasElement) {
        if (at.width) group.append(image(sheet.toDataURL(), at.left - box.left, at.top - box.top, at.width, at.height));
        continue;
      }
      const copy = sheet.cloneNode(true);
      const [there, here] = [sheet.querySelectorAll("text"), copy.querySelectorAll("text")];
      here.forEach((text, k) => (text.style.fill = getComputedStyle(there[k]).fill)); // a rule of the page may set it
      copy.querySelectorAll(LEFT_OUT).forEach((element) => element.remove());
      copy.removeAttribute("class");
      copy.style.background = "none";
      for (const [name, value] of [["x", at.left - box.left], ["y", at.top - box.top], ["overflow", "hidden"]]) {
        copy.setAttribute(name, value);
      }
      for (const element of copy.querySelectorAll("[clip-path], [mask], [fill^=url], [style*='url(']")) {
        for (const { name, value } of [...element.attributes]) {
          element.setAttribute(name, value.replace(/url\((["']?)[^#)]*#/g, "url($1#")); // from this file, not from a page
        }
      }
      group.append(copy);
    }
    return { group, width: box.width, height: box.height };
  }

  // Letters, canvases, and boxes with a colour: what a film is made of.
  function laid(root) {
    const box = root.getBoundingClientRect();
    const group = node("g", {});
    const walk = (element) => {
      const look = getComputedStyle(element);
      if (look.display === "none" || look.visibility === "hidden") return;
      const at = element.getBoundingClientRect();
      const [x, y] = [at.left - box.left, at.top - box.top];
      if (element instanceof HTMLCanvasElement || element instanceof HTMLImageElement) {
        if (at.width && at.height) group.append(image(bitmap(element), x, y, at.width, at.height));
      } else if (at.width && at.height) {
        const fill = filled(look, group);
        if (fill) group.append(node("rect", { x, y, width: at.width, height: at.height, fill }));
        if (look.borderTopStyle === "dashed") {
          group.append(node("line", { x1: x, x2: x + at.width, y1: y, y2: y, stroke: look.color, "stroke-width": 2,
            "stroke-dasharray": "4 3" }));
        }
      }
      for (const child of element.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) words(child, look, box, group);
        else if (child instanceof Element && !(child instanceof SVGElement)) walk(child);
      }
    };
    walk(root);
    return { group, width: box.width, height: box.height };
  }

  function bitmap(element) {
    if (element instanceof HTMLCanvasElement) return element.toDataURL();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [element.naturalWidth, element.naturalHeight];
    canvas.getContext("2d").drawImage(element, 0, 0);
    return canvas.toDataURL();
  }

  function filled(look, group) {
    if (look.backgroundImage.startsWith("linear-gradient")) {
      const colours = look.backgroundImage.match(/rgba?\([^)]*\)/g) ?? [];
      const id = `ramp-${group.children.length}`;
      const ramp = node("linearGradient", { id });
      colours.forEach((c, k) => ramp.append(node("stop", { offset: k / Math.max(colours.length - 1, 1), "stop-color": c })));
      group.append(ramp);
      return `url(#${id})`;
    }
    return /^(transparent|rgba\(.*, 0\))$/.test(look.backgroundColor) ? "" : look.backgroundColor;
  }

  function words(child, look, box, group) {
    // A line of text is what shares one height; ranges tell where each word stands.
    const range = document.createRange();
    const lines = [];
    for (const found of child.data.matchAll(/\S+/g)) {
      range.setStart(child, found.index);
      range.setEnd(child, found.index + found[0].length);
      const at = range.getBoundingClientRect();
      if (!at.width) continue;
      const last = lines.at(-1);
      if (last && Math.abs(last.y - at.top) < 3) last.text += ` ${found[0]}`;
      else lines.push({ x: at.left, y: at.top, height: at.height, text: found[0] });
    }
    for (const { x, y, height, text } of lines) {
      group.append(node("text", { x: x - box.left, y: y - box.top + height / 2, "dominant-baseline": "central",
        "font-size": look.fontSize, "font-weight": look.fontWeight, fill: look.color, opacity: look.opacity }, text));
    }
  }

  function pictured(root) {
    const plot = root.querySelector(".js-plotly-plot");
    if (plot) return chart(plot);
    for (const element of root.querySelectorAll("*")) {
      const stage = element.shadowRoot?.querySelector(".film .stage");
      if (stage) return film(stage);
    }
    const picture = root.querySelector("[data-testid=stImage] img");
    return picture ? laid(picture.parentElement) : null;
  }

  function film(stage) {
    const bar = stage.querySelector(".bar"); // buttons do nothing on paper; the moment has a line of its own
    const moment = bar?.hidden ? "" : bar?.querySelector(".moment")?.textContent ?? "";
    const kept = bar?.style.display;
    if (bar) bar.style.display = "none";
    const found = laid(stage);
    if (bar) bar.style.display = kept;
    return { ...found, moment, told: Boolean(stage.querySelector(".words.large")) };
  }

  // -- the sheet -----------------------------------------------------------------------------------------------

  function broken(text, width, font) {
    const brush = document.createElement("canvas").getContext("2d");
    brush.font = font;
    const lines = [];
    for (const word of text.split(/\s+/).filter(Boolean)) {
      const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
      if (lines.length && brush.measureText(longer).width <= width) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines;
  }

  async function faces(family) {
    // The page's own letters travel along: a picture that is opened alone has no style sheet to ask.
    const name = family.split(",")[0].replace(/["']/g, "").trim();
    for (const sheet of document.styleSheets) {
      let rules = [];
      try {
        rules = [...sheet.cssRules];
      } catch {
        continue;
      }
      for (const rule of rules) {
        if (!(rule instanceof CSSFontFaceRule) || rule.style.fontStyle === "italic") continue;
        if (rule.style.fontFamily.replace(/["']/g, "") !== name) continue;
        const address = /url\(["']?([^"')]+)/.exec(rule.style.src)?.[1];
        if (!address) continue;
        const answer = await fetch(new URL(address, sheet.href ?? location.href)).catch(() => null);
        if (!answer?.ok) continue;
        const data = await new Promise((done) => {
          const reader = new FileReader();
          reader.onload = () => done(reader.result);
          answer.blob().then((blob) => reader.readAsDataURL(blob));
        });
        return `@font-face { font-family: "${name}"; font-weight: 200 900; src: url(${data}); }`;
      }
    }
    return "";
  }

  async function drawn(root, said) {
    const found = pictured(root);
    if (!found) return null;
    const look = getComputedStyle(document.querySelector("[data-testid=stApp]") ?? document.body);
    const family = look.fontFamily;
    const width = Math.ceil(found.width) + 2 * EDGE;
    const claim = found.told ? [] : broken(said.claim, found.width, `600 ${CLAIM}px ${family}`); // some films say their own
    const from = [found.moment, said.source].filter(Boolean).join(" · ");
    const source = broken(from, found.width, `400 ${SMALL}px ${family}`);
    const top = EDGE + claim.length * CLAIM * 1.3 + 8;
    const height = Math.ceil(top + found.height + 12 + source.length * SMALL * 1.4 + EDGE * 0.7);
    const sheet = node("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`, "font-family": family });
    sheet.append(node("title", {}, said.claim), node("desc", {}, `${said.alt}\n${from}`));
    const style = await faces(family);
    if (style) sheet.append(node("style", {}, style));
    sheet.append(node("rect", { width, height, fill: look.backgroundColor }));
    claim.forEach((line, k) => sheet.append(node("text", { x: EDGE, y: EDGE + CLAIM * (1 + 1.3 * k) - 2, "font-size": CLAIM,
      "font-weight": 600, fill: look.color }, line)));
    found.group.setAttribute("transform", `translate(${EDGE} ${top})`);
    sheet.append(found.group);
    source.forEach((line, k) => sheet.append(node("text", { x: EDGE, y: top + found.height + 12 + SMALL * (1 + 1.4 * k),
      "font-size": SMALL, fill: look.color, opacity: 0.75 }, line)));
    return { text: new XMLSerializer().serializeToString(sheet), width, height };
  }

  async function raster({ text, width, height }) {
    const picture = new Image();
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await picture.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * SHARP, height * SHARP];
    const brush = canvas.getContext("2d");
    brush.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }

  async function save(format, said) {
    const root = document.querySelector(`.st-key-${CSS.escape(said.of)}`);
    const sheet = root && (await drawn(root, said));
    if (!sheet) return;
    const blob = format === "png" ? await raster(sheet) : new Blob([sheet.text], { type: "image/svg+xml" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${said.name}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  // The two buttons are Streamlit's; their press stays here, and the page does not run again for it.
  window.addEventListener("click", (event) => {
    const button = event.target.closest?.("[class*=st-key-save-svg], [class*=st-key-save-png]");
    if (!button || !event.target.closest("button")) return;
    const said = button.closest("[data-testid=stPopoverBody]")?.querySelector("[data-saves]")?.dataset;
    if (!said) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    save(button.className.includes("st-key-save-svg") ? "svg" : "png", { ...said });
  }, true);
})();
