"""The study of the suggested parameters: what they reach by kind and size of data."""
