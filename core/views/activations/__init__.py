"""What the network feels: token by feature, quiet regions, attention, answers to a sentence."""
