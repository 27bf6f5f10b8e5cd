"""A padded batch of token ids, and how a model is asked for it."""

import numpy as np

VOCABULARY = 30
TOKENS = np.random.default_rng(0).integers(1, VOCABULARY, (4, 6)).astype(np.int32)
LENGTHS = np.array([6, 1, 3, 5])
TOKENS[np.arange(6) >= LENGTHS[:, None]] = 0
PAIRS = np.array([[1, 2], [2, 2], [3, 29], [29, 1]], np.int32)


def run(model, inputs):
    """A model's single output as an array."""
    return np.asarray(model(inputs, training=False))
