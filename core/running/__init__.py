"""How one run is carried out: the order, the training loop, what is kept. A run folder comes out."""
