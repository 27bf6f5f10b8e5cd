"""Models that were never trained: predictions drawn so that their accuracy is known."""

import numpy as np
import pandas as pd

from pipeline.core.predictions import Predictions
from pipeline.evaluation.comparison import comparison_document
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.significance import Bootstrap
from pipeline.evaluation.tables import plot_tables

QUICK = Bootstrap(confidence=0.95, resamples=300, seed=0)


def classified(targets, right, *, classes=2, seed=0):
    """Predictions that are right where told, with confidences above one half."""
    rng = np.random.default_rng(seed)
    targets = np.asarray(targets)
    labels = np.where(right, targets, (targets + 1) % classes)
    sure = rng.uniform(0.55, 0.98, len(targets))
    outputs = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    outputs[np.arange(len(targets)), labels] = sure
    return Predictions(np.arange(len(targets)) * 3, targets, outputs.astype(np.float32))


def result(name, accuracy, *, seeds=(1, 2, 3), rows=200, classes=2, seed_sd=0.0, parameters=10):
    """A model with that accuracy on validation and test, give or take chance."""
    rng = np.random.default_rng([len(name), *name.encode()])
    splits = {}
    for number, split in enumerate(("validation", "test")):
        targets = np.arange(rows) % classes
        splits[split] = tuple(
            classified(
                targets,
                rng.random(rows) < accuracy + rng.normal() * seed_sd,
                classes=classes,
                seed=number,
            )
            for _ in seeds or (None,)
        )
    return ModelResult(name, tuple(seeds), parameters, splits["validation"], splits["test"])


def regressor(name, error, *, seeds=(1, 2, 3), rows=200):
    """A model of a number, with errors of that standard deviation."""
    rng = np.random.default_rng([len(name), *name.encode()])
    targets = np.sin(np.arange(rows) / 9).astype(np.float32)
    splits = [
        tuple(
            Predictions(
                np.arange(rows), targets, (targets + error * rng.normal(size=rows)).astype("f4")
            )
            for _ in seeds or (None,)
        )
        for _ in ("validation", "test")
    ]
    return ModelResult(name, tuple(seeds), 10, *splits)


def histories(results, score="val_accuracy"):
    """A history of three epochs of every run."""
    return {
        (one.name, seed): pd.DataFrame(
            {
                "epoch": [1, 2, 3],
                "loss": [0.6, 0.4, 0.2 + seed / 100],
                "val_loss": [0.6, 0.5, 0.5],
                score: [0.6, 0.7, 0.8],
                "learning_rate": 0.001,
            }
        )
        for one in results
        for seed in one.seeds
    }


def tables(results, task="binary", classes=("neg", "pos")):
    """The comparison of models, and its tables."""
    rows = len(results[0].test[0])
    comparison = comparison_document(
        results,
        dataset="demo",
        task=task,
        classes=classes,
        lengths=np.arange(rows) + 1,
        positions=np.linspace(0, 1, rows),
        length_bins=4,
        bootstrap=QUICK,
    )
    score = "val_mae" if task == "regression" else "val_accuracy"
    made = plot_tables(results, histories(results, score), comparison, task=task, classes=classes)
    return comparison, made
