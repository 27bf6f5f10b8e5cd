"""What is measured, and on how much."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.params import Recipe

PREDICTING = ("spotlight", "keras", "keras_by_length", "onnx")
# The name of each implementation in tables and plots.
NAMES = {
    "spotlight": "Spotlight",
    "keras": "stock Keras",
    "keras_by_length": "stock Keras, by length",
    "pytorch": "PyTorch",
    "pytorch_sparse": "PyTorch, sparse",
    "pytorch_ids": "PyTorch, sparse, ids reversed",
    "onnx": "ONNX Runtime",
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network that every implementation trains, and the optimizer's step."""

    vocabulary: int
    embedding: int
    units: int
    max_len: int
    dropout: float = 0.5
    learning_rate: float = 0.001

    def recipe(self, *, batch_size: int, epochs: int = 1) -> Recipe:
        """The same as one of our recipes, trained for exactly `epochs`."""
        return Recipe(
            pooling="additive",
            embedding=self.embedding,
            units=self.units,
            dropout=self.dropout,
            batch_size=batch_size,
            learning_rate=self.learning_rate,
            epochs=epochs,
            min_epochs=epochs,
            patience=epochs,
        )


@dataclass(frozen=True)
class Options:
    """The command line's options; `python -m pipeline bench --help` explains each.

    Attributes:
        data: a folder of IMDB as on the hub; None looks for one.
        batches: of an epoch in one repeat; 0 is all of them.
        scales: multiples of IMDB's size, for memory against rows.
        stages: which are measured against rows.
        growth: rows that the baselines are fitted on.
        against: the commit that the part `recipe` compares with.
        plot: another file to write the plot to.
    """

    parts: tuple[str, ...]
    implementations: tuple[str, ...]
    data: Path | None
    rows: int
    vocabulary: int
    embedding: int
    units: int
    max_len: int
    batch_size: int
    spotlight_batch_size: int
    batches: int
    repeats: int
    threads: int
    lengths: tuple[int, ...]
    scales: tuple[float, ...]
    stages: tuple[str, ...]
    growth: tuple[int, ...]
    epochs: int
    seeds: tuple[int, ...]
    seed: int
    against: str
    out: Path
    plot: Path | None

    @property
    def sizes(self) -> Sizes:
        """Sizes of the network."""
        return Sizes(self.vocabulary, self.embedding, self.units, self.max_len)

    def batch(self, implementation: str) -> int:
        """Rows in a batch of an implementation."""
        return self.spotlight_batch_size if implementation == "spotlight" else self.batch_size
