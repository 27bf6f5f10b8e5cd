"""The demo corpus: what it promises of labels, evidence, lengths and independence."""

import hashlib
import re
import subprocess
import sys
from collections import Counter

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.sources import DemoSource
from pipeline.data import demo
from pipeline.data import demo_phrases as phrases
from pipeline.errors import DataError
from tests.support.paths import PROJECT

SIDE = {
    word: side
    for sides in phrases.POLAR.values()
    for side, words in enumerate(sides)
    for word in words
}


@pytest.fixture(scope="module")
def reviews():
    """A corpus large enough for its shares and correlations to be told."""
    return demo.generate(rows=3000, seed=7)


def truth_of(review):
    """What the evidence says, noise undone."""
    return 1 - review.label if review.noisy else review.label


def evidence_of(review):
    """The passages that decide, as texts."""
    return [review.text[start:end] for start, end in review.evidence]


def digest(reviews):
    """A hash of everything about the reviews."""
    return hashlib.sha256(repr(reviews).encode()).hexdigest()


# ── evidence and labels, read back by an independent reader ──────────────────────────────


def pattern(template):
    """A regular expression for the bracketed part of a template; its polar slots become groups."""
    marked = template[template.index("[") + 1 : template.index("]")]

    def group(slot):
        polar = slot[1].removeprefix("other_") in phrases.POLAR
        return rf"(?P<{slot[1]}>\w+)" if polar else ".+?"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(marked)), re.IGNORECASE)


def said(passage, templates):
    """The truths that a passage supports, by every template that it fits."""
    truths = set()
    for template in templates:
        fit = pattern(template).fullmatch(passage)
        for slot, word in (fit.groupdict() if fit else {}).items():
            if word in SIDE:
                truths.add(1 - SIDE[word] if slot.startswith("other_") else SIDE[word])
    return truths


def read(review):
    """The label that a reader arrives at from the evidence alone."""
    passages = evidence_of(review)
    if review.grade == "whole" and said(passages[0], phrases.CLAIMS):
        (claimed,) = said(passages[0], phrases.CLAIMS)
        agrees = any(pattern(answer).fullmatch(passages[1]) for answer in phrases.AGREEMENTS)
        denies = any(pattern(answer).fullmatch(passages[1]) for answer in phrases.DISAGREEMENTS)
        assert agrees != denies, passages
        return claimed if agrees else 1 - claimed
    templates = {
        "word": phrases.WORD,
        "order": [template for twins in phrases.ORDER for template in twins],
        "whole": phrases.WHOLE,
    }[review.grade]
    first, second = (said(passage, templates) for passage in passages)
    assert first == second, passages
    (truth,) = first
    return truth


def test_evidence_decides(reviews):
    """A reader who sees nothing but the spans gets every label right, noise aside."""
    for review in reviews:
        assert read(review) == truth_of(review), review


def test_answers_name_whom_they_answer(reviews):
    """In a claim and its answer, the same person is meant."""
    answered = [
        evidence_of(review)
        for review in reviews
        if review.grade == "whole" and said(evidence_of(review)[0], phrases.CLAIMS)
    ]
    assert answered
    for claim, answer in answered:
        assert any(person in claim.lower() and person in answer.lower()
                   for person in phrases.SOMEONES)  # fmt: skip


def test_spans_are_whole_words_in_order(reviews):
    """Two passages each, apart, that start and end where words do."""
    for review in reviews:
        (first, first_end), (second, second_end) = review.evidence
        assert 0 <= first < first_end < second < second_end <= len(review.text)
        for start, end in review.evidence:
            assert not review.text[start - 1 : start].isalpha()
            assert review.text[start].isalpha()
            assert review.text[end - 1].isalpha()
            assert review.text[end] in ".,; "


def test_polar_words_outside_the_evidence_are_fair(reviews):
    """Words that take sides but decide nothing are no hint at the label."""
    agreeing = []
    for review in reviews:
        if review.grade == "whole":
            continue  # its other halves name the opposite by construction
        outside = review.text
        for passage in evidence_of(review):
            outside = outside.replace(passage, "")
        agreeing += [
            SIDE[word] == truth_of(review)
            for word in re.findall(r"\w+", outside)
            if word in SIDE and word not in phrases.POLAR["verb"]
        ]
    assert abs(np.mean(agreeing) - 0.5) < 4 * 0.5 / np.sqrt(len(agreeing))


# ── text ─────────────────────────────────────────────────────────────────────────────────


def test_reads_as_sentences(reviews):
    """Capitals first, stops last, no marks left, the title where the film is first named."""
    for review in reviews:
        assert not re.search(r"[\[\]{}]|  ", review.text)
        assert review.text.endswith(".")
        for sentence in re.split(r"(?<=\.) ", review.text):
            assert sentence[0].isupper(), review.text
        title = re.search(
            rf"\b({'|'.join(phrases.TITLE_FIRST)}) ({'|'.join(phrases.TITLE_SECOND)})\b",
            review.text,
        )
        assert title
        assert not re.search("|".join(phrases.MENTIONS), review.text[: title.start()].lower())


@settings(max_examples=25)
@given(
    lowest=st.integers(demo.SHORTEST, 120),
    range_=st.integers(0, 400),
    position=st.sampled_from(["anywhere", "start", "middle", "end"]),
    seed=st.integers(0, 2**32),
)
def test_lengths_stay_within_bounds(lowest, range_, position, seed):
    """Whatever range is asked for, down to a single length, every review keeps to it."""
    made = demo.generate(rows=8, seed=seed, words=(lowest, lowest + range_), position=position)
    assert all(lowest <= len(review.text.split()) <= lowest + range_ for review in made)


@pytest.mark.parametrize("words", [(39, 200), (100, 99)])
def test_impossible_lengths_are_refused(words):
    """A range too short for a review, or upside down, is an error that says so."""
    with pytest.raises(DataError, match="Received"):
        demo.generate(rows=10, seed=0, words=words)


# ── shares and independence ──────────────────────────────────────────────────────────────


@given(rows=st.integers(1, 60), noise=st.sampled_from([0.0, 0.03, 0.1, 0.5]))
@settings(max_examples=20)
def test_labels_are_balanced_and_noise_is_known(rows, noise):
    """Truths differ in number by one at most; exactly the stated share is flipped."""
    made = demo.generate(rows=rows, seed=rows, noise=noise)
    truths = Counter(map(truth_of, made))
    assert len(made) == rows
    assert abs(truths[0] - truths[1]) <= 1
    assert sum(review.noisy for review in made) == round(noise * rows)


def test_grades_and_noise_fall_on_both_labels_alike(reviews):
    """Neither grade nor noise tells the label."""
    for truth in (0, 1):
        mine = [review for review in reviews if truth_of(review) == truth]
        grades = Counter(review.grade for review in mine)
        for grade, share in demo.SHARES.items():
            assert grades[grade] == pytest.approx(share * len(mine), abs=1)
        assert sum(review.noisy for review in mine) == 45


def test_labels_depend_on_neither_length_nor_position(reviews):
    """Correlations stay within four standard errors of none."""
    correlations = demo.describe(reviews)["correlation_with_label"]
    assert set(correlations) == {"length", "evidence_position"}
    assert all(abs(value) < 4 / np.sqrt(len(reviews)) for value in correlations.values())


def test_describe_by_hand():
    """Four reviews whose figures are known."""
    made = [
        demo.Review("a b", 0, ((0, 1), (1, 3)), "word", noisy=False),
        demo.Review("a b", 1, ((0, 1), (1, 3)), "order", noisy=True),
        demo.Review("a b c d", 1, ((4, 6), (5, 7)), "order", noisy=False),
        demo.Review("a b c d", 1, ((4, 6), (5, 7)), "whole", noisy=False),
    ]
    about = demo.describe(made)
    assert about["rows"] == 4
    assert about["positive"] == 0.75
    assert about["flipped"] == 0.25
    assert about["grades"] == {"word": 0.25, "order": 0.5, "whole": 0.25}
    assert about["words"] == {"fewest": 2, "mean": 3.0, "most": 4}
    # Lengths 2 2 4 4 and places 5/12 5/12 11/14 11/14 against labels 0 1 1 1: r = 1/√3.
    assert about["correlation_with_label"] == {"length": 0.5774, "evidence_position": 0.5774}


def test_constant_length_has_no_correlation():
    """Where every review is equally long, the card says 0 and not NaN."""
    made = demo.generate(rows=40, seed=1, words=(60, 60))
    assert demo.describe(made)["correlation_with_label"]["length"] == 0.0


# ── where the evidence stands ────────────────────────────────────────────────────────────


def sentences_before_and_after(review):
    """How many sentences end before the evidence's first, and start after its last."""
    before = review.text[: review.evidence[0][0]].count(". ")
    after = review.text[review.evidence[-1][1] :].count(". ")
    return before, after


@pytest.mark.parametrize("position", ["start", "middle", "end"])
def test_position_is_kept_to(position):
    """At the start nothing stands before the evidence, at the end nothing after it."""
    for review in demo.generate(rows=200, seed=3, words=(60, 200), position=position):
        before, after = sentences_before_and_after(review)
        if position == "start":
            assert before == 0 < after
        elif position == "end":
            assert after == 0 < before
        else:
            assert before > 0 < after
            assert 0.25 < np.mean(review.evidence) / len(review.text) < 0.75


def test_anywhere_is_everywhere(reviews):
    """Drawn freely, the passages fall into each tenth of the text about equally often."""
    places = [
        (start + end) / 2 / len(review.text) for review in reviews for start, end in review.evidence
    ]
    shares = np.histogram(places, bins=10, range=(0, 1))[0] / len(places)
    assert shares.min() > 0.05
    assert shares.max() < 0.15


def test_length_and_position_change_nothing_else():
    """With the same seed, other lengths and places leave every verdict as it was."""
    titles = f"(?:{'|'.join(phrases.TITLE_FIRST)}) (?:{'|'.join(phrases.TITLE_SECOND)})"
    film = re.compile("|".join([titles, *phrases.MENTIONS]), re.IGNORECASE)

    def verdicts(**options):
        return [
            (
                review.label,
                review.grade,
                [film.sub("…", passage) for passage in evidence_of(review)],
            )
            for review in demo.generate(rows=100, seed=5, **options)
        ]

    usual = verdicts(words=(100, 100))
    assert verdicts(words=(400, 400), position="anywhere") == usual
    assert verdicts(words=(100, 100), position="end") == usual


# ── determinism and the two splits ───────────────────────────────────────────────────────


def test_same_bytes_in_another_process():
    """Equal arguments give equal reviews, whatever Python's hash seed."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import hashlib; from pipeline.data import demo;"
        "made = demo.generate(rows=200, seed=11);"
        "print(hashlib.sha256(repr(made).encode()).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, str(PROJECT)],
        env={"PYTHONHASHSEED": "42", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == digest(demo.generate(rows=200, seed=11))


def test_seeds_differ():
    """Another seed is another corpus."""
    texts = [{review.text for review in demo.generate(rows=50, seed=seed)} for seed in (1, 2)]
    assert not texts[0] & texts[1]


def test_nothing_twice(reviews):
    """No text comes up twice, nor one that is excluded."""
    texts = [review.text for review in reviews]
    assert len(set(texts)) == len(texts)
    first = demo.generate(rows=20, seed=7)
    again = demo.generate(rows=20, seed=7, exclude=[review.text for review in first])
    assert not {review.text for review in first} & {review.text for review in again}


def test_load_gives_the_declared_schema():
    """Two splits through `datasets`, with class names and int32 spans, no text in both."""
    source = DemoSource(kind="demo", train=60, test=30, seed=4)
    loaded = demo.load_demo(source)
    assert isinstance(loaded, datasets.DatasetDict)
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 60, "test": 30}
    features = loaded["train"].features
    assert list(features) == ["text", "label", "evidence"]
    assert features["label"].names == ["neg", "pos"]
    assert features["evidence"].feature["start"].dtype == "int32"
    assert not set(loaded["train"]["text"]) & set(loaded["test"]["text"])
    row, review = loaded["test"][0], demo.generate_splits(source)["test"][0]
    assert (row["text"], row["label"]) == (review.text, review.label)
    assert [(span["start"], span["end"]) for span in row["evidence"]] == list(review.evidence)
