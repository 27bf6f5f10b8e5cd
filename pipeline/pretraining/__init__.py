"""Pretraining without labels: word vectors and a language model."""
