"""Two to four runs side by side: what was asked, one matrix, the answers that flipped."""
