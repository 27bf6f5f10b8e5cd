"""What one would pick instead of a network: linear models of text, naive forecasts of series."""
