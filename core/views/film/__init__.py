"""What moves: films of a run, as plain data that a browser plays. No page, no script: numbers, panels and words."""
