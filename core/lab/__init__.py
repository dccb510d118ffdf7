"""The small mathematics that the Touch pages play with: two weights, one group, one layer, by the core solver."""
