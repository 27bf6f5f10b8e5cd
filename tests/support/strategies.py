"""What Hypothesis draws from."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeline.core.params import Recipe
from pipeline.core.sequences import Sequences, starts_of

POOLINGS = ("last", "mean", "max", "additive", "additive_max", "dot", "dot_last", "dot_max")


def lengths(max_rows=60, max_steps=40):
    """<int64>[n]: rows of at least one step; n may be 0."""
    return npst.arrays(np.int64, st.integers(0, max_rows), elements=st.integers(1, max_steps))


@st.composite
def masked_states(draw, max_rows=4, max_steps=7, max_features=5):
    """States <float32>[batch, time_steps, features], and any mask: holes, all, or nothing real."""
    batch, time_steps, features = (
        draw(st.integers(1, limit)) for limit in (max_rows, max_steps, max_features)
    )
    elements = st.floats(-3, 3, width=32)
    states = draw(npst.arrays(np.float32, (batch, time_steps, features), elements=elements))
    mask = draw(npst.arrays(np.bool_, (batch, time_steps)))
    return states, mask


@st.composite
def sequences(draw, features=None, max_rows=12, max_steps=9):
    """Ragged rows of token ids, or of `features` values a step."""
    rows = draw(lengths(max_rows, max_steps))
    starts = starts_of(rows)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if features is None:
        values = rng.integers(1, 50, starts[-1]).astype(np.int32)
    else:
        values = rng.normal(size=(starts[-1], features)).astype(np.float32)
    return Sequences(
        rows=np.arange(len(rows)),
        targets=np.zeros(len(rows), np.int64),
        starts=starts,
        values=values,
    )


def recipes(**fixed):
    """Small recipes of every shape."""
    drawn = {
        "pooling": st.sampled_from(POOLINGS),
        "embedding": st.integers(1, 12),
        "units": st.integers(1, 12),
        "layers": st.integers(1, 3),
        "merge": st.sampled_from(["concat", "sum"]),
        "normalization": st.sampled_from(["none", "layer", "batch"]),
    }
    kept = {name: strategy for name, strategy in drawn.items() if name not in fixed}
    return st.builds(recipe, **kept, **{name: st.just(value) for name, value in fixed.items()})


def recipe(**changes):
    """A small recipe, with changes."""
    return Recipe(
        **{
            "pooling": "additive",
            "embedding": 6,
            "units": 5,
            "dropout": 0.5,
            "batch_size": 8,
            "learning_rate": 0.01,
            "epochs": 2,
            "min_epochs": 1,
            "patience": 1,
            **changes,
        }
    )
