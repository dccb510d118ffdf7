// Many small pictures in rows and columns, each a matrix; a click brings the name of one back to the page.

class Wall {
  constructor(film, panel, canvas) {
    Object.assign(this, { film, panel, canvas, sheet: new Sheet(canvas) });
    this.values = film.arrays[panel.values];
    this.minus = panel.minus === undefined ? null : film.arrays[panel.minus];
    [this.count, this.high, this.wide] = this.values.shape.slice(1);
    this.colours = words32(film.header.palettes[panel.palette]);
    this.small = make("canvas");
    [this.small.width, this.small.height] = [this.wide, this.high * this.count];
    this.brush = this.small.getContext("2d");
    this.image = this.brush.createImageData(this.wide, this.high * this.count);
    this.room = [panel.rows.some(Boolean) ? 26 : 0, panel.cols.some(Boolean) ? TEXT + 5 : 0]; // for names of rows and columns
    canvas.addEventListener("pointermove", (event) => film.tell(event, this.reading(event)));
    canvas.addEventListener("pointerleave", () => film.tell(null, null));
    if (!panel.pick) return;
    canvas.classList.add("choose");
    canvas.addEventListener("click", (event) => {
      const found = this.under(event);
      if (found) film.pick(found.name);
    });
  }

  lead(cell) {
    const { rows, cols } = this.panel;
    return [this.room[0] + cols.length * (this.wide * cell + 3), this.room[1] + rows.length * (this.high * cell + 3)];
  }

  fit(width, height, cell) {
    const ratio = density();
    this.cell = Math.max(1, Math.floor(cell * ratio)) / ratio;
    this.sheet.size(...this.lead(this.cell));
  }

  place(cell) {
    return [this.room[0] + cell.column * (this.wide * this.cell + 3), this.room[1] + cell.row * (this.high * this.cell + 3)];
  }

  code(k, i) {
    // A difference of two codes, again a code: 127 is none; what both have pruned stays grey.
    const a = this.values.at(k)[i];
    if (!this.minus) return a;
    const b = this.minus.at(k)[i];
    if (a === 255 && b === 255) return 255;
    const change = ((a === 255 ? 127 : a) - (b === 255 ? 127 : b)) / this.panel.minus_limit;
    return Math.round(Math.max(-127, Math.min(127, change))) + 127;
  }

  draw(k) {
    // A wall cuts from moment to moment: between two of them nothing is mixed.
    const { sheet, panel, film } = this;
    const context = sheet.context;
    const data = new Uint32Array(this.image.data.buffer);
    for (let i = 0; i < data.length; i++) data[i] = this.colours[this.code(k, i)];
    this.brush.putImageData(this.image, 0, 0);
    sheet.clear();
    context.imageSmoothingEnabled = false;
    const [w, h] = [this.wide * this.cell, this.high * this.cell];
    panel.cells.forEach((cell, n) => {
      const [x, y] = this.place(cell);
      context.drawImage(this.small, 0, n * this.high, this.wide, this.high, x, y, w, h);
      context.strokeStyle = film.colours.rule;
      context.lineWidth = 1;
      context.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
    });
    sheet.font(film.colours, TEXT - 1);
    context.textBaseline = "middle";
    context.textAlign = "left";
    panel.rows.forEach((name, r) => context.fillText(name, 0, this.room[1] + (r + 0.5) * (h + 3)));
    context.textAlign = "center";
    context.textBaseline = "top";
    panel.cols.forEach((name, c) => context.fillText(name, this.room[0] + (c + 0.5) * (w + 3), 0));
  }

  under(event) {
    const [x, y] = under(event, this.canvas);
    return this.panel.cells.find((cell) => {
      const [left, top] = this.place(cell);
      return x >= left && y >= top && x < left + this.wide * this.cell && y < top + this.high * this.cell;
    });
  }

  reading(event) {
    const found = this.under(event);
    return found ? [found.words ?? found.name] : null;
  }

  key() {
    return null;
  }
}
