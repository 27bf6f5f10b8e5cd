"""Metrics, comparisons and their uncertainty. No TensorFlow."""
