"""What sparsity costs: scores over ratio and along a run, errors beside scores, the ADMM trace."""
