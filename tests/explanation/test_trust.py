"""The trust card: what it says, and when it says no."""

import pytest

from pipeline.explanation import trust
from tests.support.toy_networks import estimate


def compared(*, best="attention", left=0.1, attends=True, unbeaten=(), seeds=2):
    """What `controls.summarize` might say."""
    method = {
        "comprehensiveness": estimate(0.4),
        "control": False,
        "randomized": {"output": 0.9},
        "unbeaten": [],
    }
    methods = {
        "attention": {
            **method,
            "title": "attention",
            "randomized": {"output": 1, "encoder": left},
            "unbeaten": list(unbeaten),
            "learned": left < 0.5,
        },
        "gradient_norm": {**method, "title": "gradient norm", "randomized": {"encoder": 0.2}},
        "random": {"title": "random steps", "comprehensiveness": estimate(0.1), "control": True},
    }
    if seeds > 1:
        methods["other_seed"] = {**methods["random"], "title": "another seed’s attention"}
    if not attends:
        del methods["attention"]
    return {"methods": methods, "best": best}


def found(level="supported", *, seeds=(1, 2), far=0.1):
    """What `summarize` might say; two seeds are 0.2 bits apart."""
    several = len(seeds) > 1
    other = {
        "permuted": estimate(0.3),
        "even": estimate(0.25),
        "most_different": estimate(far),
        "bound": 0.01,
        "conicity": estimate(0.4),
        "accuracy": {"own": 0.9, "even": 0.6},
        "guided": {"own": 0.8, "even": 0.7},
        **({"other_seed": estimate(0.05)} if several else {}),
    }
    agreement = {"spearman": estimate(0.7), "divergence": estimate(0.2)}
    return {
        "level": level,
        "agreement": agreement if several else None,
        "others": {str(seed): other for seed in seeds},
    }


@pytest.mark.parametrize(
    ("level", "far", "single", "said"),
    [
        ("supported", 0.1, "not refuted", "That is no proof."),
        ("supported", 0.3, "no", "quite other weights (0.30 bits away on average"),
        ("partly supported", 0.1, "no", "they would have to be supported on average"),
    ],
)
def test_the_reason_for_one_prediction_needs_more_than_the_average(level, far, single, said):
    """Weights that differ more than two seeds' do must not give the same prediction."""
    card = trust.trust_card(found(level, far=far), compared())
    assert card["average"]["level"] == level
    assert card["single"]["level"] == single
    assert said in card["single"]["sentence"]


def test_without_a_second_seed_nothing_is_said_of_one_prediction():
    """There is no measuring rod."""
    card = trust.trust_card(found(seeds=(1,)), compared())
    assert card["single"]["level"] == "no: not tested"
    assert "agreement" not in " ".join(trust.lines(card))


def test_a_card_names_each_figure_its_meaning_and_what_stands_beside_it():
    """The terminal has it as lines, MLflow as a table and metrics."""
    card = trust.trust_card(found(), compared())
    lines = trust.lines(card)
    assert lines[0].startswith("As a pointer to what matters on average: Yes")
    assert lines[2] == "Most faithful method for this model: attention."
    (measured,) = (line for line in lines if "comprehensiveness" in line)
    assert "0.40 (random steps 0.10, another seed’s attention 0.10). How far" in measured
    assert any("(equal weights 0.25, another seed’s weights 0.05)" in line for line in lines)
    (guided,) = (line for line in lines if "words without context" in line)
    assert "guided by the weights: 0.80 (equal weights 0.70)." in guided
    assert any("conicity of the states: 0.40. How alike" in line for line in lines)
    page = trust.markdown({"bilstm_attention": card})
    assert "| change with permuted weights | 0.30 |" in page
    assert trust.metrics({"m": card}) == {
        "trust_level/m": 2.0, "trust_comprehensiveness/m": 0.4, "trust_permuted/m": 0.3,
    }  # fmt: skip


def test_a_model_without_attention_has_its_best_method():
    """And no verdict on weights."""
    card = trust.trust_card(None, compared(best="gradient_norm", attends=False))
    assert (card["average"], card["single"]) == (None, None)
    assert trust.lines(card)[0] == "Most faithful method for this model: gradient norm."
    assert trust.metrics({"m": card}) == {"trust_comprehensiveness/m": 0.4}
    assert trust.markdown({"m": card}).startswith("# What points best in m?")


def test_even_weights_have_the_lowest_level():
    """They say nothing."""
    card = trust.trust_card(found("the weights say nothing: they are even"), compared())
    assert trust.metrics({"m": card})["trust_level/m"] == 0
    assert card["average"]["sentence"] == "No: the weights are even."


def test_earlier_results_have_no_card():
    """They were kept before there were any."""
    assert trust.cards({"models": {}}) == {}


@pytest.mark.parametrize(
    ("level", "given", "said"),
    [
        ("supported", {}, "Yes: the weights beat every control"),
        ("partly supported", {"unbeaten": ["other_seed"]}, "In part: they are not clearly better"),
        ("partly supported", {"seeds": 1}, "In part: there is no other seed’s attention"),
        ("partly supported", {}, "In part: not every test came out clearly."),
        ("not supported", {"unbeaten": ["random"]}, "No: they are not clearly better than random"),
        ("not supported", {"left": 0.7}, "No: they need nothing that was learned."),
        ("not supported", {}, "No: no test came out clearly."),
    ],
)  # fmt: skip
def test_the_verdict_names_what_stands_against_the_weights(level, given, said):
    """A control that they don't beat, no second seed, or a test."""
    card = trust.trust_card(found(level), compared(**given))
    assert card["average"]["sentence"].startswith(said)


def test_numbers_have_a_real_minus_and_no_negative_zero():
    """In the terminal and in MLflow's page."""
    card = trust.trust_card(found(), compared(left=-0.001))
    assert "after randomizing the network: 0.00 (gradient norm 0.20)" in trust.lines(card)[-1]
    card = trust.trust_card(found(), compared(left=-0.2))
    assert "network: −0.20 (" in trust.lines(card)[-1]


def test_lime_stands_beside_the_methods_on_its_own_rows():
    """Its figure is no metric of attention's; results that are older have none."""
    card = trust.trust_card(found(), compared())
    assert not any("LIME" in line for line in trust.lines(card))
    methods = {
        name: {"title": title, "comprehensiveness": estimate(mean)}
        for name, title, mean in (("lime", "LIME", 0.35), ("attention", "attention", 0.25))
    }
    few = {"rows": 20, "samples": 1000, "methods": methods, "orders": []}
    with_it = trust.trust_card(found(), compared() | {"lime": few})
    (line,) = [line for line in trust.lines(with_it) if "LIME" in line]
    assert line.startswith("LIME: comprehensiveness on 20 rows alone: 0.35 (attention 0.25). ")
    assert "1,000 samples" in line
    assert trust.metrics({"m": with_it}) == trust.metrics({"m": card})


def test_if_nothing_beats_random_steps_no_method_is_called_the_most_faithful():
    """As where the weights are even."""
    card = trust.trust_card(found(), compared(unbeaten=["random"]))
    assert f"Most faithful method for this model: {trust.NONE}." in trust.verdicts(card)
    card = trust.trust_card(found(), compared(unbeaten=["other_seed"]))
    assert "Most faithful method for this model: attention." in trust.verdicts(card)
