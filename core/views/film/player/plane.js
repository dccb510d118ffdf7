// A still picture, and points that move over it and leave the path that they have come.

class Plane {
  constructor(film, panel, canvas) {
    Object.assign(this, { film, panel, canvas, sheet: new Sheet(canvas), still: new Sheet(make("canvas")) });
    canvas.addEventListener("pointermove", (event) => film.tell(event, this.reading(event)));
    canvas.addEventListener("pointerleave", () => film.tell(null, null));
  }

  fit(width, height) {
    const { x, y } = this.panel;
    const unit = Math.min(width / (x[1] - x[0]), height / (y[1] - y[0])); // one length for both axes
    this.unit = unit;
    const size = [unit * (x[1] - x[0]), unit * (y[1] - y[0])];
    this.sheet.size(...size);
    this.still.size(...size);
    this.drawStill();
  }

  at(x, y) {
    return [(x - this.panel.x[0]) * this.unit, (this.panel.y[1] - y) * this.unit];
  }

  drawStill() {
    const { still, film, panel } = this;
    const context = still.context;
    still.clear();
    if (panel.background !== undefined) {
      const codes = film.arrays[panel.background];
      const colours = words32(film.header.palettes[panel.palette]);
      const small = make("canvas");
      [small.height, small.width] = codes.shape.slice(1);
      const brush = small.getContext("2d");
      const image = brush.createImageData(small.width, small.height);
      const data = new Uint32Array(image.data.buffer);
      codes.at(0).forEach((code, i) => (data[i] = colours[code]));
      brush.putImageData(image, 0, 0);
      context.drawImage(small, 0, 0, still.width, still.height);
    }
    for (const line of panel.lines) this.stroke(context, line.x.map((x, n) => (x === null ? null : [x, line.y[n]])), line.colour, line.width ?? 1.5, line.dash);
    for (const spot of panel.spots) this.mark(context, spot, this.at(spot.x, spot.y), still);
    still.font(film.colours, TEXT);
    context.textAlign = "right";
    context.textBaseline = "bottom";
    context.fillText(panel.labels[0], still.width - 4, still.height - 4);
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText(panel.labels[1], 4, 4);
  }

  stroke(context, points, colour, width, dash) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.lineJoin = "round";
    context.setLineDash(dash ?? []);
    context.beginPath();
    let pen = "moveTo"; // after a gap the pen is put down anew
    for (const point of points) {
      if (point) context[pen](...this.at(...point));
      pen = point ? "lineTo" : "moveTo";
    }
    context.stroke();
    context.setLineDash([]);
  }

  where(path, k, next, share) {
    const array = this.film.arrays[path.values];
    return [0, 1].map((i) => array.value(k, i) * (1 - share) + array.value(next, i) * share);
  }

  draw(k, next, share) {
    const { sheet, panel, film } = this;
    const context = sheet.context;
    sheet.clear();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.still.canvas, 0, 0);
    context.setTransform(sheet.ratio, 0, 0, sheet.ratio, 0, 0);
    const there = panel.paths.filter((path) => k >= (path.first ?? 0));
    const now = new Map(panel.paths.map((path) => [path, this.where(path, k, next, share)]));
    for (const path of there) {
      if (path.trail === false) continue;
      const array = film.arrays[path.values];
      const come = [];
      for (let m = path.first ?? 0; m <= Math.min(k, array.moments - 1); m++) come.push([array.value(m, 0), array.value(m, 1)]);
      context.globalAlpha = 0.55;
      this.stroke(context, [...come, now.get(path)], path.colour, 2);
      for (const point of come) this.dot(context, path.colour, this.at(...point));
      context.globalAlpha = 1;
    }
    for (const spring of panel.springs) this.spring(context, spring, there, now);
    for (const path of there) if (!path.hidden) this.mark(context, path, this.at(...now.get(path)), sheet);
  }

  dot(context, colour, [x, y]) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, 2.5, 0, 7);
    context.fill();
  }

  // A line between two points; an arrow with its head at the second, where *arrow* says so.
  spring(context, { between, colour, dash, arrow, name }, there, now) {
    const [a, b] = between.map((n) => this.panel.paths[n]);
    if (!there.includes(a) || !there.includes(b)) return;
    const line = colour ?? this.film.colours.text;
    this.stroke(context, [now.get(a), now.get(b)], line, arrow ? 2.5 : 1.5, dash);
    const [[x0, y0], [x1, y1]] = [this.at(...now.get(a)), this.at(...now.get(b))];
    if (!arrow || Math.hypot(x1 - x0, y1 - y0) < 4) return;
    const angle = Math.atan2(y1 - y0, x1 - x0);
    context.fillStyle = line;
    context.beginPath();
    context.moveTo(x1, y1);
    for (const turn of [2.65, -2.65]) context.lineTo(x1 + 11 * Math.cos(angle + turn), y1 + 11 * Math.sin(angle + turn));
    context.fill();
    if (name) this.label(context, name, x1, y1, false, line, this.sheet);
  }

  mark(context, path, [x, y], sheet) {
    const { colours } = this.film;
    context.fillStyle = context.strokeStyle = path.colour;
    context.lineWidth = 2;
    context.beginPath();
    if (path.shape === "cross") {
      for (const [a, b] of [[1, 1], [1, -1]]) context.moveTo(x - 6 * a, y - 6 * b), context.lineTo(x + 6 * a, y + 6 * b);
      context.stroke();
    } else {
      if (path.shape === "square") context.rect(x - 6, y - 6, 12, 12);
      else if (path.shape === "diamond") [[0, -8], [8, 0], [0, 8], [-8, 0]].forEach(([a, b], n) => context[n ? "lineTo" : "moveTo"](x + a, y + b));
      else context.arc(x, y, 7, 0, 7);
      context.closePath();
      if (!path.open) context.fill();
      if (!path.open) context.strokeStyle = colours.back;
      context.stroke();
    }
    if (!path.silent) this.label(context, path.name, x, y, path.below, path.colour, sheet);
  }

  label(context, name, x, y, below, colour, sheet) {
    sheet.font(this.film.colours, TEXT + 3, 650);
    context.fillStyle = colour;
    context.textBaseline = below ? "top" : "bottom";
    const left = below ? x < 40 : x < sheet.width - 60; // each on a side of its own: two points may lie on one another
    context.textAlign = left ? "left" : "right";
    context.fillText(name, x + (left ? 10 : -10), below ? y + 5 : y - 5);
  }

  reading(event) {
    const [px, py] = under(event, this.canvas);
    for (const spot of this.panel.spots) {
      const [x, y] = this.at(spot.x, spot.y);
      if (Math.hypot(px - x, py - y) < 12) return [`${spot.words ?? spot.name} (${num(spot.x)}, ${num(spot.y)})`];
    }
    for (const path of this.panel.paths) {
      if (path.hidden || this.film.k < (path.first ?? 0)) continue;
      const place = this.where(path, this.film.k, this.film.k, 0);
      const [x, y] = this.at(...place);
      if (Math.hypot(px - x, py - y) < 14) return [`${path.name} (${num(place[0])}, ${num(place[1])})`];
    }
    return null;
  }

  key() {
    const line = make("div", "key wraps");
    for (const path of [...this.panel.paths, ...this.panel.spots]) {
      if (path.hidden) continue;
      const mark = make("i", `gone ${path.shape}${path.open ? " open" : ""}`);
      mark.style[path.open ? "borderColor" : "background"] = path.colour;
      const entry = make("span", "line");
      entry.append(mark, make("span", "", path.words ?? path.name));
      line.append(entry);
    }
    return line;
  }
}

// A text a moment. It is no canvas: it can be read out, marked and copied.
class Words {
  constructor(film, panel, canvas) {
    Object.assign(this, { film, panel });
    this.element = make(panel.large ? "h2" : "p", panel.large ? "words large" : "words");
    canvas.replaceWith(this.element);
  }

  fit(width) {
    this.element.style.maxWidth = `${width}px`;
    if (this.panel.height) this.element.style.minHeight = `${this.panel.height}px`;
  }

  draw(k) {
    const words = this.panel.texts[Math.min(k, this.panel.texts.length - 1)];
    if (this.element.textContent !== words) this.element.textContent = words;
  }

  key() {
    return null;
  }
}
