"""Rationales, as ERASER scores them."""

import numpy as np
import pytest

from pipeline.explanation.evidence import rationales
from tests.support.toy_networks import rows_of


def scored(order, evidence, *lengths, share=0.5):
    """Token F1 and IOU F1 of these ranks."""
    rows = rows_of(*([1] * length for length in lengths))
    return rationales(rows, np.array(order), np.array(evidence, bool), share)


def test_rationales_by_hand():
    """The first three of six steps, against steps two to four: two of three are right."""
    token, passage = scored([0, 1, 2, 3, 4, 5], [0, 1, 1, 1, 0, 0], 6)
    assert token == pytest.approx([2 / 3])
    assert passage == pytest.approx([1])  # two steps of a union of four


def test_scattered_steps_find_tokens_and_no_passage():
    """Every other step: half the tokens, but each passage of one is a quarter of the evidence."""
    token, passage = scored([0, 4, 1, 5, 2, 6, 3, 7], [1, 1, 1, 1, 0, 0, 0, 0], 8)
    assert token == pytest.approx([0.5])
    assert passage == pytest.approx([0])


def test_rows_without_evidence_are_left_out_and_a_rationale_is_never_empty():
    """However small the share is; all of a row, and a row of one step."""
    token, _ = scored([0, 1, 0, 0, 1], [0, 0, 1, 1, 1], 2, 1, 2, share=0.01)
    assert token == pytest.approx([1, 2 / 3])
    everything, passage = scored([0, 1], [1, 1], 2, share=0.99)
    assert everything == passage == pytest.approx([1])
    assert scored([0, 1], [0, 0], 2)[0].shape == (0,)
