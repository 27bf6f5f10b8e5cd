"""The test rows that explanations are made of, with what is known about them."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.core.predictions import Predictions
from pipeline.core.sequences import Sequences
from pipeline.explanation import samples
from pipeline.explanation.evidence import evidence_steps, marked_steps


class Rows(NamedTuple):
    """Some test rows.

    Attributes:
        positions: <int64>[n] of the rows in the split.
        sequences: their steps.
        texts: the original texts; None for a series.
        evidence: what decides each row, where that is known: passages of characters, or for a
            series the numbers of its steps.
    """

    positions: NDArray[np.int64]
    sequences: Sequences
    texts: list[str] | None
    evidence: list[Any] | None

    @property
    def marked(self) -> NDArray[np.bool_] | None:
        """<bool>[total]: whether each step belongs to the evidence; None if that isn't known."""
        if self.evidence is None:
            return None
        mark = marked_steps if self.texts is None else evidence_steps
        return mark(self.sequences, self.evidence)

    def of(self, predictions: Predictions) -> Predictions:
        """The predictions for these rows, out of those for the whole split."""
        return Predictions(
            predictions.rows[self.positions],
            predictions.targets[self.positions],
            predictions.outputs[self.positions],
        )


def select(raw: pa.Table, test: Sequences, positions: NDArray[np.int64]) -> Rows:
    """Put together the rows at these positions of the split.

    Args:
        raw: raw test rows, these among them, in the order of `row`, their number; of the other
            columns `text` and `evidence` are used.
        test: the encoded rows.
        positions: <int64>[n].
    """
    sequences = test.take(positions)
    places = pa.array(np.searchsorted(raw["row"].to_numpy(), sequences.rows))
    evidence = texts = None
    if "text" in raw.column_names:
        texts = raw["text"].take(places).to_pylist()
    if "evidence" in raw.column_names:
        evidence = raw["evidence"].take(places).to_pylist()
        if texts is not None:
            evidence = [[(span["start"], span["end"]) for span in spans] for spans in evidence]
    return Rows(positions, sequences, texts, evidence)


def choose_shown(
    runs: Sequence[Predictions],
    test: Sequences,
    disputed: Collection[int],
    *,
    count: int,
    seed: int,
) -> NDArray[np.int64]:
    """Positions of the rows to show: a varied choice, and those on which the models disagree.

    Args:
        runs: each run's predictions.
        test: the encoded rows.
        disputed: numbers of the disputed rows.
        count: how many to choose.
        seed: of the choice.
    """
    chosen = samples.choose(runs, test.lengths, count=count, seed=seed)
    return np.union1d(chosen, np.flatnonzero(np.isin(test.rows, [*disputed])))


def draw_sample(count: int, *, size: int, seed: int) -> NDArray[np.int64]:
    """Ascending positions of a seeded sample of `size` out of `count` rows."""
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[:size])
