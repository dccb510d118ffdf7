// One square a value. Colours are looked up per moment and kept; a moment is one putImageData and one drawImage.

class Pixels {
  constructor(film, panel, canvas) {
    Object.assign(this, { film, panel, canvas, sheet: new Sheet(canvas) });
    this.values = film.arrays[panel.values];
    this.mask = panel.mask === undefined ? null : film.arrays[panel.mask];
    [this.rows, this.cols] = this.values.shape.slice(1);
    this.palette = film.header.palettes[panel.palette];
    this.colours = words32(this.palette);
    this.small = make("canvas");
    [this.small.width, this.small.height] = [this.cols, this.rows];
    this.brush = this.small.getContext("2d");
    this.image = this.brush.createImageData(this.cols, this.rows);
    this.kept = new Map();
    this.listen();
  }

  codes(k) {
    const place = Math.min(k, Math.max(this.values.moments, this.mask?.moments ?? 1) - 1);
    if (!this.kept.has(place)) this.kept.set(place, this.coded(place));
    return this.kept.get(place);
  }

  coded(k) {
    const values = this.values.at(k);
    if (this.panel.scale === "codes") return values;
    const out = new Uint8Array(this.rows * this.cols);
    const [top, zero] = this.panel.scale === "diverging" ? [127, 127] : [254, 0];
    const factor = (this.values.scale / (this.panel.limit || 1)) * top;
    const low = this.panel.scale === "diverging" ? -127 : 0;
    const mask = this.mask?.at(k);
    for (let i = 0; i < out.length; i++) {
      out[i] = mask && !mask[i] ? 255 : Math.round(Math.max(low, Math.min(top, values[i] * factor))) + zero;
    }
    return out;
  }

  lead(cell) {
    return [this.cols * cell, this.rows * cell];
  }

  fit(width, height, cell) {
    const { panel, rows, cols, film } = this;
    const ratio = density();
    // Whole device pixels, all cells alike; where there are more cells than pixels, it has to be a fraction.
    const whole = (size) => (size * ratio >= 1 ? Math.floor(size * ratio + 0.01) / ratio : size);
    const most = panel.most ?? 24;
    this.high = whole(Math.min(height / rows, most));
    this.named = panel.rows.length > 0 && panel.stretch && this.high >= TEXT - 1;
    this.sheet.font(film.colours, TEXT - 1);
    const names = this.named ? panel.rows.map((name) => this.sheet.context.measureText(name).width) : [0];
    this.left = this.named ? Math.min(Math.ceil(Math.max(...names)) + 6, Math.floor(width / 3)) : 0;
    if (panel.stretch) this.wide = whole(Math.min((width - this.left) / cols, most));
    else this.wide = this.high = panel.lead ? whole(cell) : whole(Math.min(width / cols, height / rows, most));
    this.sheet.size(this.left + cols * this.wide, rows * this.high);
  }

  paint(codes, share) {
    const data = new Uint32Array(this.image.data.buffer);
    for (let i = 0; i < codes.length; i++) data[i] = this.colours[codes[i]];
    this.brush.putImageData(this.image, 0, 0);
    const { context, canvas } = this.sheet;
    context.globalAlpha = share;
    context.imageSmoothingEnabled = false;
    context.setTransform(1, 0, 0, 1, 0, 0);
    const left = Math.round(this.left * this.sheet.ratio);
    context.drawImage(this.small, left, 0, canvas.width - left, canvas.height);
  }

  draw(k, next, share) {
    const context = this.sheet.context;
    this.sheet.clear();
    const [here, there] = [this.codes(k), this.codes(next)];
    context.globalCompositeOperation = "lighter"; // two half-transparent pictures add up to one whole
    this.paint(here, here === there ? 1 : 1 - share);
    if (share > 0 && here !== there) this.paint(there, share);
    context.globalCompositeOperation = "source-over";
    context.globalAlpha = 1;
    context.setTransform(this.sheet.ratio, 0, 0, this.sheet.ratio, 0, 0);
    if (this.named) this.names(context);
    if (this.panel.written && this.wide >= (SCALE > 1 ? 30 : 22)) this.write(context, share < 0.5 ? k : next);
    this.rules(context);
    this.boxes(context);
  }

  // The number on every cell; white where the colour is strong.
  write(context, k) {
    const codes = this.codes(k);
    this.sheet.font(this.film.colours, this.wide >= 40 || SCALE > 1 ? TEXT - (SCALE > 1) : TEXT - 3);
    context.textBaseline = "middle";
    context.textAlign = "center";
    codes.forEach((code, i) => {
      context.fillStyle = code !== 255 && this.palette[4 * code + 3] > 170 ? "#ffffff" : this.film.colours.text;
      const [row, col] = [Math.floor(i / this.cols), i % this.cols];
      context.fillText(code === 255 ? "0" : two(this.values.value(k, i)), this.left + (col + 0.5) * this.wide, (row + 0.5) * this.high);
    });
  }

  names(context) {
    this.sheet.font(this.film.colours, TEXT - 1);
    context.textBaseline = "middle";
    context.textAlign = "left";
    this.panel.rows.forEach((name, r) => context.fillText(name, 0, (r + 0.5) * this.high, this.left - 4));
  }

  rules(context) {
    const group = this.panel.group;
    if (!group || this.wide < 5) return;
    context.strokeStyle = this.film.colours.back;
    context.lineWidth = 1;
    context.globalAlpha = 0.75;
    context.beginPath();
    const [h, w] = [this.rows * this.high, this.cols * this.wide];
    const edge = (at) => Math.round(at * this.wide) - 0.5; // a hairline on whole pixels
    if (group[1] > 1) for (let c = group[1]; c < this.cols; c += group[1]) context.moveTo(edge(c), 0), context.lineTo(edge(c), h);
    if (group[0] > 1) for (let r = group[0]; r < this.rows; r += group[0]) context.moveTo(0, edge(r)), context.lineTo(w, edge(r));
    context.stroke();
    context.globalAlpha = 1;
  }

  boxes(context) {
    const { film, panel } = this;
    const box = (r, c, height, width, colour, line) => {
      context.strokeStyle = colour;
      context.lineWidth = line;
      const [x, y] = [this.left + c * this.wide - line / 2, r * this.high - line / 2];
      context.strokeRect(x, y, width * this.wide + line, height * this.high + line);
    };
    if (panel.marked) {
      const [r, c, height, width] = panel.marked; // its edge lies inside: the box may be the picture's corner
      const inset = (length) => Math.max(length - 2, 2);
      context.strokeStyle = film.colours.text;
      context.lineWidth = 2;
      context.strokeRect(c * this.wide + 1, r * this.high + 1, inset(width * this.wide), inset(height * this.high));
    }
    const chosen = panel.link && panel.group && film.chosen[panel.link];
    if (chosen) {
      box(chosen[0], chosen[1], ...panel.group, film.colours.back, 4);
      box(chosen[0], chosen[1], ...panel.group, film.colours.accent, 2);
    }
    const pointed = film.pointed;
    if (pointed && pointed.of === (panel.link || panel)) box(pointed.row, pointed.col, 1, 1, film.colours.text, 1);
  }

  cellAt(event) {
    const [x, y] = under(event, this.canvas);
    const [row, col] = [Math.floor(y / this.high), Math.floor((x - this.left) / this.wide)];
    return row >= 0 && col >= 0 && row < this.rows && col < this.cols ? [row, col] : null;
  }

  listen() {
    const { film, panel, canvas } = this;
    if (!panel.stretch) canvas.classList.add("framed"); // zero is the page's own tone: an edge says where it ends
    canvas.addEventListener("pointermove", (event) => {
      const cell = this.cellAt(event);
      film.pointed = cell && { of: panel.link || panel, row: cell[0], col: cell[1] };
      film.tell(event, cell ? this.reading(...cell) : null);
      film.again();
    });
    canvas.addEventListener("pointerleave", () => {
      film.pointed = null;
      film.tell(null, null);
      film.again();
    });
    if (panel.pick) {
      canvas.classList.add("choose");
      canvas.addEventListener("click", (event) => {
        const cell = this.cellAt(event);
        if (cell) film.pick(cell.join());
      });
    }
    if (!panel.link || !panel.group) return;
    canvas.tabIndex = 0;
    canvas.dataset.grid = "1";
    canvas.classList.add("choose");
    canvas.addEventListener("click", (event) => {
      const cell = this.cellAt(event);
      if (cell) this.choose(...cell);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      const [r, c] = film.chosen[panel.link] ?? [0, 0];
      this.choose(r + step[0] * panel.group[0], c + step[1] * panel.group[1]);
      event.preventDefault();
    });
  }

  choose(row, col) {
    const [height, width] = this.panel.group;
    const inside = (at, size, length) => Math.max(0, Math.min(Math.floor(at / size), Math.ceil(length / size) - 1)) * size;
    this.film.chosen[this.panel.link] = [inside(row, height, this.rows), inside(col, width, this.cols)];
    this.film.again();
  }

  reading(row, col) {
    // What the cell holds now, in this panel and in all that show the same cells.
    const { film, panel } = this;
    const name = panel.rows[row] ?? `${panel.say[0]} ${panel.start[0] + row}`;
    const lines = [`${name}, ${panel.say[1]} ${panel.start[1] + col}`];
    for (const other of film.drawn) {
      if (other !== this && !(panel.link && other.panel.link === panel.link && other instanceof Pixels)) continue;
      lines.push(`${other.panel.say[2]} ${other.valueAt(row, col)}`);
    }
    return lines;
  }

  valueAt(row, col) {
    const [k, i] = [this.film.k, row * this.cols + col];
    return this.mask && !this.mask.at(k)[i] ? this.panel.gone : num(this.values.value(k, i));
  }

  key() {
    // What the colours mean: the two ends and zero, and the grey of what is gone.
    const { panel, palette } = this;
    if (!panel.key || panel.scale === "codes") return null;
    const line = make("div", "key");
    const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => css(palette, Math.round(share * 254)));
    const bar = make("i", "ramp");
    bar.style.background = `linear-gradient(90deg, ${stops.join(",")})`;
    line.append(make("span", "", panel.scale === "diverging" ? num(-panel.limit) : "0"), bar, make("span", "", num(panel.limit)));
    if (this.mask) {
      const grey = make("i", "gone");
      grey.style.background = css(palette, 255);
      line.append(grey, make("span", "", panel.gone));
    }
    return line;
  }
}
