// The values of one chosen group as signed bars, and the line between what stays and what goes.

class Columns {
  constructor(film, panel, canvas) {
    Object.assign(this, { film, panel, canvas, sheet: new Sheet(canvas) });
    film.chosen[panel.follows] ??= panel.first;
    canvas.addEventListener("pointermove", (event) => film.tell(event, this.reading(event)));
    canvas.addEventListener("pointerleave", () => film.tell(null, null));
  }

  fit(width, height) {
    this.sheet.size(width, height);
  }

  // The places of the group's entries in the arrays, row by row.
  places() {
    const [row, col] = this.film.chosen[this.panel.follows];
    const cols = this.film.arrays[this.panel.series[0].values].shape[2];
    const [height, width] = this.panel.group;
    const out = [];
    for (let r = 0; r < height; r++) for (let c = 0; c < width; c++) if (col + c < cols) out.push((row + r) * cols + col + c);
    return out;
  }

  // One range for the whole film: the largest that the group ever holds.
  limit(places) {
    const name = this.film.chosen[this.panel.follows].join();
    if (this.known?.name !== name) {
      let most = 0;
      for (const series of this.panel.series) {
        const array = this.film.arrays[series.values];
        for (let k = 0; k < array.moments; k++) for (const i of places) most = Math.max(most, Math.abs(array.value(k, i)));
      }
      this.known = { name, most: most || 1 };
    }
    return this.known.most;
  }

  stays(k, places) {
    const mask = this.panel.mask === undefined ? null : this.film.arrays[this.panel.mask].at(k);
    return places.map((i) => !mask || mask[i] === 1);
  }

  // The size between the smallest that stays and the largest that goes; null where size does not decide.
  line(k, places, stays) {
    const values = this.film.arrays[this.panel.series[this.panel.series.length - 1].values];
    const sizes = places.map((i) => Math.abs(values.value(k, i)));
    const least = Math.min(...sizes.filter((_, n) => stays[n]));
    const most = Math.max(...sizes.filter((_, n) => !stays[n]));
    return this.panel.line && Number.isFinite(least) && Number.isFinite(most) && most <= least ? (least + most) / 2 : null;
  }

  draw(k, next, share) {
    const { sheet, panel, film } = this;
    const { context, width, height } = sheet;
    sheet.clear();
    const places = this.places();
    const stays = this.stays(share < 0.5 ? k : next, places);
    const words = TEXT + 5;
    const middle = (height - words) / 2;
    const unit = (middle - 4) / this.limit(places);
    const step = width / places.length;
    const bar = Math.min(30, (step * 0.72) / panel.series.length);
    context.fillStyle = film.colours.rule;
    context.fillRect(0, Math.round(middle), width, 1);
    places.forEach((i, n) => {
      panel.series.forEach((series, s) => {
        const array = film.arrays[series.values];
        const value = array.value(k, i) * (1 - share) + array.value(next, i) * share;
        const size = Math.max(-middle + 4, Math.min(middle - 4, value * unit));
        const x = n * step + step / 2 + (s - panel.series.length / 2) * bar;
        context.globalAlpha = stays[n] ? 1 : 0.32;
        context.fillStyle = series.colour;
        context.fillRect(x + 1, Math.min(middle, middle - size), bar - 2, Math.max(Math.abs(size), 1));
        context.globalAlpha = 1;
      });
      sheet.font(film.colours, TEXT, stays[n] ? 600 : 400);
      context.globalAlpha = stays[n] ? 1 : 0.7;
      context.textAlign = "center";
      context.textBaseline = "bottom";
      if (step > 36) context.fillText(stays[n] ? panel.stays : panel.goes, (n + 0.5) * step, height);
      else if (stays[n]) context.fillText("●", (n + 0.5) * step, height);
      context.globalAlpha = 1;
    });
    this.edge(context, k, next, share, places, middle, unit, width);
  }

  edge(context, k, next, share, places, middle, unit, width) {
    const lines = [k, next].map((at) => this.line(at, places, this.stays(at, places)));
    if (lines[0] === null || lines[1] === null) return;
    const size = (lines[0] * (1 - share) + lines[1] * share) * unit;
    context.strokeStyle = this.film.colours.text;
    context.setLineDash([5, 4]);
    context.lineWidth = 1.25;
    context.beginPath();
    for (const y of [middle - size, middle + size]) {
      context.moveTo(0, y);
      context.lineTo(width, y);
    }
    context.stroke();
    context.setLineDash([]);
  }

  reading(event) {
    const places = this.places();
    const n = Math.floor((under(event, this.canvas)[0] / this.sheet.width) * places.length);
    if (n < 0 || n >= places.length) return null;
    const k = this.film.k;
    const lines = [`entry ${n + 1} ${this.stays(k, places)[n] ? this.panel.stays : this.panel.goes}`];
    for (const series of this.panel.series) lines.push(`${series.name} ${num(this.film.arrays[series.values].value(k, places[n]))}`);
    return lines;
  }

  key() {
    const line = make("div", "key");
    for (const series of this.panel.series) {
      const square = make("i", "gone");
      square.style.background = series.colour;
      line.append(square, make("span", "", series.name));
    }
    if (this.panel.line) line.append(make("i", "dash"), make("span", "", "the line"));
    return line;
  }
}
