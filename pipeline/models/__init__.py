"""The compared networks and their layers."""
