"""What makes the demo corpus an instrument, held against the committed results."""

import json

import numpy as np
import pytest

from pipeline.baselines.linear import fit_tfidf
from pipeline.baselines.ngrams import Texts
from pipeline.core import params
from pipeline.core.predictions import TFIDF
from pipeline.data import demo, splitting
from tests.support.paths import PARAMS, PROJECT


@pytest.fixture(scope="module")
def models():
    """The committed metrics' models, which are the default run's."""
    metrics = json.loads((PROJECT / "docs" / "results" / "demo" / "metrics.json").read_text())
    assert metrics["dataset"] == "demo"
    return metrics["models"]


def test_single_words_and_pairs_do_not_give_the_labels_away(models):
    """TF-IDF with 1–2-grams is at least 5 points below every default model."""
    reference = models[TFIDF]["test"]["accuracy"]["mean"]
    for name, model in models.items():
        if name != TFIDF:
            assert model["test"]["accuracy"]["mean"] - reference >= 0.05, name


def test_the_baseline_learns_it_too(models):
    """The plain Bi-LSTM is well above chance: 10 points, even three deviations below its mean."""
    accuracy = models["bilstm"]["test"]["accuracy"]
    assert accuracy["mean"] - 3 * accuracy["sd"] >= 0.6


@pytest.mark.slow
def test_the_committed_reference_is_this_corpuss(models):
    """Fitted again on the corpus as the generator makes it now, it scores what is committed."""
    settings = params.load_params(PARAMS)
    tables = {
        name: table.with_format("arrow")[:]
        for name, table in demo.load_demo(settings.entry.source).items()
    }
    train, test = tables["train"], tables["test"]
    labels = np.asarray(train["label"].to_numpy())
    held = splitting.hold_out(
        labels,
        splitting.identities({"train": train["text"]})["train"],
        share=settings.entry.encode.validation_share,
        seed=settings.entry.encode.seed,
    )

    def texts(table, rows):
        return Texts(
            rows, table["text"].take(rows).to_pylist(), np.asarray(table["label"].to_numpy())[rows]
        )

    fitted = fit_tfidf(
        train=texts(train, np.flatnonzero(~held)),
        validation=texts(train, np.flatnonzero(held)),
        test=texts(test, np.arange(test.num_rows)),
        classes=list(demo.CLASSES),
    )
    tested = fitted.predictions["test"]
    accuracy = float(np.mean(tested.labels == tested.targets))
    assert accuracy == pytest.approx(models[TFIDF]["test"]["accuracy"]["mean"], abs=0.002)
