// Strips over one time axis. What stands still is drawn once per size; a moment is the cursor, the dots, the numbers.

class Curves {
  constructor(film, panel, canvas) {
    Object.assign(this, { film, panel, canvas, sheet: new Sheet(canvas), still: new Sheet(make("canvas")) });
    canvas.classList.add("scrub");
    const go = (event) => {
      const share = (under(event, canvas)[0] - this.left) / (this.right - this.left);
      film.seek(Math.round(share * film.last), true);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      go(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) go(event);
    });
  }

  fit(width, height) {
    this.sheet.size(width, height);
    this.still.size(width, height);
    this.left = this.margin(width);
    this.right = width - (this.panel.strips.some((strip) => strip.key) ? 24 : 10);
    this.top = this.film.header.phases.length ? TEXT + 6 : 2;
    // A strip of two curves is higher: its margin holds two numbers.
    const shares = this.panel.strips.map((strip) => strip.share ?? (strip.lines.length > 1 ? 1.45 : 1));
    const unit = (height - this.top) / shares.reduce((sum, share) => sum + share, 0);
    let at = this.top;
    this.places = shares.map((share) => {
      const place = { top: at, high: share * unit };
      at += share * unit;
      return place;
    });
    this.drawStill();
  }

  x(at) {
    return this.left + (at / Math.max(this.film.last, 1)) * (this.right - this.left);
  }

  y(strip, i, value) {
    const scale = strip.log ? Math.log : (v) => v;
    const safe = strip.log ? Math.max(value, strip.low) : value;
    const share = (scale(safe) - scale(strip.low)) / (scale(strip.high) - scale(strip.low) || 1);
    const { top, high } = this.places[i];
    return top + high - 4 - Math.max(0, Math.min(1, share)) * (high - 9);
  }

  drawStill() {
    const { still, film, panel } = this;
    const context = still.context;
    still.clear();
    this.phases(context);
    panel.strips.forEach((strip, i) => {
      const base = Math.round(this.places[i].top + this.places[i].high) - 0.5;
      context.strokeStyle = film.colours.rule;
      context.setLineDash([]);
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(this.left, base);
      context.lineTo(this.right, base);
      context.stroke();
      if (strip.level) this.level(context, strip, i);
      for (const line of strip.lines) this.line(context, strip, i, line);
    });
  }

  phases(context) {
    const { film, still } = this;
    let free = -1;
    film.header.phases.forEach(([name, first, last], i) => {
      const half = film.header.phases.length > 1 ? 0.5 : 0;
      const [x0, x1] = [this.x(Math.max(first - half, 0)), this.x(Math.min(last + half, film.last))];
      context.fillStyle = i % 2 ? "transparent" : film.colours.wash;
      context.fillRect(x0, this.top - 3, x1 - x0, still.height);
      still.font(film.colours, TEXT - 1);
      context.textBaseline = "top";
      const width = context.measureText(name).width;
      const middle = Math.max(this.left, Math.min((x0 + x1 - width) / 2, this.right - width));
      if (middle > free + 6 && width < x1 - x0 + 34) {
        context.textAlign = "left";
        context.fillText(name, middle, 0);
        free = middle + width;
      }
    });
  }

  level(context, strip, i) {
    const [value, name] = strip.level;
    const y = Math.round(this.y(strip, i, value)) + 0.5;
    context.strokeStyle = this.film.colours.text;
    context.globalAlpha = 0.45;
    context.setLineDash([3, 4]);
    context.beginPath();
    context.moveTo(this.left, y);
    context.lineTo(this.right, y);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
    this.still.font(this.film.colours, TEXT - 1);
    context.globalAlpha = 0.85;
    if (strip.lines.length === 1 && this.places[i].high > 2 * TEXT + 4) {
      // Under the curve's own number, in the margin.
      const low = this.places[i].top + TEXT + 6;
      context.textBaseline = "top";
      context.textAlign = "left";
      context.fillText(name, 8, low);
      context.textAlign = "right";
      context.fillText(said(value, strip.form), this.left - 8, low);
    } else if (strip.lines.length > 1) {
      context.textAlign = "right";
      context.textBaseline = y - this.places[i].top > 14 ? "bottom" : "top";
      context.fillText(name, this.right, y - (context.textBaseline === "bottom" ? 1 : -2));
    }
    context.globalAlpha = 1;
  }

  line(context, strip, i, line) {
    context.strokeStyle = context.fillStyle = line.colour;
    context.lineJoin = "round";
    const at = line.x.map((x, n) => [this.x(x), this.y(strip, i, line.y[n])]);
    const stroke = (points, width) => {
      context.lineWidth = width;
      context.beginPath();
      points.forEach(([x, y], n) => {
        if (n && line.step) context.lineTo(x, points[n - 1][1]);
        context[n ? "lineTo" : "moveTo"](x, y);
      });
      context.stroke();
    };
    stroke(at, line.wide ? 1.1 : 1.75);
    if (at.length === 1) context.fillRect(at[0][0] - 2, at[0][1] - 2, 4, 4);
    line.wide?.forEach((wide, n) => {
      if (!wide) return;
      context.fillRect(at[n][0] - 2.5, at[n][1] - 2.5, 5, 5);
      if (line.wide[n + 1]) stroke([at[n], at[n + 1]], 3.5);
    });
    if (!strip.key || !at.length) return;
    this.still.font(this.film.colours, TEXT - 1); // each of many lines says its name where it ends
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillText(line.name, this.right + 6, at[at.length - 1][1]);
  }

  // The last point of *line* at or before *at*; null before the first.
  point(line, at) {
    let n = -1;
    while (n + 1 < line.x.length && line.x[n + 1] <= at + 1e-6) n++;
    return n < 0 || (n === line.x.length - 1 && at > line.x[n] + 1) ? null : n;
  }

  draw(k, next, share) {
    const { sheet, film, panel } = this;
    const context = sheet.context;
    sheet.clear();
    context.setTransform(1, 0, 0, 1, 0, 0);
    const at = k + (next - k) * share;
    // Somebody is to guess first: what is yet to come is not drawn.
    const seen = film.header.silent ? Math.ceil(this.x(at) * sheet.ratio) : sheet.canvas.width;
    if (seen > 0) context.drawImage(this.still.canvas, 0, 0, seen, sheet.canvas.height, 0, 0, seen, sheet.canvas.height);
    context.setTransform(sheet.ratio, 0, 0, sheet.ratio, 0, 0);
    context.fillStyle = film.colours.accent;
    context.fillRect(this.x(at) - 0.75, this.top - 3, 1.5, sheet.height);
    panel.strips.forEach((strip, i) => this.numbers(context, strip, i, at));
  }

  numbers(context, strip, i, at) {
    const { sheet, film } = this;
    const high = this.places[i].top + 4;
    const several = strip.lines.length > 1;
    context.textBaseline = "top";
    if (strip.key) this.legend(context, strip, high);
    else if (!several) this.pair(context, strip.title, strip.lines[0], strip, high, at);
    else strip.lines.forEach((line, n) => this.pair(context, line.name, line, strip, high + n * (TEXT + 2), at));
    strip.lines.forEach((line) => {
      const n = this.point(line, at);
      if (n === null) return;
      context.fillStyle = line.colour;
      context.beginPath();
      context.arc(this.x(line.x[n]), this.y(strip, i, line.y[n]), 3, 0, 7);
      context.fill();
    });
  }

  legend(context, strip, y) {
    this.sheet.font(this.film.colours, TEXT);
    context.textAlign = "left";
    context.fillText(strip.title, 0, y);
    strip.key.forEach(([words, colour], n) => {
      context.fillStyle = colour;
      context.fillRect(0, y + (n + 1) * (TEXT + 5) + 2, 3, TEXT - 3);
      context.fillStyle = this.film.colours.text;
      context.fillText(words, 8, y + (n + 1) * (TEXT + 5));
    });
  }

  // Room left of the curves: for the widest name with its widest value beside it, never more than half.
  margin(width) {
    this.sheet.font(this.film.colours, TEXT);
    const wide = (text) => this.sheet.context.measureText(text).width;
    const needed = this.panel.strips.filter((strip) => !strip.key).flatMap((strip) => strip.lines.map((line) =>
      wide(line.name) + Math.max(...line.y.map((value) => wide(said(value, strip.form))))));
    return Math.min(Math.max(Math.min(118, width * 0.36), 28 + Math.max(0, ...needed)), width / 2);
  }

  pair(context, name, line, strip, y, at) {
    this.sheet.font(this.film.colours, TEXT);
    context.fillStyle = line.colour;
    context.fillRect(0, y + 2, 3, TEXT - 3);
    context.fillStyle = this.film.colours.text;
    context.textAlign = "left";
    context.fillText(name, 8, y);
    const n = this.point(line, at);
    context.textAlign = "right";
    context.fillText(n === null ? "–" : said(line.y[n], strip.form), this.left - 8, y);
  }

  key() {
    return null;
  }
}
