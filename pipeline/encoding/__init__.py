"""Raw splits become sequences that a network reads, and padded batches of them."""
