"""The small mathematics that the Touch pages play with: two weights, one group, one layer. Driven by the core solver."""
