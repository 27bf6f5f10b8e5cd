"""What the attention weights show, and whether they can be trusted."""
