"""Datasets: reading, checking, splitting and comparing them."""
