"""Short texts among neutral sentences."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.baselines.linear import fit_tfidf
from pipeline.baselines.ngrams import Texts
from pipeline.core.predictions import SPLITS
from pipeline.data.sources import Corpus
from pipeline.errors import DataError
from pipeline.studies.distractor.texts import SENTENCE, lengthen, tokens_of
from pipeline.studies.suggestion.settings import PLACES, Distractors
from tests.support.reviews import reviews, unlabeled

SHORT = Distractors(longest=90, lengths=(150,), neutral=1.0)
ROWS = {"train": 200, "test": 100}


@pytest.fixture(scope="module")
def corpus():
    """Labeled reviews, and unlabeled ones."""
    rows = {"train": reviews(300, 1), "test": reviews(150, 2), "unsupervised": unlabeled(300)}
    splits = {split: pa.Table.from_pylist(written) for split, written in rows.items()}
    return Corpus("reviews", ("neg", "pos"), splits, {})


@pytest.fixture(scope="module")
def lengthened(corpus):
    """Its short texts among neutral sentences."""
    return lengthen(corpus, SHORT, rows=ROWS, length=150, seed=1)


def test_texts_are_as_long_as_wanted(corpus, lengthened):
    """The short texts as they were, as many of each class; nearly as many tokens as may be."""
    originals = set(corpus.splits["train"]["text"].to_pylist())
    rows = lengthened["train"].to_pylist()
    assert len(rows) == 160
    assert sum(row["label"] for row in rows) == 80
    lengths = [len(tokens_of(row["text"])) for row in rows]
    assert max(lengths) <= 150
    assert np.mean(lengths) > 130
    for row in rows:
        review = row["text"].replace(row["distractors"], "").strip()
        if row["place"] != "around":
            assert review in originals
            assert row["text"].endswith(review) == (row["place"] == "before")
    assert {row["place"] for row in rows} == set(PLACES)


def test_each_test_text_has_its_sentences_at_every_place(lengthened):
    """In three copies, one after the other."""
    rows = lengthened["test"].to_pylist()
    parts = [rows[start : start + 100] for start in (0, 100, 200)]
    assert [{row["place"] for row in part} for part in parts] == [{place} for place in PLACES]
    for copies in zip(*parts, strict=True):
        assert len({row["distractors"] for row in copies}) == 1
        assert len({row["text"] for row in copies}) == 3
        assert len({" ".join(sorted(row["text"].split())) for row in copies}) == 1


def test_no_sentence_is_in_two_splits(lengthened):
    """What a model learns of one says nothing of a text of another split."""
    sentences = {
        split: {
            found.group().strip()
            for text in lengthened[split]["distractors"].to_pylist()
            for found in SENTENCE.finditer(text)
        }
        for split in SPLITS
    }
    assert min(map(len, sentences.values())) > 20
    assert sum(map(len, sentences.values())) == len(set.union(*sentences.values()))


def test_the_sentences_alone_tell_nothing(lengthened):
    """A classifier of them is right in exactly half of the other texts; of the texts, in more."""

    def accuracies(column):
        splits = []
        for name in SPLITS:
            labels = lengthened[name]["label"].to_numpy()
            texts = lengthened[name][column].to_pylist()
            splits.append(Texts(np.arange(len(labels)), texts, labels))
        found = fit_tfidf(*splits, classes=["neg", "pos"]).predictions
        return [np.mean(found[s].labels == found[s].targets) for s in ("validation", "test")]

    assert accuracies("distractors") == [0.5, 0.5]
    assert min(accuracies("text")) > 0.8


def test_neutral_sentences_have_no_telling_word(corpus, lengthened):
    """They are plain, though the texts that they are from are not."""
    written = " ".join(text for s in SPLITS for text in lengthened[s]["distractors"].to_pylist())
    assert "The music comes later." in written
    assert "superb" not in written
    assert "superb" in " ".join(corpus.splits["unsupervised"]["text"].to_pylist())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"splits": ("train", "test")}, "has no unlabeled texts"),
        ({"neutral": 1e-9}, "neutral sentences for train, too few for texts of 150 tokens"),
        ({"longest": 5}, "too few texts of up to 5 tokens"),
    ],
)
def test_what_a_corpus_lacks_is_said(corpus, changes, said):
    """With what to do."""
    changes = dict(changes)
    splits = {name: corpus.splits[name] for name in changes.pop("splits", corpus.splits)}
    settings = SHORT.model_copy(update=changes)
    with pytest.raises(DataError, match=said):
        lengthen(
            Corpus("reviews", ("neg", "pos"), splits, {}), settings, rows=ROWS, length=150, seed=1
        )
