"""How is a model handed to others? With a card that says what it is, and by way of a hub. No torch."""
