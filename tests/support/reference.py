"""The models' arithmetic a second time: NumPy, float64, row by row, nothing shared with Keras."""

import numpy as np


def additive_scores(states, kernel, bias, vector):
    """u · tanh(W h + b): (batch, time_steps)."""
    hidden = np.tanh(np.einsum("btf,fg->btg", states, kernel) + bias)
    return np.einsum("btg,g->bt", hidden, vector)


def dot_scores(states, queries):
    """(q · h) / √features, a query a row: (batch, time_steps)."""
    return np.einsum("btf,bf->bt", states, queries) / np.sqrt(states.shape[-1])


def last_states(states, mask):
    """The state at the last real step of each row: (batch, features)."""
    return np.stack(
        [
            row[np.flatnonzero(real)[-1]] if real.any() else np.zeros(row.shape[-1])
            for row, real in zip(states, mask, strict=True)
        ]
    )


def largest_states(states, mask):
    """The maximum of each feature over the real steps of each row: (batch, features)."""
    return np.stack(
        [
            row[real].max(0) if real.any() else np.zeros(row.shape[-1])
            for row, real in zip(states, mask, strict=True)
        ]
    )


def attend(scores, states, mask):
    """Softmax over the real steps alone, and the sum it weighs: (context, weights)."""
    weights = np.zeros_like(scores)
    for row, real in enumerate(mask):
        if real.any():
            exponentials = np.exp(scores[row, real] - scores[row, real].max())
            weights[row, real] = exponentials / exponentials.sum()
    return np.einsum("bt,btf->bf", weights, states), weights


def entmax(scores, alpha):
    """α-entmax of a row by bisection: (α - 1) z above a threshold, to the power of 1 / (α - 1)."""
    scaled = (alpha - 1) * np.asarray(scores, np.float64)
    low, high = scaled.max() - 1, scaled.max()
    for _ in range(60):
        middle = (low + high) / 2
        total = (np.maximum(scaled - middle, 0) ** (1 / (alpha - 1))).sum()
        low, high = (middle, high) if total >= 1 else (low, middle)
    return np.maximum(scaled - low, 0) ** (1 / (alpha - 1))


def lstm(steps, kernel, recurrent, bias):
    """Hochreiter & Schmidhuber with a forget gate: (time_steps, features) -> (…, units)."""
    units = recurrent.shape[0]
    hidden, cell = np.zeros(units), np.zeros(units)
    states = []
    for step in steps:
        gates = step @ kernel + hidden @ recurrent + bias
        let_in, keep, candidate, let_out = np.split(gates, 4)
        cell = _sigmoid(keep) * cell + _sigmoid(let_in) * np.tanh(candidate)
        hidden = _sigmoid(let_out) * np.tanh(cell)
        states.append(hidden)
    return np.array(states)


def network(steps, weights, *, pooling, merge, normalized):
    """The whole predictor on one unpadded row with a sigmoid head.

    Args:
        steps: (time_steps, features), embedded already.
        weights: float64 arrays by the part of the network they belong to.
        pooling: as in a recipe.
        merge: "concat" or "sum".
        normalized: whether layer normalization follows the encoder.
    """
    forward = lstm(steps, *weights["forward"])
    backward = lstm(steps[::-1], *weights["backward"])[::-1]
    join = {"concat": lambda a, b: np.concatenate([a, b], -1), "sum": np.add}[merge]
    states = join(forward[-1], backward[0])[None] if pooling == "last" else join(forward, backward)
    if normalized:
        scale, shift = weights["normalization"]
        centred = states - states.mean(-1, keepdims=True)
        states = centred / np.sqrt(states.var(-1, keepdims=True) + 1e-3) * scale + shift
    pooled = _pool(states, pooling, weights.get("attention", []))
    kernel, bias = weights["output"]
    return _sigmoid(pooled @ kernel + bias)


def _pool(states, pooling, attention):
    batch, mask = states[None], np.ones((1, len(states)), bool)
    if pooling == "last":
        return states[0]
    if pooling == "mean":
        return states.mean(0)
    if pooling == "max":
        return states.max(0)
    if pooling == "additive":
        return attend(additive_scores(batch, *attention), batch, mask)[0][0]
    if pooling == "additive_max":
        return np.concatenate([_pool(states, "additive", attention), states.max(0)])
    queries = {
        "dot": lambda: attention[0][None],
        "dot_last": lambda: states[-1:],
        "dot_max": lambda: states.max(0)[None],
    }
    return attend(dot_scores(batch, queries[pooling]()), batch, mask)[0][0]


def _sigmoid(values):
    return 1 / (1 + np.exp(-values))
