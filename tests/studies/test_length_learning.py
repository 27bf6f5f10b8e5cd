"""Which runs learned, what helps them to, and the gradients that they learn by."""

import keras
import numpy as np
import pandas as pd
import pytest

from pipeline.core.predictions import Predictions
from pipeline.core.sequences import Sequences, starts_of
from pipeline.documentation import study_tables
from pipeline.evaluation.metrics import rounded
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.significance import Bootstrap
from pipeline.models.network import build_network
from pipeline.studies.length import flow, learning
from pipeline.studies.length.settings import ATTENTION, BASELINE, Study, load_study
from pipeline.workspace import Workspace
from tests.support import strategies
from tests.support.paths import PROJECT

STUDY: Study = load_study(Workspace(PROJECT).length_study.params)
LONGEST, MORE = STUDY.remedies.length, STUDY.more_data.length
BOOTSTRAP = Bootstrap(confidence=0.95, resamples=300, seed=0)
ROWS = 400
UNITS = 3


def history(*losses: float) -> pd.DataFrame:
    """`history.csv` of a run with these validation losses."""
    return pd.DataFrame({"epoch": np.arange(1, 1 + len(losses)), "val_loss": losses})


def result(name: str, accuracy: float, *, seed: int = 0) -> ModelResult:
    """A model with three runs of this accuracy, each wrong in other rows."""
    rng = np.random.default_rng(seed)
    targets = np.arange(ROWS) % 2

    def run() -> Predictions:
        right = rng.permutation(ROWS) < accuracy * ROWS
        second = np.where(right == (targets == 1), 0.9, 0.1)
        outputs = np.stack([1 - second, second], axis=1).astype(np.float32)
        return Predictions(np.arange(ROWS), targets, outputs)

    return ModelResult(name, (1, 2, 3), 1, *(tuple(run() for _ in range(3)) for _ in range(2)))


def results(**accuracy: float) -> dict[str, list[ModelResult]]:
    """Every corpus's models: of the given accuracies, or of 0.9."""
    return {
        length: [
            result(model, accuracy.get(model, 0.9), seed=number)
            for number, model in enumerate(models)
        ]
        for length, models in STUDY.trained.items()
    }


def histories(**losses: pd.DataFrame) -> dict[tuple[str, str], list[pd.DataFrame]]:
    """Every run's: the given one, or one that learns in its second epoch."""
    return {
        (length, model): [losses.get(model, history(0.69, 0.4))] * 3
        for length, models in STUDY.trained.items()
        for model in models
    }


def test_a_run_has_learned_when_validation_is_better_than_chance():
    """By the share that the parameters say; ten times the data make an epoch ten."""
    late = history(0.693, 0.7, 0.63, 0.61, 0.8)  # ln 2 less a tenth is 0.624
    found = learning.learning(
        results(bilstm=0.5), histories(bilstm=history(0.69, 0.64), bilstm_max=late), STUDY
    )
    assert found[LONGEST][BASELINE]["learned_after"] == [None] * 3
    assert found[LONGEST][BASELINE]["accuracy"] == pytest.approx([0.5] * 3)
    assert found[LONGEST]["bilstm_max"]["learned_after"] == [4] * 3
    assert found[LONGEST][ATTENTION]["learned_after"] == [2] * 3
    assert found[MORE]["bilstm_more_data"]["learned_after"] == [20] * 3
    sentence = learning.learned_sentence(found[LONGEST], 50)
    assert "reach 50.0 to 50.0 % and 90.0 to 90.0 %" in sentence
    assert (
        "0 of 3 runs of bilstm and 3 of 3 runs of bilstm_attention (after 2, 2 and 2) learned"
        in sentence
    )


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        ({"bilstm": 0.5}, "a last state that learns can remember over this length, at most "),
        ({"bilstm": 0.5, "bilstm_chrono": 0.7}, "attention stays ahead"),
        ({"bilstm": 0.5, "bilstm_chrono": 0.5}, "+0.0 points for the last state"),
    ],
)
def test_what_a_remedy_says_of_memory(accuracy, said):
    """The one of least validation loss, against attention with the same."""
    chosen = histories(bilstm_chrono=history(0.69, 0.2))
    found = learning.remedies(results(**accuracy), chosen, STUDY, BOOTSTRAP)
    assert found[0]["model"] == "bilstm_chrono"
    assert {one["model"] for one in found} == {
        *("bilstm_clipped", "bilstm_curriculum", "bilstm_chrono", "bilstm_more_data")
    }
    gain = accuracy.get("bilstm_chrono", 0.9) - 0.5
    assert found[0]["gain"]["difference"] == pytest.approx(gain)
    assert found[0]["lead"]["difference"] == pytest.approx(0.9 - 0.5 - gain)
    assert said in learning.remedies_sentence(found)


def test_the_tables_count_runs_and_quote_verdicts():
    """A line for each model of each corpus; a line for each remedy."""
    learned = histories(bilstm=history(0.69, 0.64))
    accuracies = results(bilstm=0.5)
    document = rounded(
        {
            "learning": learning.learning(accuracies, learned, STUDY),
            "remedies": learning.remedies(accuracies, learned, STUDY, BOOTSTRAP),
        }
    )
    table = study_tables.learning(document)
    assert "| 230–270 | `bilstm` | 0 of 3 | – | 50.0 ± 0.0 |" in table
    assert "| 230–270, times 10 | `bilstm_more_data` | 3 of 3 | 20, 20, 20 | 90.0 ± 0.0 |" in table
    rows = study_tables.remedies(document).splitlines()[2:]
    assert len(rows) == 4
    assert all("+40.0 (" in row and "better | " in row for row in rows)


def test_the_gradient_at_the_evidence_is_compared_before_training():
    """In powers of ten, right after the evidence."""
    curve = {"distance": [-5.0, 5.0, 15.0], "norm": [1.0, 1e-8, 1.0]}
    flowing = {"0": {**curve, "norm": [1.0, 0.01, 1.0]}, "40": curve}
    sentence = learning.flow_sentence({BASELINE: {"0": curve}, ATTENTION: flowing})
    assert "1,000,000 times as strong" in sentence


# ── the gradients ────────────────────────────────────────────────────────────────────────


def rows(lengths: list[int]) -> Sequences:
    """Rows of class 1, of random tokens that are one character long."""
    starts = starts_of(lengths)
    values = np.random.default_rng(1).integers(1, 20, starts[-1]).astype(np.int32)
    first = np.concatenate([np.arange(length) for length in lengths])
    spans = np.stack([first, first + 1], axis=1).astype(np.int32)
    return Sequences(np.arange(len(lengths)), np.ones(len(lengths), int), starts, values, spans)


def built(pooling: str) -> keras.Model:
    """A small network with random weights."""
    keras.utils.set_random_seed(3)
    recipe = strategies.recipe(pooling=pooling, units=UNITS, embedding=4, dropout=0.0)
    return build_network(
        recipe, kind="text", task="binary", classes=2, vocabulary_size=20, bigrams=0, features=0
    ).predictor


def moved_loss(network: keras.Model, tokens: np.ndarray, pooling: str, step: int, shift) -> float:
    """The loss of a row of class 1 whose forward state after `step` is moved, by stock Keras."""
    vectors = network.get_layer("embedding").embeddings.numpy()[tokens][None]
    bilstm = network.get_layer("bilstm")
    forward, backward = (keras.layers.LSTM(UNITS, return_sequences=True) for _ in range(2))
    forward.return_state = True
    for layer, trained in ((forward, bilstm.forward_layer), (backward, bilstm.backward_layer)):
        layer.build(vectors.shape)
        layer.set_weights(trained.get_weights())
    before, h, c = forward(vectors[:, : step + 1])
    parts = [before[:, :-1], (h + shift)[:, None]]
    if step + 1 < len(tokens):
        parts.append(forward(vectors[:, step + 1 :], initial_state=[h + shift, c])[0])
    there = np.concatenate(parts, axis=1)
    back = np.asarray(backward(vectors[:, ::-1]))[:, ::-1]
    pooled = (
        np.concatenate([there[:, -1], back[:, 0]], axis=1)
        if pooling == "last"
        else np.concatenate([there, back], axis=2).mean(axis=1)
    )
    kernel, bias = network.get_layer("output").get_weights()
    return float(np.log1p(np.exp(-(pooled.astype(np.float64) @ kernel + bias)))[0, 0])


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_gradients_by_states_are_those_of_moved_states(pooling):
    """Finite differences; the longer second row changes nothing, and padding has no gradient."""
    network = built(pooling)
    data = rows([5, 9])
    norms = flow.state_gradients(network, data)
    assert norms.shape == (2, 2, 9)
    assert np.isnan(norms[:, 0, 5:]).all()
    assert not np.isnan(norms[:, 1]).any()
    tokens = data.values[:5]
    for step in (0, 2, 4):
        slopes = [
            (
                moved_loss(network, tokens, pooling, step, shift)
                - moved_loss(network, tokens, pooling, step, -shift)
            )
            / 0.04
            for shift in 0.02 * np.eye(UNITS, dtype=np.float32)
        ]
        assert norms[0, 0, step] == pytest.approx(np.linalg.norm(slopes), rel=0.01)


def test_distances_count_in_the_order_of_reading():
    """From the evidence's end: its last token for the forward direction, else its first."""
    steps = np.arange(60.0)
    norms = np.stack([steps, 100 + steps])[:, None]  # (2 directions, 1 row, 60 steps)
    curve = flow.by_distance(norms, np.array([[25, 34]]))
    # forward: steps 34 to 43 are 0 to 9 steps after it; backward: 16 to 25
    at_zero = [*range(34, 44), *range(116, 126)]
    assert curve["norm"][curve["distance"].index(5.0)] == np.median(at_zero)
    assert curve["distance"] == [-25.0, -15.0, -5.0, 5.0, 15.0]


def test_the_evidence_reaches_from_its_first_token_to_its_last():
    """Of both passages; characters are looked up in the tokens' spans."""
    data = rows([6, 4])  # a token is one character long
    ends = flow.evidence_ends(data, [[(1, 2), (4, 5)], [(0, 3)]])
    assert ends.tolist() == [[1, 4], [0, 2]]
