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
    for (const line of panel.lines) this.stroke(context, line.x.map((x, n) => [x, line.y[n]]), line.colour, line.width ?? 1.5, line.dash);
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
    points.forEach(([x, y], n) => context[n ? "lineTo" : "moveTo"](...this.at(x, y)));
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
    const now = panel.paths.map((path) => this.where(path, k, next, share));
    panel.paths.forEach((path, n) => {
      if (path.trail === false) return;
      const array = film.arrays[path.values];
      const come = [];
      for (let m = 0; m <= Math.min(k, array.moments - 1); m++) come.push([array.value(m, 0), array.value(m, 1)]);
      context.globalAlpha = 0.55;
      this.stroke(context, [...come, now[n]], path.colour, 2);
      context.globalAlpha = 1;
    });
    for (const [a, b] of panel.springs) this.stroke(context, [now[a], now[b]], film.colours.text, 1.25, [4, 4]);
    panel.paths.forEach((path, n) => this.mark(context, path, this.at(...now[n])));
  }

  mark(context, path, [x, y]) {
    context.fillStyle = path.colour;
    context.strokeStyle = this.film.colours.back;
    context.lineWidth = 2;
    context.beginPath();
    if (path.shape === "square") context.rect(x - 6, y - 6, 12, 12);
    else if (path.shape === "diamond") [[0, -8], [8, 0], [0, 8], [-8, 0]].forEach(([a, b], n) => context[n ? "lineTo" : "moveTo"](x + a, y + b));
    else context.arc(x, y, 7, 0, 7);
    context.closePath();
    context.fill();
    context.stroke();
    this.sheet.font(this.film.colours, TEXT + 1, 600);
    context.textBaseline = "bottom";
    context.textAlign = x > this.sheet.width - 40 ? "right" : "left";
    context.fillText(path.name, x + (context.textAlign === "left" ? 10 : -10), y - 6);
  }

  reading(event) {
    const [px, py] = under(event, this.canvas);
    for (const path of this.panel.paths) {
      const place = this.where(path, this.film.k, this.film.k, 0);
      const [x, y] = this.at(...place);
      if (Math.hypot(px - x, py - y) < 14) return [`${path.name} (${num(place[0])}, ${num(place[1])})`];
    }
    return null;
  }

  key() {
    const line = make("div", "key");
    for (const path of this.panel.paths) {
      const square = make("i", "gone");
      square.style.background = path.colour;
      line.append(square, make("span", "", path.words ?? path.name));
    }
    return line;
  }
}

// A text a moment. It is no canvas: it can be read out, marked and copied.
class Words {
  constructor(film, panel, canvas) {
    Object.assign(this, { film, panel });
    this.element = make("p", panel.large ? "words large" : "words");
    canvas.replaceWith(this.element);
  }

  fit(width) {
    this.element.style.maxWidth = `${width}px`;
  }

  draw(k) {
    const words = this.panel.texts[Math.min(k, this.panel.texts.length - 1)];
    if (this.element.textContent !== words) this.element.textContent = words;
  }

  key() {
    return null;
  }
}
