"""Does a run folder hold what its header says? The exact check, part by part, by ways of its own. No torch."""
