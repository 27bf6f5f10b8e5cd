"""The report, built from comparisons whose outcome is known."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline.core.predictions import Predictions
from pipeline.evaluation.comparison import comparison_document
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.significance import Bootstrap
from pipeline.report import charts
from pipeline.report.builder import Run, _spread, build_report
from tests.support.html_page import Page

REFERENCE = "tfidf_logistic_regression"
ROWS = 300


def result(name, skill, *, seeds=(1, 2, 3), classes=2):
    """A model that gives the right class a head start of `skill` in the logits."""
    fits = {}
    for split in ("validation", "test"):
        shared = np.random.default_rng(len(split))  # what all arms have in common: the rows
        targets = shared.integers(0, max(classes, 2), ROWS)
        made = []
        for seed in seeds or (0,):
            rng = np.random.default_rng([seed, len(name)])
            if classes:
                logits = rng.normal(size=(ROWS, classes))
                logits[np.arange(ROWS), targets] += skill
                outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            else:
                outputs = targets + rng.normal(size=ROWS) / skill
            kept = targets if classes else targets.astype(np.float32)
            made.append(Predictions(np.arange(ROWS), kept, outputs.astype(np.float32)))
        fits[split] = tuple(made)
    return ModelResult(name, seeds, 1000, fits["validation"], fits["test"])


def comparison(results, *, task="binary", classes=("neg", "pos"), positions=True, dataset="demo"):
    """What `evaluate` would say of these arms."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 200, ROWS) if classes else np.full(ROWS, 24)
    return comparison_document(
        results,
        dataset=dataset,
        task=task,
        classes=list(classes),
        lengths=lengths,
        positions=rng.random(ROWS) if positions else None,
        length_bins=4,
        bootstrap=Bootstrap(confidence=0.95, resamples=200, seed=0),
    )


def run(model, seed, metric="val_accuracy"):
    """A fit of three epochs."""
    history = [{"epoch": n, "loss": 1 / n, "val_loss": 1 / n, metric: n / 4} for n in (1, 2, 3)]
    recipe = {"pooling": "additive" if "attention" in model else "last", "units": 64}
    about = {"model": model, "seed": seed, "recipe": recipe, "epochs": 3, "best_epoch": 2}
    return Run({**about, "threads": 2, "fingerprint": f"{model}{seed}"}, history)


def samples(compared, model, *, has_weights):
    """A samples document that holds every disputed row."""
    rows = {entry["row"] for pair in compared["disagreements"] for entry in pair["rows"]}
    weight = 1.0 if has_weights else None
    return {
        "kind": "text", "model": model, "seed": 1, "classes": compared["classes"],
        "has_weights": has_weights,
        "samples": [
            {
                "row": row, "text": f"Review {row}: <script>steal()</script> film", "tokens":
                [{"start": 0, "end": 6, "weight": weight}], "evidence": [[0, 6]],
                "unread": [], "truncated": False,
            }
            for row in sorted(rows)
        ],
    }  # fmt: skip


def estimate(mean):
    """A mean with its interval."""
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def believed(model="bilstm_attention", *, evidence=True):
    """What `faithfulness.json` might say."""
    measure = {
        "attention": estimate(0.3),
        "random": estimate(0.1),
        "gain": estimate(0.2),
        "by_share": {"attention": [0.1, 0.3], "random": [0.0, 0.1]},
    }
    fit = {
        "rows": 40,
        "evenness": estimate(0.5),
        "deletion": {"shares": [0.1, 0.5], "comprehensiveness": measure, "sufficiency": measure},
        "evidence": {name: estimate(0.4) for name in ("mass", "expected", "precision")} | {"top": 5}
        if evidence
        else None,
    }
    found = {
        "level": "partly supported",
        "verdict": "The deletion says so.",
        "seeds": {"1": fit, "2": fit},
        "agreement": {
            "spearman": estimate(0.4),
            "divergence": estimate(0.3),
            "divergence_shuffled": estimate(0.7),
        },
        "words": {"neg": [{"word": "dreadful", "share": 9.0, "count": 4}], "pos": []},
    }
    return {
        "confidence": 0.95,
        "models": {model: found},
        "limits": "It has limits.",
        "references": ["DeYoung et al. 2020"],
    }


def card(compared, **changes):
    """The data's card."""
    labels = dict.fromkeys(compared["classes"], 10)
    return {
        "dataset": compared["dataset"],
        "kind": "text",
        "task": compared["task"],
        "classes": compared["classes"],
        "source": {"kind": "demo", "words": [40, 200]},
        "revision": None,
        "splits": {"train": {"rows": 20, "sha256": "ab12", "labels": labels}},
        "duplicates": {},
        "dropped": {"train": {"also in test": 123}},
        **changes,
    }


ENCODING = {
    "vocabulary_size": 746,
    "max_len": 240,
    "splits": {"train": {"rows": 16, "labels": {}, "truncated_rows": 3, "tokens_cut_share": 0.125}},
}


@pytest.fixture(scope="module")
def inputs():
    """Everything that a report of the demo corpus has."""
    results = [
        result(REFERENCE, 1.0, seeds=()),
        result("bilstm", 1.0),
        result("bilstm_attention", 4.0),
    ]
    compared = comparison(results)
    curve = [(0.0, 0.0), (0.2, 0.7), (1.0, 1.0)]
    return {
        "comparison": compared,
        "card": card(compared),
        "encoding": ENCODING,
        "runs": [
            run(model, seed) for model in ("bilstm", "bilstm_attention") for seed in (1, 2, 3)
        ],
        "samples": [
            samples(compared, "bilstm", has_weights=False),
            samples(compared, "bilstm_attention", has_weights=True),
        ],
        "roc": {one.name: curve for one in results},
        "precision_recall": {one.name: curve for one in results},
        "faithfulness": believed(),
        "words": {"neg": [{"ngram": "<b>awful", "coefficient": 2.0}], "pos": []},
    }


@pytest.fixture(scope="module")
def html(inputs):
    """The demo corpus's report."""
    return build_report(**inputs)


@pytest.fixture(scope="module")
def page(html):
    """The same, parsed."""
    return Page(html)


def test_report_answers_first(page):
    """The question, the answer, the interval and the certainty stand before everything else."""
    top = page.text[: page.text.index("Mean ± standard deviation")]
    assert "Does attention help? Yes, on this data." in top
    assert "bilstm_attention is better than bilstm: +" in top
    assert "after Holm’s correction for 3 pairs" in top
    assert "can be believed is partly supported. The deletion says so." in top


@pytest.mark.parametrize(
    ("skills", "seeds", "answer"),
    [
        ({"bilstm": 4.0, "bilstm_attention": 1.0}, (1, 2, 3), "No: on this data it is worse."),
        ({"bilstm_attention": 1.0, "bilstm": 4.0}, (1, 2, 3), "No: on this data it is worse."),
        ({"bilstm_attention": 4.0, "bilstm": 1.0}, (1, 2, 3), "Yes, on this data."),
        ({"bilstm": 1.0, "bilstm_attention": 1.0}, (1, 2, 3), "This data does not tell."),
        ({"bilstm": 1.0, "bilstm_attention": 4.0}, (1,), "Too few seeds to tell."),
    ],
)
def test_report_answers_as_the_comparison_does(inputs, skills, seeds, answer):
    """Whichever model is listed first, the answer is about attention."""
    compared = comparison([result(name, skill, seeds=seeds) for name, skill in skills.items()])
    shown = build_report(
        **{**inputs, "comparison": compared, "roc": None, "precision_recall": None}
    )
    assert f"Does attention help? {answer}" in Page(shown).text


def test_report_compares_with_the_best_model_without_attention(inputs):
    """On validation `bilstm_max` beats `bilstm`, so the answer rests on it."""
    results = [result("bilstm", 1.0), result("bilstm_max", 2.0), result("bilstm_attention", 4.0)]
    shown = build_report(
        **{**inputs, "comparison": comparison(results), "roc": None, "precision_recall": None}
    )
    assert "bilstm_attention is better than bilstm_max" in Page(shown).text.split("Overall")[0]


def test_report_shows_every_model_with_mean_and_spread(page, inputs):
    """The table's numbers are the comparison's."""
    accuracy = inputs["comparison"]["models"]["bilstm_attention"]["test"]["accuracy"]
    assert f"{100 * accuracy['mean']:.1f} ± {100 * accuracy['sd']:.1f}" in page.text
    reference = inputs["comparison"]["models"][REFERENCE]["test"]["roc_auc"]
    assert f"{reference['mean']:.3f}" in page.text


@pytest.mark.parametrize(
    ("mean", "sd", "shown"),
    [
        (0.2345, 0.0123, "0.234 ± 0.012"),
        (0.0000231, 0.0000059, "0.0000231 ± 0.0000059"),
        (-0.0456, None, "−0.0456"),
        (0.0, 0.0, "0.000 ± 0.000"),
    ],
)
def test_small_errors_keep_three_significant_digits(mean, sd, shown):
    """An error far below 1 does not read as 0.000."""
    assert _spread({"mean": mean, "sd": sd}, "mse") == shown


def test_report_has_every_part(page):
    """A full comparison fills every section, and the contents list them."""
    sections = [section["aria-labelledby"] for section in page.all("section")]
    assert sections == [
        "results", "differences", "curves", "length", "position", "calibration", "attention",
        "words", "disputes", "data", "reproduce",
    ]  # fmt: skip
    assert [link["href"] for link in page.all("a")][1:] == [f"#{name}" for name in sections]
    assert len(page.all("svg", cls="chart")) == 4 + 2 + 2 + 2 + 2


def test_report_escapes_what_others_wrote(page, html):
    """Markup in a review or an n-gram stays text; the report itself has no script at all."""
    assert "<script" not in html
    assert "<script>steal()</script> film" in page.text
    assert "<b>awful" in page.text


def test_report_needs_nothing_from_elsewhere(page, html):
    """No address but its own anchors, no style from elsewhere, and small enough to attach."""
    assert all(link.startswith("#") for link in page.links)
    assert "url(" not in html
    assert "@import" not in html
    assert "http" not in html
    assert len(html.encode()) < 3_000_000


def test_report_has_the_same_bytes_each_time(inputs, html):
    """Nothing of the moment goes in."""
    assert build_report(**inputs) == html


def test_report_can_be_used_without_eyes_or_mouse(page):
    """Landmarks, a skip link, named pictures, captions, header cells, reachable wide tables."""
    assert page.all("html", lang="en")
    assert len(page.all("main")) == len(page.all("h1")) == len(page.all("nav")) == 1
    assert page.all("a", cls="skip")
    assert len(set(page.ids())) == len(page.ids())
    assert {link[1:] for link in page.links} <= set(page.ids())
    assert {section["aria-labelledby"] for section in page.all("section")} <= set(page.ids())
    for svg in page.all("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    assert len(page.all("table")) == len(page.all("caption"))
    assert all("scope" in cell for cell in page.all("th"))
    for region in page.all("div", cls="scroll"):
        assert region["tabindex"] == "0"
        assert region["aria-label"]


def test_report_shows_disagreements_with_both_probabilities_and_attention(page, inputs):
    """The champion's disputed rows are there with both models' outputs and the highlight."""
    (pair,) = (pair for pair in inputs["comparison"]["disagreements"] if pair["second"] == "bilstm")
    entry = pair["rows"][0]
    for output in entry["outputs"].values():
        assert f"{100 * max(output):.1f} %" in page.text
    assert f"Review {entry['row']}:" in page.text
    assert [span for span in page.all("span", cls="t") if span["title"] == "1.0000"]


def test_report_without_attention_evidence_or_reference(inputs):
    """What is not known has no section, and the question is not asked."""
    compared = comparison([result("bilstm", 1.0), result("bilstm_max", 2.0)], positions=False)
    shown = build_report(
        comparison=compared, card=card(compared), encoding=ENCODING, runs=[run("bilstm", 1)]
    )
    page = Page(shown)
    names = [section["aria-labelledby"] for section in page.all("section")]
    expected = ["results", "differences", "curves", "length", "calibration", "data", "reproduce"]
    assert names == expected
    assert "Does attention help?" not in page.text
    assert compared["headline"] in page.text
    assert "None" not in page.text


def test_report_of_a_single_model_with_one_seed(inputs):
    """No pair, no spread; still a page."""
    compared = comparison([result("bilstm_attention", 2.0, seeds=(1,))])
    shown = build_report(
        comparison=compared, card=card(compared), encoding=ENCODING, runs=[],
        faithfulness=believed(evidence=False),
    )  # fmt: skip
    page = Page(shown)
    assert "differences" not in [section["aria-labelledby"] for section in page.all("section")]
    assert "evidence, %" not in page.text
    assert "None" not in page.text


def test_report_of_many_classes(inputs):
    """Four classes have a table of their own."""
    classes = ("north", "east", "south", "west")
    results = [result("bilstm", 1.0, classes=4), result("bilstm_attention", 3.0, classes=4)]
    compared = comparison(results, task="multiclass", classes=classes)
    shown = build_report(comparison=compared, card=card(compared), encoding=ENCODING, runs=[])
    assert all(name in Page(shown).text for name in classes)
    assert "class by class" in Page(shown).text


def test_report_of_a_regression_on_series(inputs):
    """MSE instead of accuracy, no calibration, windows drawn instead of texts."""
    results = [result("last_value", 0.5, seeds=(), classes=0)]
    results += [result("bilstm", 1.0, classes=0), result("bilstm_attention", 4.0, classes=0)]
    compared = comparison(results, task="regression", classes=(), positions=False)
    rows = {entry["row"] for pair in compared["disagreements"] for entry in pair["rows"]}
    window = {"weights": [0.2, 0.8], "values": [[1.0], [2.0]]}
    drawn = {
        "kind": "series", "model": "bilstm_attention", "seed": 1, "classes": [],
        "features": ["load"], "has_weights": True,
        "samples": [{"row": row, **window} for row in sorted(rows)],
    }  # fmt: skip
    found = believed(evidence=False)
    found["models"]["bilstm_attention"]["words"] = None
    shown = build_report(
        comparison=compared,
        card=card(compared, kind="series", splits={"train": {"rows": 9, "sha256": "ab"}}),
        encoding={"features": ["load"], "time_steps": 24},
        runs=[run("bilstm_attention", 1, metric="val_mae")],
        samples=[drawn],
        faithfulness=found,
    )
    page = Page(shown)
    assert "Does attention help? Yes, on this data." in page.text
    assert "MSE" in page.text
    assert page.all("svg", cls="window")
    names = [section["aria-labelledby"] for section in page.all("section")]
    assert "calibration" not in names
    assert "length" not in names
    assert "None" not in page.text


def test_report_survives_a_diverged_fit(inputs):
    """A loss that is not a number is left out of the curve."""
    fit = run("bilstm", 1)
    fit.history[2]["val_loss"] = float("nan")
    assert "nan" not in build_report(**{**inputs, "runs": [fit]}).lower().replace("tenant", "")


def test_report_imports_no_tensorflow_and_no_mlflow():
    """Building it needs neither."""
    code = """import sys, pipeline.report.builder, pipeline.explanation.faithfulness
print(*(name in sys.modules for name in ("tensorflow", "mlflow")))"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


# ── charts ───────────────────────────────────────────────────────────────────────────────


def line(*points, **rest):
    """A line through the points."""
    return charts.Line("bilstm", points, **rest)


def test_chart_puts_data_inside_its_axes():
    """The lowest and highest points lie on the canvas, the higher one further up."""
    made = charts.chart("T", "x", "y", [line((0, 1.0), (10, 3.0))])
    assert made.x(0) == charts.LEFT
    assert made.x(10) == charts.WIDTH - charts.RIGHT
    assert charts.TOP <= made.y(3.0) < made.y(1.0) <= charts.HEIGHT - charts.BOTTOM
    assert made.path(0) == f"M{made.x(0)} {made.y(1.0)}L{made.x(10)} {made.y(3.0)}"


def test_chart_of_one_point_or_a_level_line_has_scales():
    """No division by nothing."""
    made = charts.chart("T", "x", "y", [line((1, 0.5))], whole_x=True)
    assert charts.LEFT < made.x(1) < charts.WIDTH - charts.RIGHT
    assert charts.TOP < made.y(0.5) < charts.HEIGHT - charts.BOTTOM


def test_chart_lists_its_numbers():
    """One row for each x, with intervals, and nothing where a line has no point."""
    lines = [
        line((0, 81.25), (1, 90.0), intervals=[(80.0, 82.5), (88.0, 92.0)]),
        line((1, -3.0)),
    ]
    made = charts.chart("T", "x", "y", lines, categories=["short", "long"])
    assert made.rows() == [
        ("short", ["81.2 (80 to 82.5)", ""]),
        ("long", ["90 (88 to 92)", "\N{MINUS SIGN}3"]),
    ]


def test_chart_sets_lines_with_intervals_side_by_side():
    """Two models' intervals in one category don't hide each other."""
    pair = [line((0, 1.0), intervals=[(0.5, 1.5)]) for _ in range(2)]
    made = charts.chart("T", "x", "y", pair, categories=["short"])
    assert made.path(0) != made.path(1)
