"""What a report is made of: comparisons whose outcome is known, samples, runs."""

import numpy as np

from pipeline.core.predictions import Predictions
from pipeline.evaluation.comparison import comparison_document
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.significance import Bootstrap
from pipeline.report.builder import Run

BASELINE = "tfidf_logistic_regression"
CLASSES = ("north", "east", "south", "west")
ROWS = 300


def result(name, skill, *, seeds=(1, 2, 3), classes=2):
    """A model that gives the right class a head start of `skill` in the logits."""
    runs = {}
    for split in ("validation", "test"):
        shared = np.random.default_rng(len(split))  # what all models have in common: the rows
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
        runs[split] = tuple(made)
    splits = (runs["validation"], runs["test"])
    return ModelResult(name, seeds, 1000, *splits, attention="attention" in name)


def comparison(results, *, task="binary", classes=("neg", "pos"), positions=True, dataset="demo"):
    """What `evaluate` would say of these models."""
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
    """A run of three epochs."""
    history = [{"epoch": n, "loss": 1 / n, "val_loss": 1 / n, metric: n / 4} for n in (1, 2, 3)]
    recipe = {"pooling": "additive" if "attention" in model else "last", "units": 64}
    about = {"model": model, "seed": seed, "recipe": recipe, "epochs": 3, "best_epoch": 2}
    return Run({**about, "threads": 2, "fingerprint": f"{model}{seed}"}, history)


def samples(compared, model, *, has_weights):
    """A samples document that holds every disputed row."""
    rows = {entry["row"] for pair in compared["disagreements"] for entry in pair["rows"]}
    weight, rest = (1.0, 0.0) if has_weights else (None, None)
    return {
        "kind": "text", "model": model, "seed": 1, "classes": compared["classes"],
        "has_weights": has_weights,
        "samples": [
            {
                "row": row, "text": f"Review {row}: <script>steal()</script> film", "tokens":
                [
                    {"start": 0, "end": 6, "weight": weight},
                    {"start": 7, "end": 7, "weight": rest},
                ], "evidence": [[0, 6]],
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
    run = {
        "rows": 40,
        "evenness": {
            "entropy": estimate(0.5),
            "effective": estimate(0.25),
            "heaviest": estimate(7.0),
            "change": estimate(0.4),
        },
        "deletion": {"shares": [0.1, 0.5], "comprehensiveness": measure, "sufficiency": measure},
        "evidence": {name: estimate(0.4) for name in ("mass", "expected", "precision")} | {"top": 5}
        if evidence
        else None,
    }
    found = {
        "level": "partly supported",
        "verdict": "The deletion says so.",
        "seeds": {"1": run, "2": run},
        "agreement": {
            "spearman": estimate(0.4),
            "divergence": estimate(0.3),
            "divergence_shuffled": estimate(0.7),
        },
        "words": {"neg": [{"word": "dreadful", "share": 9.0, "count": 4}], "pos": []},
    }
    return {
        "confidence": 0.95,
        "trust": {model: CARD},
        "models": {model: found},
        "candidates": {model: ranked_methods(evidence=evidence)},
        "limits": "It has limits.",
        "references": ["DeYoung et al. 2020"],
    }


CARD = {
    "average": {"level": "partly supported", "sentence": "In part: a control stands against them."},
    "single": {"level": "no", "sentence": "No: other weights would have done."},
    "best": "gradient norm",
    "figures": [
        {
            "name": "change with permuted weights",
            "value": 0.31,
            "meaning": "How far the prediction moves.",
            "against": {"equal weights": -0.02},
        },
        {"name": "a figure alone", "value": 1.0, "meaning": "Nothing is beside it.", "against": {}},
    ],
}


def ranked_methods(*, evidence=True):
    """What it might say of other methods and controls."""
    names = ("comprehensiveness", "sufficiency", *(["auprc"] if evidence else []))
    measures = {name: estimate(0.3) for name in names}
    return {
        "rows": 40,
        "seeds": [1, 2],
        "completeness_error": 0.05,
        "level": "partly supported",
        "sentences": ["Against controls, attention is clearly better than random steps."],
        "orders": [{"methods": ["attention", "gradient_norm"], "tau": -0.25}],
        "lime": {
            "rows": 20,
            "samples": 1000,
            "methods": {
                "lime": {"title": "LIME", **measures},
                "attention": {"title": "attention", **measures},
            },
            "orders": [{"methods": ["lime", "attention"], "tau": 0.125}],
        },
        "methods": {
            "attention": {
                "title": "attention", "control": False, "unbeaten": ["other_seed"], **measures,
                "details": {"soft_sufficiency": 0.123, "flip": 0.456},
                "randomized": {"output": 1.0, "encoder": -0.05},
            },
            "gradient_norm": {
                "title": "gradient norm", "control": False, "unbeaten": [], **measures,
                "details": {"soft_sufficiency": 0.234}, "randomized": {"output": 0.9},
            },
            "other_seed": {
                "title": "another seed’s attention", "control": True, **measures, "details": {},
            },
        },
    }  # fmt: skip


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
