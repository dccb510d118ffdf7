"""What the layers of a model see and feel: calibration, capture, feature maps, layers solved in order. Torch inside."""
