from dataclasses import replace

from pipeline.documentation import answer
from tests.support.kept_results import COMPARISON, FAITHFULNESS, KEPT, PAIR

CLASSES = replace(
    KEPT,
    dataset="demo",
    metrics={
        "models": {
            name: {"test": {"accuracy": {"mean": mean, "sd": None}}}
            for name, mean in {
                "tfidf_logistic_regression": 0.7,
                "nb_logistic_regression": 0.8,
                "bilstm": 0.91,
                "bilstm_attention": 0.93,
            }.items()
        }
    },
    comparison=COMPARISON
    | {"task": "binary", "pairs": [PAIR | {"difference": 0.02, "low": 0.01, "high": 0.03}]},
)
LEAD = {"difference": 0.089, "low": -0.003, "high": 0.189}
LENGTHS = {
    "changes": {"to": "230-270"},
    "learning": {
        "40-60": {"bilstm": {"accuracy": [0.1]}},
        "230-270": {
            "bilstm": {"accuracy": [0.8, 0.86]},
            "bilstm_max": {"accuracy": [0.92]},
            "bilstm_attention": {"accuracy": [0.91, 0.93]},
        },
        "230-270x10": {
            "bilstm_more_data": {"accuracy": [0.9]},
            "bilstm_attention_more_data": {"accuracy": [0.95]},
        },
    },
    "advantages": [
        LEAD | {"against": "bilstm_max", "position": "anywhere", "length": "230-270"},
        LEAD | {"against": "bilstm", "position": "start", "length": "230-270"},
        LEAD | {"against": "bilstm", "position": "anywhere", "length": "40-60"},
        LEAD | {"against": "bilstm", "position": "anywhere", "length": "230-270"},
    ],
    "remedies": [
        {
            "model": "bilstm_more_data",
            "length": "230-270x10",
            "lead": {"difference": 0.05, "low": 0.04, "high": 0.06},
        },
        {"model": "bilstm_worse"},
    ],
}


def _cell(model: str, accuracy: float, **of: str) -> dict[str, str]:
    ends = {"difference": "0.1", "difference_low": "0.05", "difference_high": "0.15"}
    return {"model": model, "accuracy": str(accuracy), **ends, **of}


def test_attention_stands_beside_last_state_maximum_and_baseline():
    """For each dataset of classes, the fewest rows and the longest texts; the better baseline."""
    sized = [
        _cell(model, accuracy, rows=rows)
        for rows in ("202", "1010")
        for model, accuracy in {
            "nb_logistic_regression": 0.75,
            "bilstm": 0.6,
            "bilstm_max": 0.72,
            "bilstm_attention": 0.7 if rows == "202" else 0.8,
        }.items()
    ]
    distracted = [
        _cell(model, accuracy, length=length, place=place)
        for length in ("200", "1600")
        for place in ("any", "around")
        for model, accuracy in {
            "bilstm": 0.63,
            "bilstm_attention": 0.8 if (length, place) == ("1600", "any") else 0.1,
        }.items()
    ]
    titles, _, *rows = answer.table([KEPT, CLASSES], LENGTHS, distracted, sized).splitlines()
    assert titles.endswith("| best baseline, % | attention against the last state, points |")
    (demo, fewest, longest, generated, remedied) = (row.split(" | ") for row in rows)
    assert demo[1:] == ["91.0", "–", "93.0", "80.0", "+2.0 (+1.0 to +3.0) |"]
    assert "imdb, 202 reviews" in fewest[0]
    assert fewest[1:] == ["60.0", "72.0", "70.0", "75.0", "+10.0 (+5.0 to +15.0) |"]
    assert "1,600 tokens" in longest[0]
    assert longest[1:] == ["63.0", "–", "80.0", "–", "+10.0 (+5.0 to +15.0) |"]
    assert "230–270 words" in generated[0]
    assert generated[1:] == ["83.0", "92.0", "92.0", "–", "+8.9 (−0.3 to +18.9) |"]
    assert "`bilstm_more_data`" in remedied[0]
    assert remedied[1:] == ["90.0", "–", "95.0", "–", "+5.0 (+4.0 to +6.0) |"]


def test_studies_that_were_not_run_have_no_rows():
    """A regression, of which accuracy says nothing, has none either."""
    assert len(answer.table([KEPT], LENGTHS, [], []).splitlines()) == 4


def test_the_points_quote_headline_lengths_and_trust():
    """A model without attention has no weights to trust; equal verdicts are told once."""
    card = {
        "average": {"level": "partly supported", "sentence": "In part."},
        "single": {"level": "no", "sentence": "No."},
    }
    yes = {**card, "average": {"level": "supported", "sentence": "Yes."}}
    trust = {
        "bilstm": {"average": None, "single": None},
        "bilstm_attention": card,
        "bilstm_dot": yes,
        "bilstm_dot_last": card,
    }
    attention = {"answer": "Yes.", "model": "bilstm_attention", "rival": "bilstm_max"}
    attention["sentence"] = "It is better than bilstm_max."
    use = {"use": "bilstm_attention", "reason": "it is better than mean."}
    slope = {"difference": 0.008, "low": 0.001, "high": 0.016}
    grows = {"first": "bilstm_attention", "second": "bilstm", "per_doubling": slope}
    kept = replace(
        KEPT,
        comparison=COMPARISON
        | {"attention": attention, "by_length": {"differences": [grows]}, **use},
        faithfulness=FAITHFULNESS | {"trust": trust},
    )
    helps, used, trusted, other = answer.points([kept], {"adding": " Both gain."}).splitlines()
    assert helps == (
        "- **adding**: Does attention help? Yes. It is better than bilstm_max. Against the last "
        f"state: {PAIR['sentence']} With each doubling of the length, its difference from bilstm "
        "changes by +0.8 (+0.1 to +1.6) points."
    )
    assert used == "- **adding**: Use bilstm_attention: it is better than mean. Both gain."
    assert trusted == (
        "- **Can the weights be trusted?** `bilstm_attention`, adding (the same verdicts for "
        "`bilstm_dot_last`). As a pointer to what matters on average: In part. As the reason for "
        "one prediction: No."
    )
    assert "`bilstm_dot`, adding. As a pointer to what matters on average: Yes." in other
    assert answer.points([KEPT], {}) == "- **adding**: It is better."
