"""Encoding raw splits as sequences that a network reads, and padding batches of them."""
