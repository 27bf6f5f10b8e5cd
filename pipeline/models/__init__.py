"""The compared networks and the layers that they are made of."""
