"""How anything is drawn: the View, colours, number formats, maps of cells. Every other room builds on it."""
