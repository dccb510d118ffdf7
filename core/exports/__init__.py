"""How does what is shown leave the house? As a file with a name that says what it is: a page that needs no network, a
figure for paper, a deck to carry."""
