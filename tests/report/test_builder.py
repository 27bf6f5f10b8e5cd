"""The report, built from comparisons whose outcome is known."""

import re
from itertools import pairwise

import pytest

from pipeline.report.builder import build_report
from tests.support.html_page import Page
from tests.support.report_parts import (
    BASELINE,
    CLASSES,
    ENCODING,
    believed,
    card,
    comparison,
    result,
    run,
)


@pytest.fixture(scope="module")
def page(html):
    """The same, parsed."""
    return Page(html)


@pytest.fixture(scope="module")
def many_classes():
    """The report of a task with four classes."""
    results = [result("bilstm", 1.0, classes=4), result("bilstm_attention", 3.0, classes=4)]
    compared = comparison(results, task="multiclass", classes=CLASSES)
    return build_report(comparison=compared, card=card(compared), encoding=ENCODING, runs=[])


def test_report_answers_first(page):
    """What to use, whether attention helps, and how certain that is, before everything else."""
    top = page.text[: page.text.index("Mean ± standard deviation")]
    assert "Use bilstm_attention It is better than TF-IDF with logistic regression by" in top
    assert "Does attention help? Yes, on this data." in top
    assert "bilstm_attention is better than bilstm: +" in top
    assert "after Holm’s correction for 3 pairs" in top
    assert "be trusted? As a pointer to what matters on average: In part: " in top
    assert "As the reason for one prediction: " in top
    assert "The deletion says so." not in top


def test_a_number_and_its_percent_sign_stay_on_one_line(html):
    """In the sentences at the top."""
    assert "(95\N{NO-BREAK SPACE}% interval" in html.split("<nav")[0]
    assert "(95 % interval" not in html


@pytest.mark.parametrize(
    ("skills", "seeds", "answer"),
    [
        ({"bilstm": 4.0, "bilstm_attention": 1.0}, (1, 2, 3), "No: on this data it is worse."),
        ({"bilstm_attention": 1.0, "bilstm": 4.0}, (1, 2, 3), "No: on this data it is worse."),
        ({"bilstm_attention": 4.0, "bilstm": 1.0}, (1, 2, 3), "Yes, on this data."),
        ({"bilstm": 1.0, "bilstm_attention": 1.0}, (1, 2, 3), "Undecided on this data."),
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
    top = Page(shown).text.split("How certain")[0]
    assert "bilstm_attention is better than bilstm_max" in top
    assert "On test, bilstm_attention is better than bilstm." in Page(shown).text


def test_report_says_to_use_a_baseline_that_beats_every_network(inputs):
    """In the headline and by the mark in the table."""
    results = [result(BASELINE, 4.0, seeds=()), result("bilstm", 1.0)]
    results.append(result("bilstm_attention", 1.0))
    compared = comparison(results)
    page = Page(build_report(**{**inputs, "comparison": compared}))
    assert "Use TF-IDF with logistic regression It is better than every network here;" in page.text
    assert f"{BASELINE} ✓" in page.text
    assert f"the best network on validation is {compared['champion']['model']}" in page.text


def test_report_shows_every_model_with_mean_and_spread(page, inputs):
    """The table's numbers are the comparison's."""
    accuracy = inputs["comparison"]["models"]["bilstm_attention"]["test"]["accuracy"]
    assert f"{100 * accuracy['mean']:.1f} ± {100 * accuracy['sd']:.1f}" in page.text
    baseline = inputs["comparison"]["models"][BASELINE]["test"]["roc_auc"]
    assert f"{baseline['mean']:.3f}" in page.text


def test_report_has_every_part(page):
    """A full comparison fills every section, and the contents list them."""
    sections = [section["aria-labelledby"] for section in page.all("section")]
    assert sections == [
        "results", "differences", "curves", "length", "position", "calibration", "attention",
        "methods", "words", "disputes", "data", "reproduce",
    ]  # fmt: skip
    why, *contents = [link["href"] for link in page.all("a")][1:]
    assert why == "#attention"
    assert contents == [f"#{name}" for name in sections]
    assert len(page.all("svg", cls="chart")) == 4 + 2 + 2 + 2 + 2
    assert len(page.all("line", cls="diagonal")) == 1 + 2  # of the ROC, and of calibration


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


def test_every_table_can_be_read_on_a_phone(html, many_classes):
    """It scrolls in its wrapper, or becomes a card per row, where each cell names its column."""
    for shown in (html, many_classes):
        elements = Page(shown).elements
        wrappers = [before for before, (tag, _) in pairwise(elements) if tag == "table"]
        assert wrappers
        for tag, attributes in wrappers:
            assert (tag, attributes.get("class"), attributes["tabindex"]) == ("div", "scroll", "0")
            assert attributes["aria-label"]
        for cards in re.findall(r'<table class="[^"]*cards.*?</table>', shown, re.DOTALL):
            body = cards.partition("<tbody>")[2]
            assert body.count("<td") == body.count('data-label="')


def test_report_shows_disagreements_with_both_probabilities_and_attention(page, inputs):
    """The champion's disputed rows are there with both models' outputs and the highlight."""
    (pair,) = (pair for pair in inputs["comparison"]["disagreements"] if pair["second"] == "bilstm")
    entry = pair["rows"][0]
    for output in entry["outputs"].values():
        assert f"{100 * max(output):.1f} %" in page.text
    assert f"Review {entry['row']}:" in page.text
    assert [span for span in page.all("span", cls="t") if span["title"] == "1.0000"]


def test_report_compares_attention_with_other_methods_and_controls(page, inputs):
    """A method's row says which controls it doesn't beat; without evidence it has no AUPRC."""
    assert "not than another seed’s attention" in page.text
    assert "evidence, AUPRC ↑" in page.text
    assert "Integrated gradients miss 5 % (bilstm_attention)" in page.text
    less = build_report(**inputs | {"faithfulness": believed(evidence=False)})
    assert "AUPRC" not in Page(less).text


def test_report_has_the_trust_card_first(page):
    """Both verdicts, the most faithful method, and each figure with what is beside it."""
    for said in (
        "As a pointer to what matters on averageIn part: a control stands against them.",
        "As the reason for one predictionNo: other weights would have done.",
        "Most faithful methodgradient norm",
        "change with permuted weights0.31equal weights −0.02How far the prediction moves.",
        "a figure alone1.00–Nothing is beside it.",
    ):
        assert said in page.text


def test_report_folds_away_the_measures_that_decide_nothing(page):
    """Those that some candidate has; a dash where one has none."""
    for said in (
        "methodsufficiency, softshare of the weights to flip the classρ left, output",
        "attention0.1230.4561.000−0.050",
        "gradient norm0.234–0.900–",
        "another seed’s attention––––",
        "Kendall’s τ of attention with gradient norm: −0.250.",
    ):
        assert said in page.text
    assert "token F1" not in page.text


def test_report_shows_lime_on_its_own_rows(page):
    """A line in the table of methods, and folded away the methods on the same rows."""
    for said in (
        "LIME, 20 texts alone0.300 0.290 to 0.310",
        "LIME beside the methods on the same 20 texts",
        "left out by chance, 1,000 times",
        "Kendall’s τ of LIME with attention: 0.125.",
    ):
        assert said in page.text


def test_report_shows_results_that_were_kept_before_methods_were_compared(inputs):
    """Their `faithfulness.json` has no `candidates`."""
    earlier = believed()
    del earlier["candidates"], earlier["trust"]
    shown = Page(build_report(**inputs | {"faithfulness": earlier}))
    assert "methods" not in [section["aria-labelledby"] for section in shown.all("section")]
    assert "Can the weights be trusted?" in shown.text


def test_report_shows_results_that_were_kept_before_there_were_details(inputs):
    """Nothing is folded away there."""
    earlier = believed()
    for compared in earlier["candidates"].values():
        del compared["orders"], compared["lime"]
        for method in compared["methods"].values():
            del method["details"]
            method.pop("randomized", None)
    assert "More measures" not in build_report(**inputs | {"faithfulness": earlier})


def test_report_without_attention_evidence_or_baseline(inputs):
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
    assert compared["others"] in page.text
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


def test_report_of_many_classes(many_classes):
    """Four classes have a table of their own."""
    text = Page(many_classes).text
    assert all(name in text for name in CLASSES)
    assert "class by class" in text


def test_report_of_a_regression_on_series(inputs):
    """MSE instead of accuracy, no calibration, windows drawn instead of texts."""
    results = [result("last_value", 0.5, seeds=(), classes=0)]
    results += [result("bilstm", 1.0, classes=0), result("bilstm_attention", 4.0, classes=0)]
    compared = comparison(results, task="regression", classes=(), positions=False)
    rows = {entry["row"] for pair in compared["disagreements"] for entry in pair["rows"]}
    window = {"weights": [0.2, 0.8], "values": [[1.0], [2.0]]}
    drawn = {
        "kind": "series", "model": "bilstm_attention", "seed": 1, "classes": [],
        "features": ["load"], "features_in_all": 1, "has_weights": True,
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


def test_report_survives_a_diverged_run(inputs):
    """A loss that is not a number is left out of the curve."""
    diverged = run("bilstm", 1)
    diverged.history[2]["val_loss"] = float("nan")
    assert "nan" not in build_report(**{**inputs, "runs": [diverged]}).lower().replace("tenant", "")
