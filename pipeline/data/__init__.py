"""Datasets: where they come from, what is checked, what is recorded."""
