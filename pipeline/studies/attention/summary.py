"""What a variant's weights are like, and how far they can be trusted."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from pipeline.core.files import read_json
from pipeline.workspace import Workspace

Document = dict[str, Any]


def summarize(own: Workspace) -> Document:
    """The content of `results/DATASET.json`, from the project's own results."""
    comparison = read_json(own.comparison)
    tests = read_json(own.explanations / "faithfulness.json")
    about = read_json(own.encoded / "encoding.json")
    first, *_ = tests["models"]
    return {
        "dataset": comparison["dataset"],
        "rows": {name: split["rows"] for name, split in about["splits"].items()},
        "compared_rows": tests["candidates"][first]["rows"],
        "seeds": comparison["models"][first]["seeds"],
        "variants": {
            name: {
                **_accuracy(comparison, name, first),
                **_weights(tests["models"][name]),
                **_measures(tests["candidates"][name]["methods"]),
                "best": tests["trust"][name]["best"],
                "average": tests["trust"][name]["average"]["level"],
                "single": tests["trust"][name]["single"]["level"],
            }
            for name in tests["models"]
        },
    }


def _accuracy(comparison: Mapping[str, Any], name: str, first: str) -> Document:
    model = comparison["models"][name]
    found: Document = {
        "validation_log_loss": model["validation"]["log_loss"],
        "accuracy": model["test"]["accuracy"],
    }
    for pair in comparison["pairs"]:
        if {pair["first"], pair["second"]} == {name, first}:
            sign = 1 if pair["first"] == name else -1
            low, high = sorted(sign * pair[end] for end in ("low", "high"))
            found["difference"] = {
                "mean": sign * pair["difference"],
                "low": low,
                "high": high,
                "p_value_holm": pair["p_value_holm"],
            }
    return found


def _weights(model: Mapping[str, Any]) -> Document:
    runs, others = list(model["seeds"].values()), list(model["others"].values())
    agreed = model["agreement"] or {}
    return {
        "entropy": _mean([run["evenness"]["entropy"] for run in runs]),
        "conicity": _mean([other["conicity"] for other in others]),
        "permuted": _mean([other["permuted"] for other in others]),
        "most_different": _mean([other["most_different"] for other in others]),
        "agreement": agreed["spearman"]["mean"] if agreed.get("spearman") else None,
        "divergence": agreed["divergence"]["mean"] if agreed else None,
    }


def _mean(runs: Sequence[Mapping[str, float]]) -> float:
    return round(fmean(run["mean"] for run in runs), 6)


def _measures(methods: Mapping[str, Any]) -> Document:
    attention = methods["attention"]
    return {
        **{
            of: attention[of]
            for of in ("comprehensiveness", "sufficiency", "auprc")
            if of in attention
        },
        "unbeaten": attention["unbeaten"],
    }
