"""The comparison with controls can say no, and says yes to what deserves it."""

import re

import numpy as np
import pytest

from pipeline.core.params import Explain
from pipeline.evaluation.significance import Bootstrap
from pipeline.explanation import candidates, controls
from pipeline.explanation.measures import Measured, measure, measure_run
from pipeline.explanation.names import DETAILS
from pipeline.explanation.rows import Rows
from pipeline.explanation.verdict import verdict
from tests.support.toy_networks import attending, built, estimate, rows_of

SETTINGS = Explain()
BOOTSTRAP = Bootstrap(confidence=0.95, resamples=2000, seed=0)
IDF = np.random.default_rng(5).random(60)
ROWS = rows_of(*np.random.default_rng(0).integers(0, 60, (50, 30)))
SEEDS = (1, 2, 3, 4, 5)


def tastes(seed, strength):
    """What a toy network attends to and its values: of twelve telling tokens, it reads four."""
    rng = np.random.default_rng(seed)
    scores, values = rng.normal(0, 0.5, 60), np.zeros(60)
    read = 48 + rng.permutation(12)[:4]
    scores[read], values[read] = 6.0, 4.0 * strength
    return scores, values


def judged(show, *, seeds=SEEDS, evidence=None, settings=SETTINGS, strength=1.0, randomized=None):
    """The comparison where each seed's toy network shows what `show(seed, its weights)` returns."""
    networks = {seed: attending(*tastes(seed, strength)) for seed in seeds}
    shown = {
        seed: show(seed, np.concatenate(weigh(ROWS)).astype(float))
        for seed, (_, weigh) in networks.items()
    }
    runs = {}
    for place, (seed, (predict, _)) in enumerate(networks.items()):
        fresh = np.random.default_rng(seed).normal(size=(4, 60))
        scores = {
            "attention": shown[seed],
            "leave_one_out": candidates.leave_one_out(ROWS, predict),
            "untrained_attention": fresh[:, ROWS.values],
            **candidates.plain_controls(ROWS, IDF, seed=0),
        }
        if len(seeds) > 1:
            scores["other_seed"] = shown[seeds[(place + 1) % len(seeds)]]
        found = measure(ROWS, scores, predict, evidence=evidence, seed=0)
        runs[seed] = Measured(found, 0.0, randomized=randomized or {})
    return controls.summarize(runs, settings, BOOTSTRAP)


def honest(_, own):
    """What the network really does."""
    return own


def test_weights_that_know_their_own_network_are_supported():
    """They beat every control, the attention of another seed included."""
    found = judged(honest)
    assert found["level"] == "supported"
    assert found["methods"]["attention"]["unbeaten"] == []
    assert found["sentences"][0].startswith("Against controls, attention is clearly better than ")
    assert "not clearly" not in found["sentences"][0]


BAD = {
    "uniform": lambda seed, own: np.full(len(own), 1 / 30),
    "permuted": lambda seed, own: np.random.default_rng(seed).permutation(own),
    "untrained": lambda seed, own: np.random.default_rng(seed + 50).normal(size=60)[ROWS.values],
    "position": lambda seed, own: -np.tile(np.arange(30.0), 50),
    "idf": lambda seed, own: IDF[ROWS.values],
}


@pytest.mark.parametrize("name", BAD)
def test_weights_that_know_too_little_are_not_supported(name):
    """Whatever the other tests say, the verdict is no higher."""
    found = judged(BAD[name])
    assert found["level"] == "not supported"
    good = {"attention": estimate(0.25), "random": estimate(0.05), "gain": estimate(0.2)}
    run = {
        "evenness": {of: estimate(0.3) for of in ("effective", "heaviest", "change")}
        | {"relative": False},
        "deletion": {"comprehensiveness": good, "sufficiency": {"gain": estimate(-0.2)}},
        "evidence": None,
    }
    assert verdict([run], None)[0] == "supported"
    level, sentences = verdict([run], None, found)
    assert level == "not supported"
    assert sentences[-2:] == found["sentences"]


def shared(seed, own):
    """What all seeds may show: which tokens tell, and not which of them are read."""
    return (ROWS.values >= 48).astype(float) + BAD["untrained"](0, own) / 100


def test_weights_that_know_the_data_alone_are_partly_supported():
    """Another seed's are as good."""
    found = judged(shared)
    assert found["level"] == "partly supported"
    assert found["methods"]["attention"]["unbeaten"] == ["other_seed"]
    assert found["sentences"][0].endswith("not clearly better than another seed’s attention.")


def test_the_better_method_is_named_and_a_better_one_must_be_clear():
    """Leave-one-out knows what the shared weights don't; the network's own weights know it too."""
    assert re.fullmatch(
        r"For this model, leave-one-out points better at what changes the prediction than "
        r"attention does \(comprehensiveness 0\.\d{3} against 0\.\d{3}\)\.",
        judged(shared)["sentences"][1],
    )
    assert judged(honest)["sentences"][1].startswith("For this model, no other method")


def test_without_another_seed_the_weights_are_at_best_partly_supported():
    """The strictest control can't be made, and the sentence says so."""
    found = judged(honest, seeds=(1,))
    assert found["level"] == "partly supported"
    assert found["sentences"][0].endswith("; there is no other seed to compare it with.")


def test_a_small_gain_does_not_count():
    """However clear it is."""
    found = judged(honest, settings=Explain(minimum_gain=0.9))
    assert found["level"] == "not supported"


def test_evidence_must_be_pointed_at_too_where_it_is_known():
    """Early steps decide nothing, but if they are the evidence, they beat the weights."""
    early = np.tile(np.arange(30) < 5, 50)
    found = judged(honest, evidence=early)
    assert found["methods"]["attention"]["unbeaten"] == [
        "untrained_attention", "idf", "position", "random",
    ]  # fmt: skip
    assert set(found["methods"]["attention"]["leads"]["other_seed"]) == {"comprehensiveness"}
    assert found["level"] == "not supported"
    nowhere = judged(honest, evidence=np.zeros(1500, bool))
    assert nowhere["level"] == "supported"
    assert "auprc" not in nowhere["methods"]["attention"]


def test_attention_of_a_network_that_learned_nothing_is_not_supported():
    """As from shuffled labels: peaked as ever, but whatever is deleted, the prediction stays."""
    assert judged(honest, strength=0.02)["level"] == "not supported"


def left(**methods):
    """What remains of each method's order: all of it without the output, then this much."""
    return {
        name: {"output": np.ones(4), "encoder": np.full(4, share)}
        for name, share in methods.items()
    }


def test_weights_that_need_nothing_learned_are_not_supported():
    """They beat every control, but with fresh weights in the network they stay as they were."""
    found = judged(honest, randomized=left(attention=0.49, leave_one_out=0.1))
    assert found["level"] == "supported"
    said = "of 0.49 with the original one, so it tells of what was learned."
    assert found["sentences"][1].endswith(said)
    found = judged(honest, randomized=left(attention=0.5, leave_one_out=0.1))
    assert found["level"] == "not supported"
    assert found["sentences"][1].endswith("so it needs nothing learned.")
    assert found["methods"]["attention"]["randomized"] == {"output": 1, "encoder": 0.5}


def test_a_method_that_needs_nothing_learned_is_not_the_most_faithful():
    """However far it leads."""
    assert judged(shared)["best"] == "leave_one_out"
    assert judged(shared, randomized=left(attention=0.1, leave_one_out=0.9))["best"] == "attention"


def test_where_nothing_moves_the_prediction_no_method_points_better_than_chance():
    """Its weights point at tokens that the network doesn't use."""
    found = judged(honest, strength=0.0)
    assert found["sentences"][-1].endswith("no method points clearly better than random steps do.")
    assert "random" in found["methods"][found["best"]]["unbeaten"]


def test_attention_of_networks_whose_head_is_untrained_is_not_supported():
    """Real ones, fresh from the initializer: nothing was learned that could be pointed at."""
    rows = rows_of(*np.random.default_rng(0).integers(2, 20, (12, 15)))
    networks = [built("additive", seed=seed) for seed in (1, 2, 3)]
    runs = {
        place: measure_run(
            network,
            Rows(np.arange(12), rows, None, None),
            Explain(integration_steps=2, lime_rows=2, lime_samples=20, randomized_rows=2),
            idf=np.arange(20.0),
            other=networks[place - 1],
        )
        for place, network in enumerate(networks)
    }
    found = controls.summarize(runs, SETTINGS, BOOTSTRAP)
    assert found["level"] == "not supported"
    assert set(found["methods"]["attention"]["details"]) == {*DETAILS} - {"token_f1", "iou_f1"}
    assert [pair["methods"] for pair in found["orders"]] == [
        ("attention", "gradient_input"),
        ("attention", "leave_one_out"),
        ("gradient_input", "leave_one_out"),
    ]
