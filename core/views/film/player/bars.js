// Bars stacked over a fixed range. What is higher than the range is cut off; the highest of it says its number.

class Bars {
  constructor(film, panel, canvas) {
    Object.assign(this, { film, panel, canvas, sheet: new Sheet(canvas) });
    this.count = film.arrays[panel.series[0].values].size;
    canvas.addEventListener("pointermove", (event) => film.tell(event, this.reading(event)));
    canvas.addEventListener("pointerleave", () => film.tell(null, null));
  }

  fit(width, height) {
    this.sheet.size(width, height);
  }

  at(series, k, next, share, i) {
    const array = this.film.arrays[series.values];
    return array.value(k, i) * (1 - share) + array.value(next, i) * share;
  }

  draw(k, next, share) {
    const { sheet, panel, film } = this;
    const { context, width, height } = sheet;
    sheet.clear();
    const floor = height - (panel.ticks.length || panel.names.length ? TEXT + 5 : 1);
    const ceiling = panel.share ? TEXT + 4 : 6;
    const step = width / this.count;
    let [most, place] = [panel.top * 1.001, -1];
    const space = panel.gap ? Math.max(2, step * 0.18) : 0;
    for (let i = 0; i < this.count; i++) {
      let below = 0;
      for (const series of panel.series) {
        const value = this.at(series, k, next, share, i);
        const [y0, y1] = [below, below + value].map((v) => floor - Math.min(v / panel.top, 1) * (floor - ceiling));
        context.fillStyle = series.colours[i % series.colours.length];
        const [x0, x1] = [Math.round(i * step + space / 2), Math.round((i + 1) * step - space / 2)];
        if (y0 > y1) context.fillRect(x0, y1, Math.max(x1 - x0, 1), y0 - y1);
        below += value;
      }
      if (below > most) [most, place] = [below, i];
      else if (panel.share && panel.names.length) this.label(context, i, step, below, floor, ceiling);
    }
    if (place >= 0) this.cut(context, (place + 0.5) * step, most, width);
    context.fillStyle = film.colours.rule;
    context.fillRect(0, Math.round(floor), width, 1);
    this.ticks(context, step, height);
  }

  cut(context, x, value, width) {
    const { share, counted } = this.panel;
    const words = `↑ ${share && counted === false ? percent(value / share) : grouped(Math.round(value).toString())}`;
    this.sheet.font(this.film.colours, TEXT - 1);
    const half = context.measureText(words).width / 2;
    const left = x + 6 + 2 * half < width;
    context.textAlign = left ? "left" : "right";
    context.textBaseline = "top";
    context.fillText(words, left ? x + 6 : x - 6, 2);
  }

  label(context, i, step, value, floor, ceiling) {
    this.sheet.font(this.film.colours, TEXT - 1);
    context.textAlign = "center";
    context.textBaseline = "bottom";
    const y = floor - Math.min(value / this.panel.top, 1) * (floor - ceiling);
    context.fillText(percent(value / this.panel.share), (i + 0.5) * step, y - 1);
  }

  ticks(context, step, height) {
    const { panel, sheet } = this;
    sheet.font(this.film.colours, TEXT);
    context.textBaseline = "bottom";
    const marks = panel.ticks.length ? panel.ticks : panel.names.map((name, i) => [i + 0.5, name]);
    marks.forEach(([at, words]) => {
      const x = at * step;
      context.textAlign = x < 2 ? "left" : x > sheet.width - 2 ? "right" : "center";
      context.fillText(words, x, height);
    });
  }

  reading(event) {
    const { panel, film } = this;
    const i = Math.floor((under(event, this.canvas)[0] / this.sheet.width) * this.count);
    if (i < 0 || i >= this.count) return null;
    const lines = panel.names.length || panel.hover ? [(panel.hover ?? panel.names)[i]] : [];
    for (const series of panel.series) {
      const value = film.arrays[series.values].value(film.k, i);
      const count = grouped(Math.round(value).toString());
      const share = panel.share ? percent(value / panel.share) : "";
      lines.push(`${series.name}: ${panel.counted === false ? share : count + (share && ` (${share})`)}`);
    }
    return lines;
  }

  key() {
    const named = this.panel.series.filter((series) => series.name && series.colours.length === 1);
    if (named.length < 2) return null;
    const line = make("div", "key");
    for (const series of named) {
      const square = make("i", "gone");
      square.style.background = series.colours[0];
      line.append(square, make("span", "", series.name));
    }
    return line;
  }
}
