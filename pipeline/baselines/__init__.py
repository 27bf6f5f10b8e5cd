"""Baselines without a neural network: linear models of text, naive forecasts of series."""
