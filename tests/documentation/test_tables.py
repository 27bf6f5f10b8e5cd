from copy import deepcopy
from dataclasses import replace

import pytest

from pipeline.documentation import study_tables, tables
from pipeline.documentation.kept import Kept
from tests.support.kept_results import COMPARISON, FAITHFULNESS, KEPT, METRICS, PAIR, RECORD


def test_models_show_mean_and_spread():
    """Small numbers keep their digits; a baseline has no seeds, a network has one at least."""
    lines = tables.models(METRICS, COMPARISON).splitlines()
    assert lines[0] == "| model | seeds | parameters | MSE |"
    assert lines[2:] == [
        "| `mean` | – | 1 | 0.500 |",
        "| `bilstm` | 3 | 1,200 | 0.100 ± 0.020 |",
        "| `bilstm_attention` | 3 | 1,300 | 0.0000200 ± 0.0000060 |",
    ]
    single = {"seeds": 1, "parameters": 9, "test": {"mse": {"mean": 0.1, "sd": None}}}
    once = {**METRICS, "models": {**METRICS["models"], "bilstm": single}}
    assert "| `bilstm` | 1 | 9 | 0.100 |" in tables.models(once, COMPARISON)


def test_the_overview_puts_every_pooling_beside_last_state_and_baseline():
    """Marked by its verdict; a dataset that lacks a model has a dash."""
    models = {**COMPARISON["models"], "bilstm_max": {"deterministic": False}}
    measured = {**METRICS["models"], "bilstm_max": METRICS["models"]["bilstm"]}
    other = Kept(
        "more",
        {**METRICS, "models": measured},
        {**COMPARISON, "models": models, "pairs": [PAIR | {"verdict": "worse"}]},
        FAITHFULNESS,
        RECORD,
    )
    titles, _, adding, more, _, legend = tables.overview([KEPT, other]).splitlines()
    assert titles.endswith("| best baseline | `bilstm` | `bilstm_attention` | `bilstm_max` |")
    assert adding == (
        "| [adding](#adding) | MSE | 0.500 (`mean`) | 0.100 ± 0.020 | 0.0000200 ± 0.0000060 ▲ | – |"
    )
    assert more.endswith("| 0.100 ± 0.020 | 0.0000200 ± 0.0000060 ▼ | 0.100 ± 0.020 |")
    assert "`bilstm`, the last state: ▲ better, ▼ worse, ≈ practically equal" in legend


def test_a_section_names_command_parameters_machine_and_date():
    """And leaves out McNemar's test where there is none."""
    section = tables.datasets([KEPT])
    for told in ("### adding", "dvc exp run -S dataset=adding", "2026-01-02", "P, 2 cores"):
        assert told in section
    assert "results/adding/params.yaml" in section
    assert "< 0.0001" in section
    assert "McNemar" not in section
    with_tests = deepcopy(COMPARISON)
    test = {"seed": 1, "only_first_right": 7, "only_second_right": 1200, "p_value_holm": 0.07}
    other = {"seed": 2, "only_first_right": 5, "only_second_right": 1200, "p_value_holm": 0.00001}
    with_tests["pairs"][0]["mcnemar"] = [test, other]
    row = "| `bilstm_attention` against `bilstm` | 5–7 | 1,200 | < 0.0001–0.07 |"
    assert row in tables.mcnemar(with_tests)


def test_tests_that_were_not_made_are_dashes():
    """No evidence, no deletion, one seed, and no controls, as in results that are older."""
    (row,) = tables.explanations([KEPT]).splitlines()[2:]
    assert row == "| adding | `bilstm_attention` | – | – | – | – | – | partly supported |"


def test_each_method_stands_beside_the_controls():
    """With its intervals and the controls that it doesn't beat; no line for results without any."""
    score = {"mean": 0.412, "low": 0.3, "high": 0.5}
    about = {"comprehensiveness": score, "sufficiency": score}
    methods = {
        "attention": about | {"title": "attention", "control": False, "unbeaten": ["random"]},
        "leave_one_out": about | {"title": "leave-one-out", "control": False, "unbeaten": []},
        "random": about | {"title": "random steps", "control": True},
    }
    found = KEPT.faithfulness | {"candidates": {"bilstm_attention": {"methods": methods}}}
    rows = tables.candidates([KEPT, replace(KEPT, faithfulness=found)]).splitlines()[2:]
    scores = "0.41 (0.30 to 0.50) | 0.41 (0.30 to 0.50) | –"
    assert rows == [
        f"| adding | attention | {scores} | random steps |",
        f"| adding | leave-one-out | {scores} | none |",
        f"| adding | random steps | {scores} | a control |",
    ]


def test_kendalls_tau_stands_under_its_two_methods():
    """A model without attention has one pair; results that are older have no line."""
    orders = [{"methods": ["gradient_input", "leave_one_out"], "tau": 0.516}]
    found = KEPT.faithfulness | {"candidates": {"bilstm": {"orders": orders}}}
    (row,) = tables.orders([KEPT, replace(KEPT, faithfulness=found)]).splitlines()[2:]
    assert row == "| adding | `bilstm` | – | – | 0.52 |"


def test_lime_stands_beside_the_methods_on_its_rows():
    """A dash for a method that a model hasn't; results that are older have no line."""
    methods = {
        name: {"comprehensiveness": {"mean": mean}}
        for name, mean in (("lime", 0.416), ("leave_one_out", 0.5))
    }
    found = KEPT.faithfulness | {
        "candidates": {
            "bilstm": {"lime": {"rows": 20, "methods": methods}},
            "bilstm_mean": {"lime": None},
            "bilstm_max": {},
        }
    }
    (row,) = tables.lime([KEPT, replace(KEPT, faithfulness=found)]).splitlines()[2:]
    assert row == "| adding | `bilstm` | 20 | 0.42 | – | – | – | – | 0.50 |"


@pytest.mark.parametrize(("unbeaten", "said"), [(["other_seed"], "another seed"), ([], "none")])
def test_the_controls_that_attention_does_not_beat_are_named(unbeaten, said):
    """Or that there is none."""
    methods = {"attention": {"unbeaten": unbeaten}, "other_seed": {"title": "another seed"}}
    found = KEPT.faithfulness | {"candidates": {"bilstm_attention": {"methods": methods}}}
    (row,) = tables.explanations([replace(KEPT, faithfulness=found)]).splitlines()[2:]
    assert row.endswith(f"| {said} | partly supported |")


@pytest.mark.parametrize(
    ("models", "shown"),
    [
        ("ab", ["| recipe | mean log loss | `a`, % | `b`, % |", "| one | 0.201 | 90.0 | 90.0 |"]),
        (
            "abc",
            [
                "| recipe | one | other |",
                "| mean log loss | 0.201 | 0.304 |",
                "| `a`, % | 90.0 | 90.0 |",
            ],
        ),
    ],
)
def test_a_search_of_many_models_has_a_column_for_each_trial(models, shown):
    """So that it is never wider than it is long."""
    right = {f"{model} val_accuracy": "0.9" for model in models}
    trials = [
        {"trial": "one", "val_loss": "0.2012", **right},
        {"trial": "other", "val_loss": "0.3041", **right},
    ]
    titles, _, *lines = study_tables.recipe(trials).splitlines()
    assert [titles, *lines][: len(shown)] == shown
