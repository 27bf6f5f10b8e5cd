"""The report of the demo corpus, from comparisons whose outcome is known."""

import pytest

from pipeline.report.builder import build_report
from tests.support.report_parts import (
    BASELINE,
    ENCODING,
    believed,
    card,
    comparison,
    result,
    run,
    samples,
)


@pytest.fixture(scope="package")
def inputs():
    """Everything that a report of the demo corpus has."""
    results = [
        result(BASELINE, 1.0, seeds=()),
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


@pytest.fixture(scope="package")
def html(inputs):
    """The demo corpus's report."""
    return build_report(**inputs)
