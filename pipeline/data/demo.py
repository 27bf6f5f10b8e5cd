"""The demo corpus: film reviews assembled from our own phrases by a seeded generator.

It serves to measure as much as to demonstrate. Two *evidence* passages decide a review's label.
Their character spans are recorded. Around them are plot, other people's opinions and polar words
that belong to the story. Three grades say how much of the evidence has to be read:

- `word`: one word is enough ("I loved every minute of it");
- `order`: a few words in a row ("a long way from being a bore", "less of a bore than a joy");
- `whole`: who said it, what had been expected, or an answer to an opinion sentences earlier.

Label, length and position of the evidence are drawn independently.
"""

import itertools
import random
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import datasets
import numpy as np

from pipeline.core.schema import Position
from pipeline.core.sources import DemoSource
from pipeline.data import demo_phrases as phrases
from pipeline.errors import DataError

Grade = Literal["word", "order", "whole"]

CLASSES = ("neg", "pos")
SHARES: dict[Grade, float] = {"word": 0.3, "order": 0.4, "whole": 0.3}
ANSWERED = 0.25  # of the `whole` reviews: somebody's opinion, and the reviewer's answer to it
INVERTED = 0.33  # of the `order` passages: their words without their order are right 2 times in 3
SHORTEST = 40  # words: enough for the evidence, an opinion and a sentence or two
FEATURES = datasets.Features(
    {
        "text": datasets.Value("string"),
        "label": datasets.ClassLabel(names=list(CLASSES)),
        "evidence": datasets.List(
            {"start": datasets.Value("int32"), "end": datasets.Value("int32")}
        ),
    }
)


@dataclass(frozen=True)
class Review:
    """One review.

    Attributes:
        text: sentences separated by spaces.
        label: 0 for negative, 1 for positive; what the evidence says, unless `noisy`.
        evidence: character spans `(start, end)` of the deciding passages, in order.
        grade: how much of the evidence has to be read to know the label.
        noisy: whether the label was flipped.
    """

    text: str
    label: int
    evidence: tuple[tuple[int, int], ...]
    grade: Grade
    noisy: bool


def generate(
    *,
    rows: int,
    seed: int,
    noise: float = 0.03,
    words: tuple[int, int] = (40, 200),
    position: Position = "anywhere",
    exclude: Collection[str] = (),
) -> list[Review]:
    """Write `rows` distinct reviews; equal arguments give equal reviews in any process.

    Args:
        rows: number of reviews; both labels are equally frequent.
        seed: of all random draws.
        noise: share of labels that are flipped, the same in both classes.
        words: fewest and most words in a review; its length is drawn between them, uniformly on
            a log scale. Longer reviews have more plot, not more evidence or more opinions.
        position: where the evidence is: `anywhere`, or together at the `start`, in the `middle`
            or at the `end`.
        exclude: texts that must not occur, such as those of the other split.

    Raises:
        DataError: `words` is not a range, or is too short for a review.
    """
    if not SHORTEST <= words[0] <= words[1]:
        raise DataError(
            f"The demo corpus needs `words: [fewest, most]` with {SHORTEST} <= fewest <= most. "
            f"Received: {list(words)}.",
            fix="correct `words` in the demo entry's `source` in params.yaml.",
        )
    rng = random.Random(seed)
    seen = set(exclude)
    reviews = []
    for truth, grade, noisy in _plan(rng, rows=rows, noise=noise):
        text, evidence = _write(rng, truth=truth, grade=grade, words=words, position=position)
        while text in seen:
            text, evidence = _write(rng, truth=truth, grade=grade, words=words, position=position)
        seen.add(text)
        label = 1 - truth if noisy else truth
        reviews.append(Review(text, label, evidence, grade, noisy))
    return reviews


def generate_splits(source: DemoSource) -> dict[str, list[Review]]:
    """Return the reviews of `train` and `test`, which have different seeds and share no text."""
    options: dict[str, Any] = {
        "noise": source.noise,
        "words": source.words,
        "position": source.position,
    }
    test = generate(rows=source.test, seed=2 * source.seed + 1, **options)
    taken = {review.text for review in test}
    train = generate(rows=source.train, seed=2 * source.seed, exclude=taken, **options)
    return {"train": train, "test": test}


def load_demo(source: DemoSource) -> datasets.DatasetDict:
    """Return the corpus as a `DatasetDict` with columns text, label and evidence."""
    return datasets.DatasetDict(
        {name: tabulate(reviews) for name, reviews in generate_splits(source).items()}
    )


def tabulate(reviews: Sequence[Review]) -> datasets.Dataset:
    """Return reviews as a `Dataset` with columns text, label and evidence."""
    rows = [
        {
            "text": review.text,
            "label": review.label,
            "evidence": [{"start": a, "end": b} for a, b in review.evidence],
        }
        for review in reviews
    ]
    return datasets.Dataset.from_list(rows, features=FEATURES)


def describe(reviews: Sequence[Review]) -> dict[str, Any]:
    """Return statistics for the data card: balance, noise, lengths and correlations.

    The two correlations are Pearson's r with the 0/1 label (point-biserial); the evidence's
    position is its mean character offset as a share of the text.
    """
    labels = np.array([review.label for review in reviews])
    lengths = np.array([len(review.text.split()) for review in reviews])
    places = np.array(
        [np.mean(review.evidence) / len(review.text) for review in reviews], dtype=np.float64
    )
    grades = Counter(review.grade for review in reviews)
    return {
        "rows": len(reviews),
        "positive": round(float(labels.mean()), 4),
        "flipped": round(float(np.mean([review.noisy for review in reviews])), 4),
        "grades": {grade: round(grades[grade] / len(reviews), 4) for grade in SHARES},
        "words": {
            "fewest": int(lengths.min()),
            "mean": round(float(lengths.mean()), 1),
            "most": int(lengths.max()),
        },
        "correlation_with_label": {
            "length": _correlation(labels, lengths),
            "evidence_position": _correlation(labels, places),
        },
    }


def _correlation(labels: np.ndarray, values: np.ndarray) -> float:
    """Return Pearson's r, or 0 if one side is constant."""
    if np.ptp(labels) == 0 or np.ptp(values) == 0:
        return 0.0
    return round(float(np.corrcoef(labels, values)[0, 1]), 4)


# ── writing a review ─────────────────────────────────────────────────────────────────────


def _plan(rng: random.Random, *, rows: int, noise: float) -> list[tuple[int, Grade, bool]]:
    """Return each review's (truth, grade, noisy): balanced, exact shares, in random order."""
    plan: list[tuple[int, Grade, bool]] = []
    flips = round(noise * rows)
    for truth in (0, 1):
        count = (rows + truth) // 2
        flipped = set(rng.sample(range(count), (flips + truth) // 2))
        plan += [(truth, _grade((index + 0.5) / count), index in flipped) for index in range(count)]
    rng.shuffle(plan)
    return plan


def _grade(share: float) -> Grade:
    """Return the grade at `share` (0 to 1) of the cumulative `SHARES`."""
    for grade, edge in zip(SHARES, itertools.accumulate(SHARES.values()), strict=True):
        if share < edge:
            return grade
    return "whole"


def _write(
    rng: random.Random, *, truth: int, grade: Grade, words: tuple[int, int], position: Position
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return a review's text, of exactly the length drawn, and the spans of its evidence."""
    # Each review has its own generator, and its length is drawn first: so a seed gives the same
    # verdicts and opinions whatever `words` and `position` are.
    draw = _Draw(random.Random(rng.getrandbits(64)))
    length = round(words[0] * (words[1] / words[0]) ** draw.rng.random())
    spare = -1
    while spare < min(_BEATS) and spare != 0:  # the shortest reviews may need several draws
        verdicts = _verdicts(draw, truth=truth, grade=grade)
        asides = _asides(draw)
        spare = length - sum(map(_length, verdicts + asides))
    context = _context(draw, spare)
    for aside in asides:
        context.insert(draw.rng.randint(0, len(context)), aside)
    return _assemble(draw, _place(draw.rng, context, verdicts, position))


class _Draw:
    """The random draws of one review: its names and the words that fill its templates."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.title = " ".join(map(rng.choice, (phrases.TITLE_FIRST, phrases.TITLE_SECOND)))
        self._names = {slot: rng.choice(values) for slot, values in phrases.NAMES.items()}
        self._someones = itertools.cycle(rng.sample(phrases.SOMEONES, len(phrases.SOMEONES)))

    def someone(self) -> str:
        """Return a person who has not been mentioned yet."""
        return next(self._someones)

    def fill(self, template: str, *, side: int = 0) -> str:
        """Fill a template except for the film; its polar words take the side `side`."""
        return re.sub(r"\{(\w+)\}", lambda slot: self._word(slot[1], side), template)

    def _word(self, slot: str, side: int) -> str:
        if slot == "film":
            return "{film}"  # how it is called depends on the sentences before
        if slot == "someone":
            return self.someone()
        if slot in self._names:
            return self._names[slot]
        if slot in phrases.INCIDENTALS:
            return self.rng.choice(phrases.INCIDENTALS[slot])
        sides = phrases.POLAR[slot.removeprefix("other_")]
        return self.rng.choice(sides[1 - side if slot.startswith("other_") else side])


def _verdicts(draw: _Draw, *, truth: int, grade: Grade) -> list[str]:
    """Return the two deciding sentences, both of the review's grade."""
    rng = draw.rng
    if grade == "whole":
        if rng.random() < ANSWERED:
            return _answered(draw, truth)
        return [draw.fill(line, side=truth) for line in rng.sample(phrases.WHOLE, 2)]
    if grade == "word":
        lines = rng.sample(phrases.WORD, 2)
    else:
        lines = [twins[rng.random() < INVERTED] for twins in rng.sample(phrases.ORDER, 2)]
    openers = rng.sample(phrases.OPENERS, 2)
    return [
        draw.fill(opener + line, side=truth) for opener, line in zip(openers, lines, strict=True)
    ]


def _answered(draw: _Draw, truth: int) -> list[str]:
    """Return somebody's claim and the reviewer's answer, which together side with `truth`."""
    someone = draw.someone()
    agrees = draw.rng.random() < 0.5
    claim = draw.rng.choice(phrases.CLAIMS)
    answer = draw.rng.choice(phrases.AGREEMENTS if agrees else phrases.DISAGREEMENTS)
    return [
        draw.fill(claim.replace("{someone}", someone), side=truth if agrees else 1 - truth),
        draw.fill(answer.replace("{someone}", someone)),
    ]


def _asides(draw: _Draw) -> list[str]:
    """Return sentences whose polar words decide nothing: at most an opinion and a plot point."""
    lines = [
        draw.rng.choice(pool)
        for pool in (phrases.OPINIONS, phrases.MISLEADING)
        if draw.rng.random() < 0.5
    ]
    return [draw.fill(line, side=draw.rng.randint(0, 1)) for line in lines]


_BEATS = {
    length: tuple(group)
    for length, group in itertools.groupby(
        sorted(phrases.BEATS, key=lambda beat: len(beat.split())), lambda beat: len(beat.split())
    )
}


def _context(draw: _Draw, spare: int) -> list[str]:
    """Return neutral sentences, `spare` words in total, in the order of the story."""
    told: list[tuple[int, float, str]] = []  # chapter, place within it, sentence
    chapters = (phrases.VISIT, phrases.PLOT, phrases.CRAFT, phrases.AFTERWARDS)
    pool = [(chapter, line) for chapter, lines in enumerate(chapters) for line in lines]
    for chapter, line in _passes(draw.rng, pool):
        if spare <= max(_BEATS):
            break
        sentence = draw.fill(line)
        rest = spare - _length(sentence)
        if rest == 0 or rest >= min(_BEATS):
            told.append((chapter, draw.rng.random(), sentence))
            spare = rest
    if spare:
        told.append((1, draw.rng.random(), draw.rng.choice(_BEATS[spare])))
    return [sentence for _, _, sentence in sorted(told)]


def _passes(rng: random.Random, pool: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the pool repeatedly, shuffled each time, so that repeats are far apart."""
    while True:
        yield from rng.sample(pool, len(pool))


def _place(
    rng: random.Random, context: list[str], verdicts: list[str], position: Position
) -> list[str]:
    """Return all sentences in order, with the verdicts where `position` says."""
    total = len(context) + len(verdicts)
    if position == "anywhere":
        places = sorted(rng.sample(range(total), len(verdicts)))
    else:
        first = {"start": 0, "middle": _halfway(context), "end": len(context)}[position]
        places = list(range(first, first + len(verdicts)))
    told, decided = iter(context), iter(verdicts)
    return [next(decided) if place in places else next(told) for place in range(total)]


def _halfway(context: list[str]) -> int:
    """Return the index of the sentence before which half of the context's words lie."""
    passed = [0, *itertools.accumulate(map(_length, context))]
    return min(range(len(passed)), key=lambda index: abs(2 * passed[index] - passed[-1]))


def _length(sentence: str) -> int:
    """Return the number of words in a filled template; the film counts as two."""
    return len(sentence.replace("{film}", "the film").split())


def _assemble(draw: _Draw, sentences: list[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text, with the film named and sentences capitalized, and the evidence's spans."""
    later = iter(lambda: draw.rng.choice(phrases.MENTIONS), None)
    mentions = itertools.chain([draw.title], later)
    text, evidence = "", []
    for sentence in sentences:
        named = re.sub(r"\{film\}", lambda _: next(mentions), sentence)
        marked = re.sub(r"[a-zA-Z]", lambda letter: letter[0].upper(), named, count=1) + "."
        if "[" in marked:
            evidence.append((len(text) + marked.index("["), len(text) + marked.index("]") - 1))
        text += re.sub(r"[\[\]]", "", marked) + " "
    return text.rstrip(), tuple(evidence)
