"""Training networks, and predicting with trained ones."""
