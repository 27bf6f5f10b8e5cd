"""Vectors that become zero, against the network itself and by hand."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.explanation import gradients
from pipeline.explanation.measures import importance, measure
from pipeline.explanation.zeroing import zeroing
from pipeline.training import inference
from tests.support.toy_networks import GOOD, network, rows_of, spots_good


@pytest.mark.parametrize(
    ("kind", "task", "pooling"),
    [
        ("text", "binary", "additive"),
        ("text", "multiclass", "last"),
        ("series", "regression", "dot"),
    ],
)
def test_zeroed_steps_have_zero_vectors_and_the_others_their_own(kind, task, pooling):
    """All kept: the network's outputs. Some not: what it makes of those vectors, row by row.

    Whether a row's masks fit in a batch or not.
    """
    predictor, rows = network(kind, task, pooling)
    kept = np.random.default_rng(0).random((3, len(rows.values))) < 0.5
    kept[0] = True
    outputs = zeroing(predictor, batch_size=4)(rows, kept)
    full = inference.predict(predictor, rows)
    assert outputs.shape == (3, *full.shape)
    assert zeroing(predictor, batch_size=2)(rows, kept) == pytest.approx(outputs, abs=1e-6)
    assert outputs[0] == pytest.approx(full, abs=1e-6)
    apart = gradients.reader(predictor)
    head = predictor.get_layer("output").activation
    for number, (start, end) in enumerate(zip(rows.starts[:-1], rows.starts[1:], strict=True)):
        vectors, mask = apart.embed(tf.constant(rows.values[None, start:end]))
        for steps, output in zip(kept, outputs[:, number], strict=True):
            alone = head(apart.read(vectors * steps[None, start:end, None].astype("float32"), mask))
            expected = alone.numpy()[0]
            if task == "binary":
                expected = np.concatenate([1 - expected, expected])
            assert np.ravel(output) == pytest.approx(np.ravel(expected), abs=1e-6)


def zeroed_good(sequences, kept):
    """The toy that spots the good token, where token 0 stands for a zero vector."""
    rows = [
        spots_good(type(sequences)(**{**vars_of(sequences), "values": sequences.values * steps}))
        for steps in kept
    ]
    return np.stack(rows)


def vars_of(sequences):
    """The fields of sequences."""
    names = ("rows", "targets", "starts", "values", "spans")
    return {name: getattr(sequences, name) for name in names}


def test_measures_by_zeroing_by_hand():
    """Two rows with the good token first: without it 0.9 falls to 0.5, and it suffices alone."""
    rows = rows_of([GOOD, 1, 2, 3], [GOOD, 4, 5, 6])
    found = measure(
        rows, {"attention": np.float64([9, 1, 1, 1] * 2)}, spots_good, evidence=None,
        zeroed=zeroed_good, seed=0,
    )["attention"]  # fmt: skip
    for of in ("zeroed_comprehensiveness", "soft_comprehensiveness"):
        assert found[of] == pytest.approx([0.4, 0.4])
    for of in ("zeroed_sufficiency", "soft_sufficiency"):
        assert found[of] == pytest.approx([0, 0])


def test_importance_is_from_0_to_1_in_each_row():
    """A half where all scores are equal, or there is only one."""
    found = importance(rows_of([1, 2, 3], [1, 2], [1]), np.float64([-1, 0, 3, 2, 2, 7]))
    assert found == pytest.approx([0, 0.25, 1, 0.5, 0.5, 0.5])
