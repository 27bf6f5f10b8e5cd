"""The words with the most attention."""

from collections import defaultdict
from collections.abc import Sequence

from pipeline.core.predictions import Predictions
from pipeline.core.sequences import Sequences
from pipeline.explanation.estimates import Document
from pipeline.explanation.faithfulness import Weights


def attended_words(
    texts: Sequence[str],
    sequences: Sequences,
    runs: Sequence[tuple[Weights, Predictions]],
    classes: Sequence[str],
    *,
    count: int = 20,
) -> dict[str, list[Document]]:
    """For each class, the words with the most attention in rows where it was predicted.

    A word's score is its weight in even shares (weight · length), averaged over its
    occurrences in all runs and five more with no weight: a rare word needs more to rank high.
    """
    assert sequences.spans is not None, "text sequences carry the spans of their tokens"
    shares: dict[int, dict[str, list[float]]] = {
        number: defaultdict(list) for number in range(len(classes))
    }
    for weights, predictions in runs:
        for row, predicted in enumerate(predictions.labels.tolist()):
            steps = slice(sequences.starts[row], sequences.starts[row + 1])
            even = weights[row] * len(weights[row])
            for (start, end), share in zip(sequences.spans[steps].tolist(), even, strict=True):
                shares[predicted][texts[row][start:end].lower()].append(float(share))
    return {
        name: [
            {"word": word, "share": round(score, 3), "count": found}
            for score, found, word in sorted(
                ((sum(got) / (len(got) + 5), len(got), word) for word, got in words.items()),
                key=lambda item: (-item[0], item[2]),
            )[:count]
        ]
        for name, words in zip(classes, shares.values(), strict=True)
    }
