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

  // One range for the whole film: the least and the largest that the group ever holds, and zero.
  range(places) {
    const name = this.film.chosen[this.panel.follows].join();
    if (this.known?.name !== name) {
      let [low, high] = [0, 0];
      for (const series of this.panel.series) {
        const array = this.film.arrays[series.values];
        for (let k = 0; k < array.moments; k++) {
          for (const i of places) [low, high] = [Math.min(low, array.value(k, i)), Math.max(high, array.value(k, i))];
        }
      }
      this.known = { name, low, high: high > low ? high : low + 1 };
    }
    return this.known;
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
    const range = this.range(places);
    const [top, floor] = [4, height - TEXT - 7];
    const y = (value) => floor - ((value - range.low) / (range.high - range.low)) * (floor - top);
    const step = width / places.length;
    const bar = Math.min(30, (step * 0.72) / panel.series.length);
    context.fillStyle = film.colours.rule;
    context.fillRect(0, Math.round(y(0)), width, 1);
    places.forEach((i, n) => {
      panel.series.forEach((series, s) => {
        const array = film.arrays[series.values];
        const value = array.value(k, i) * (1 - share) + array.value(next, i) * share;
        const x = (n + 0.5) * step + (s - panel.series.length / 2) * bar;
        const [top, high] = [Math.min(y(0), y(value)), Math.max(Math.abs(y(value) - y(0)), 1)];
        context.globalAlpha = stays[n] ? 1 : 0.32;
        context.fillStyle = context.strokeStyle = panel.entries?.[n] ?? series.colour;
        context.lineWidth = 2;
        if (this.hollow(series)) context.strokeRect(x + 2, top + 1, bar - 4, Math.max(high - 2, 0));
        else context.fillRect(x + 1, top, bar - 2, high);
      });
      sheet.font(film.colours, TEXT, stays[n] ? 600 : 400);
      context.globalAlpha = stays[n] ? 1 : 0.7;
      context.textAlign = "center";
      context.textBaseline = "bottom";
      if (step > 36) context.fillText(stays[n] ? panel.stays : panel.goes, (n + 0.5) * step, height);
      else if (stays[n]) context.fillText("●", (n + 0.5) * step, height);
      context.globalAlpha = 1;
    });
    this.edge(context, [k, next], share, places, y);
  }

  hollow(series) {
    return this.panel.hollow?.includes(series.name) ?? false;
  }

  edge(context, moments, share, places, y) {
    const range = this.range(places);
    const lines = moments.map((at) => this.line(at, places, this.stays(at, places)));
    this.dash.hidden = lines[0] === null || lines[1] === null;
    if (this.dash.hidden) return;
    const size = lines[0] * (1 - share) + lines[1] * share;
    context.strokeStyle = this.film.colours.text;
    context.setLineDash([5, 4]);
    context.lineWidth = 1.25;
    context.beginPath();
    for (const at of [size, -size]) {
      if (at < range.low || at > range.high) continue;
      context.moveTo(0, y(at));
      context.lineTo(this.sheet.width, y(at));
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
      const colour = this.panel.entries ? "currentColor" : series.colour; // the entries' colours have a key of their own
      const square = make("i", this.hollow(series) ? "gone open" : "gone");
      if (this.hollow(series)) square.style.borderColor = colour;
      else square.style.background = colour;
      line.append(square, make("span", "", series.name));
    }
    this.dash = make("span", "line");
    this.dash.append(make("i", "dash"), make("span", "", "the line"));
    this.dash.hidden = true;
    line.append(this.dash);
    return line;
  }
}
