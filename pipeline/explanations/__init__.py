"""What the attention looks at, and how far that can be believed."""
