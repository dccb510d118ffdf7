"""One matrix of one run, and the model as a map of matrices: before, after, difference."""
