"""What does sparsity save? Sizes of a model written to files, arithmetic of one pass, time on this machine."""
