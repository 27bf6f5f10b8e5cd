"""The demo corpus at one length: reviews to learn from, and the same test reviews four times.

Test review i has the same label and grade at any length and wherever its evidence stands, and
the same evidence but for how the film is called in it (and for one in ten of the shortest,
where it didn't fit): what differs is how much plot there is, and where in it the evidence is.
"""

from typing import Any

import numpy as np

from pipeline.core.schema import Position
from pipeline.core.sequences import Sequences
from pipeline.data import demo
from pipeline.data.demo import CLASSES, Review
from pipeline.encoding.text import encode_texts, split_report
from pipeline.encoding.tokenizer import train_tokenizer
from pipeline.studies.length.settings import POSITIONS, Corpus, test_name, times, words


def generate(settings: Corpus, length: str) -> dict[str, list[Review]]:
    """Write `train` and `validation`, evidence anywhere, and a `test` for every position."""
    splits = {
        test_name(position): test_reviews(settings, length, position) for position in POSITIONS
    }
    for number, (name, rows) in enumerate(
        {"validation": settings.validation, "train": settings.train * times(length)}.items(),
        start=1,
    ):
        taken = {review.text for reviews in splits.values() for review in reviews}
        splits[name] = demo.generate(
            rows=rows,
            seed=3 * settings.seed + number,
            noise=settings.noise,
            words=words(length),
            exclude=taken,
        )
    return splits


def test_reviews(settings: Corpus, length: str, position: Position) -> list[Review]:
    """The test reviews that have their evidence at `position`."""
    return demo.generate(
        rows=settings.test,
        seed=3 * settings.seed,
        noise=settings.noise,
        words=words(length),
        position=position,
    )


def encode(
    splits: dict[str, list[Review]], *, length: str, vocabulary: int
) -> tuple[dict[str, Sequences], dict[str, Any]]:
    """Tokenize the splits, whole reviews, with a vocabulary of the training reviews.

    Returns:
        The sequences by split, and the content of `encoding.json`.
    """
    tokenizer = train_tokenizer([review.text for review in splits["train"]], vocabulary=vocabulary)
    encoded, report = {}, {}
    for name, reviews in splits.items():
        texts = [review.text for review in reviews]
        batch = (np.arange(len(texts)), texts, np.array([review.label for review in reviews]))
        # A text has no more tokens than characters: none is cut.
        [encoded[name]] = encode_texts([batch], tokenizer, max_len=max(map(len, texts)))
        report[name] = split_report(encoded[name], classes=list(CLASSES))
    about = {
        "dataset": "demo",
        "length": length,
        "kind": "text",
        "task": "binary",
        "classes": list(CLASSES),
        "vocabulary_size": tokenizer.size,
        "splits": report,
    }
    return encoded, about
