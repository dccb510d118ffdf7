"""The results of the lab as pictures: two weights, one group, one layer."""
