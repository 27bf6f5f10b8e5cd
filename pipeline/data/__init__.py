"""Datasets: where they come from, their columns and versions, what is wrong with them."""
