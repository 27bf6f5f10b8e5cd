"""Spotlight's training step on one core, alone or as one of several workers."""

import json
import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from pipeline.core.sequences import Sequences
from pipeline.studies.benchmark.implementations.spotlight import Spotlight
from pipeline.studies.benchmark.settings import Sizes
from pipeline.training.workers import connected


class Pinned(Spotlight):
    """Spotlight on one core.

    Args:
        sizes: of the network.
        rows: that batches are taken from.
        batch_size: rows in a batch of all workers together.
        core: number of the core.
        config: `TF_CONFIG`; empty for one worker.
    """

    def __init__(
        self, sizes: Sizes, rows: Sequences, batch_size: int, core: int, config: str
    ) -> None:
        os.sched_setaffinity(0, {core})
        if config:
            os.environ["TF_CONFIG"] = config
        self._connection = ExitStack()
        here, count = Path(), len(json.loads(config)["cluster"]["worker"]) if config else 1
        team = connected(count, "bench", [], folder=here, logs=here)
        super().__init__(
            sizes, rows, batch_size, 1, connect=lambda: self._connection.enter_context(team)
        )

    def numbers(self) -> dict[str, int]:
        """How many numbers a step sends: for the dense gradients, and for a word with its id."""
        embedding = self.model.get_layer("embedding").embeddings
        dense = [one for one in self.model.trainable_variables if one is not embedding]
        return {
            "dense": sum(int(np.prod(one.shape)) for one in dense),
            "word": int(embedding.shape[1]) + 1,
        }
