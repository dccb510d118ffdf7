"""What may stay: patterns, the selection under them, what the groups of a mask hold, and the exact
check that a mask keeps to its pattern."""
