import pandas as pd
import pytest

from pipeline.evaluation.advice import Curve, advise

ENOUGH = {"train": {"rows": 5000}, "validation": {"rows": 500}}


def curve(losses, *, epochs=10, accuracy=0.9, **recipe):
    """A run with these validation losses."""
    history = pd.DataFrame(
        {"epoch": range(1, len(losses) + 1), "val_loss": losses, "val_accuracy": accuracy}
    )
    return Curve(history, {"epochs": epochs, **recipe})


def texts(**train):
    """The encoding of texts, 60 % of them of one class."""
    splits = {
        "train": {"rows": 5000, "tokens": {"q95": 812.0}, **train},
        "validation": {"rows": 500, "labels": {"neg": 300, "pos": 200}},
    }
    return {"max_len": 400, "keep": "head", "splits": splits}


def test_a_run_that_ended_by_patience_needs_no_advice():
    """Nor one whose learning rate has fallen to its end."""
    assert advise(texts(), {"m": [curve([0.7, 0.6, 0.4, 0.5])]}) == []
    falling = curve([0.6, 0.5, 0.4], epochs=3, schedule="linear")
    assert advise(texts(), {"m": [falling]}) == []


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (
            [curve([0.6, 0.5, 0.4], epochs=3)],
            "m was still improving at its last epoch, 3, in every",
        ),
        (
            [curve([0.6, 0.5, 0.4], epochs=3), curve([0.4, 0.5, 0.5], epochs=3)],
            "in 1 of 2 runs. Raise training.epochs.",
        ),
        ([curve([0.4, 0.45, 0.6])], "m overfitted from epoch 2 on in every run."),
        ([curve([0.68, 0.67, 0.68], accuracy=0.605)], "m learned nothing in every run"),
    ],
)
def test_curves_are_read(runs, said):
    """Each in a sentence, with how many of the runs it is true of."""
    [sentence] = advise(texts(), {"m": runs})
    assert said in sentence


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_what_is_set_already_is_not_suggested(clip_norm):
    """Clipping, to a run that learned nothing."""
    flat = curve([0.68, 0.67, 0.68], accuracy=0.605, clip_norm=clip_norm)
    [sentence] = advise(texts(), {"m": [flat]})
    assert ("Set training.clip_norm to 1.0, raise" in sentence) == (clip_norm is None)
    assert ("class. Raise training.epochs" in sentence) == (clip_norm is not None)


def test_a_few_runs_that_overfit_are_chance():
    """One of three says nothing about the recipe."""
    steady, early = curve([0.6, 0.5, 0.4, 0.5]), curve([0.4, 0.45, 0.6])
    assert advise(texts(), {"m": [steady, steady, early]}) == []


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (
            {"tokens_cut_share": 0.5},
            "50 % of the training tokens are not read: encode.max_len is 400",
        ),
        ({"tokens_cut_share": 0.5}, "at most 812 tokens. Raise encode.max_len, or set encode.keep"),
        ({"unknown_token_share": 0.1}, "10 % of the tokens are not in the vocabulary."),
        ({"rows": 900}, "900 rows to train on are few"),
    ],
)
def test_the_encoding_is_read(train, said):
    """With the figure that was seen and the key to change."""
    [sentence] = advise(texts(**train), {})
    assert said in sentence


def test_series_have_no_texts_to_speak_of():
    """Their encoding lists only rows."""
    assert advise({"splits": ENOUGH}, {"m": [curve([0.7, 0.6, 0.4, 0.5])]}) == []
