"""What is measured, and on how much."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.params import Recipe

ANSWERING_ARMS = ("spotlight", "keras", "onnx")
# How each arm is called in tables and plots.
NAMES = {
    "spotlight": "Spotlight",
    "keras": "stock Keras",
    "pytorch": "PyTorch",
    "onnx": "ONNX Runtime",
}


@dataclass(frozen=True)
class Sizes:
    """The one function that every arm computes, and the optimiser's step."""

    vocabulary: int
    embedding: int
    units: int
    max_len: int
    dropout: float = 0.5
    learning_rate: float = 0.001

    def recipe(self, *, batch_size: int, epochs: int = 1) -> Recipe:
        """The same as a recipe of ours, trained for exactly `epochs`."""
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
    """What the command line asks for; `python -m pipeline bench --help` explains each.

    Attributes:
        data: a folder of IMDB as the hub has it; None looks for one.
        batches: of an epoch in one repeat; 0 is all of them.
        scales: how many times IMDB, for memory against rows.
        plot: where to put the plot as well; None is nowhere else.
    """

    parts: tuple[str, ...]
    arms: tuple[str, ...]
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
    epochs: int
    seeds: tuple[int, ...]
    seed: int
    out: Path
    plot: Path | None

    @property
    def sizes(self) -> Sizes:
        """The function that is computed."""
        return Sizes(self.vocabulary, self.embedding, self.units, self.max_len)

    def batch(self, arm: str) -> int:
        """Rows in a batch of an arm."""
        return self.spotlight_batch_size if arm == "spotlight" else self.batch_size
