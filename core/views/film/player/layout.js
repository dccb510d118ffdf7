// Where panels lie, and how large: whole pixels a weight, as large as window and column allow.

const GAP = 16; // between columns
const BETWEEN = 10; // between rows
const CAPTION = 24; // over a panel
const KEY = 20; // under one
const NARROW = 720; // below this, columns stand one under the other
const SQUEEZE = 0.84; // of a row's height, for larger cells above it
const [LOWEST, HIGHEST] = [0.74, 1.35]; // the same where there are no cells to be made larger
const LEAST = 3; // pixels a cell that a low window may shrink it to
const PANELS = { pixels: Pixels, wall: Wall, bars: Bars, curves: Curves, columns: Columns, plane: Plane, words: Words };

function build(film, stage) {
  // The rows, columns and figures of the header, as elements; `film.drawn` gets a drawer for each panel.
  film.drawn = [];
  film.grid = film.header.rows.map((row) => {
    const line = make("div", "row");
    stage.append(line);
    return { row, line, columns: row.columns.map((column) => builtColumn(film, column, line)) };
  });
}

function builtColumn(film, column, line) {
  const box = make("div", "column");
  line.append(box);
  const drawers = column.panels.map((name) => {
    const panel = film.header.panels[name];
    const figure = make("figure");
    const caption = make("figcaption");
    caption.append(make("b", "", panel.title), make("span", "", panel.note));
    const canvas = make("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", panel.alt || [panel.title, panel.note].filter(Boolean).join(": "));
    if (panel.title || panel.note) figure.append(caption);
    figure.append(canvas);
    figure.dataset.panel = name;
    box.append(figure);
    const drawer = new PANELS[panel.kind](film, panel, canvas);
    const key = drawer.key();
    if (key) figure.append(key);
    drawer.extra = (panel.title || panel.note ? CAPTION : 0) + (key ? KEY : 0);
    film.drawn.push(drawer);
    return drawer;
  });
  const lead = drawers.length === 1 && drawers[0].panel.lead ? drawers[0] : null;
  return { column, box, drawers, lead };
}

function roomFor(film, width, height) {
  // The largest cell with which every row fits the width, and all together the height, and how far the rows of a fixed
  // height shrink for it. At least LEAST pixels where only the height is short.
  const fits = (cell, squeeze) => {
    let high = 0;
    for (const { row, columns } of film.grid) {
      let wide = GAP * (columns.length - 1);
      let lead = 0;
      for (const { column, lead: leading } of columns) {
        if (leading) {
          const [w, h] = leading.lead(cell);
          wide += w;
          lead = Math.max(lead, h + leading.extra);
        } else wide += column.least;
      }
      if (wide > width) return [false, false];
      high += (row.height * squeeze || lead) + BETWEEN;
    }
    return [true, high <= height];
  };
  if (!film.grid.some(({ columns }) => columns.some((column) => column.lead))) {
    const fixed = film.grid.reduce((sum, { row }) => sum + row.height, 0);
    return [1, Math.max(LOWEST, Math.min(HIGHEST, (height - BETWEEN * film.grid.length) / fixed))];
  }
  const step = 1 / density();
  let widest = step;
  for (let cell = 24; cell >= step; cell -= step) {
    for (const squeeze of [1, SQUEEZE]) {
      const [wide, high] = fits(cell, squeeze);
      if (wide) widest = Math.max(widest, cell);
      if (wide && high) return [cell, squeeze];
    }
    if (widest >= cell && cell <= LEAST) break;
  }
  return [Math.min(widest, LEAST), SQUEEZE];
}

function arrange(film, width, height) {
  if (width < NARROW) return stack(film, width);
  const [cell, squeeze] = roomFor(film, width, height);
  for (const { row, columns, line } of film.grid) {
    line.classList.remove("stacked");
    const leads = columns.filter((c) => c.lead);
    const taken = leads.reduce((sum, c) => sum + c.lead.lead(cell)[0], 0) + GAP * (columns.length - 1);
    const others = columns.filter((c) => !c.lead);
    const weights = others.reduce((sum, c) => sum + c.column.weight, 0) || 1;
    const high = row.height * squeeze || Math.max(...leads.map((c) => c.lead.lead(cell)[1] + c.lead.extra), 120);
    for (const { column, box, drawers, lead } of columns) {
      const wide = lead ? lead.lead(cell)[0] : Math.floor(((width - taken) * column.weight) / weights);
      box.style.width = `${wide}px`;
      const extras = drawers.reduce((sum, d) => sum + d.extra, 0) + BETWEEN * (drawers.length - 1);
      const fixed = drawers.reduce((sum, d) => sum + (d.panel.height || 0), 0);
      const free = drawers.filter((d) => !d.panel.height).length || 1;
      for (const drawer of drawers) drawer.fit(wide, drawer.panel.height || Math.max(24, (high - extras - fixed) / free), cell);
    }
  }
}

function stack(film, width) {
  // One column, but as many leading pictures side by side as fit at two pixels a cell.
  for (const { row, columns, line } of film.grid) {
    line.classList.add("stacked");
    for (const { box, drawers, lead } of columns) {
      if (lead) {
        const [wide] = lead.lead(1);
        const cell = Math.max(1, Math.floor(width / wide) >= 4 ? Math.floor((width - GAP) / wide / 2) : Math.floor(width / wide));
        box.style.width = `${lead.lead(cell)[0]}px`;
        lead.fit(width, Infinity, cell);
      } else {
        box.style.width = `${width}px`;
        for (const drawer of drawers) drawer.fit(width, drawer.panel.height || row.height || 140, 1);
      }
    }
  }
}
