"""A workspace as the stages leave it, made up in a moment: small files with true figures."""

from functools import cache

import numpy as np

from pipeline.core import params
from pipeline.core.files import write_bytes, write_json, write_text
from pipeline.core.predictions import TFIDF, Predictions, write_predictions
from pipeline.evaluation import comparison, metrics
from pipeline.evaluation.results import ModelResult
from pipeline.evaluation.significance import Bootstrap
from pipeline.workspace import Workspace
from tests.support.paths import PARAMS
from tests.support.report_parts import believed

CLASSES = ["neg", "pos"]
MODELS, SEEDS = ("bilstm", "bilstm_attention"), (1, 2)
ROWS = {"validation": 40, "test": 60}
ACCURACY = {"bilstm": 0.8, "bilstm_attention": 0.9, TFIDF: 0.75}


def settings(**changes):
    """The tests' own parameters, with two seeds and a quick bootstrap."""
    loaded = params.load_params(PARAMS)
    evaluate = loaded.evaluate.model_copy(update={"resamples": 100})
    return loaded.model_copy(
        update={"models": MODELS, "seeds": SEEDS, "evaluate": evaluate, **changes}
    )


def predictions(rows, accuracy, seed):
    """Probabilities of two classes that are right in that share of the rows."""
    rng = np.random.default_rng([rows, seed])
    targets = np.arange(rows) % 2
    right = np.arange(rows) < round(accuracy * rows)
    said = np.where(rng.permutation(right), targets, 1 - targets)
    sure = rng.uniform(0.6, 0.95, rows)
    second = np.where(said == 1, sure, 1 - sure)
    return Predictions(
        np.arange(rows), targets, np.stack([1 - second, second], axis=1).astype(np.float32)
    )


def write(root, configured, *, accuracy=None, code="1"):
    """Fill the workspace below `root`.

    Args:
        root: a folder.
        configured: what `settings` returned.
        accuracy: model → share of right predictions, where it isn't `ACCURACY`'s.
        code: stands for the code's version, of which every fingerprint is a function.
    """
    workspace = Workspace(root)
    shares = {**ACCURACY, **(accuracy or {})}
    write_data(workspace, configured.dataset)
    for model in configured.models:
        for seed in configured.seeds:
            write_model(workspace, configured, model, seed, shares[model], code=code)
    write_reference(workspace, shares[TFIDF])
    compared = tuple((model, shares[model]) for model in configured.models)
    measured, document = _documents(configured.dataset, configured.seeds, compared, shares[TFIDF])
    write_json(workspace.metrics, measured)
    write_json(workspace.comparison, document)
    write_text(workspace.report, "<!doctype html><title>report</title>")
    write_text(workspace.plots / "roc.csv", "x,y\n0,0\n1,1\n")
    write_json(workspace.explanations / "faithfulness.json", believed())
    write_text(workspace.explanations / "trust.md", "# Can the weights be trusted?\n")
    return workspace


def write_data(workspace, dataset):
    """The data's card, and DVC's record of its hash."""
    splits = {
        name: {"rows": rows, "sha256": f"{rows:064x}", "labels": {}}
        for name, rows in {"train": 100, "test": 60}.items()
    }
    card = {
        "dataset": dataset,
        "kind": "text",
        "task": "binary",
        "classes": CLASSES,
        "source": {"kind": "demo", "seed": 20},
        "revision": None,
        "splits": splits,
    }
    write_json(workspace.raw / "card.json", card)
    about = {key: card[key] for key in ("dataset", "kind", "task", "classes")}
    write_json(workspace.encoded / "encoding.json", {**about, "max_len": 40})
    write_text(
        workspace.lock,
        "schema: '2.0'\nstages:\n  download:\n    cmd: x\n    outs:\n    - path: data/raw\n"
        "      md5: 0123456789abcdef0123456789abcdef.dir\n",
    )


def write_model(workspace, configured, model, seed, accuracy, *, code="1"):
    """What `train` and `explain` leave of a model and seed."""
    folder = workspace.model(model, seed)
    folder.mkdir(parents=True, exist_ok=True)
    card = {
        "model": model,
        "seed": seed,
        "dataset": configured.dataset,
        "kind": "text",
        "task": "binary",
        "classes": CLASSES,
        "vocabulary_size": 30,
        "max_len": 40,
        "recipe": configured.recipe(model).model_dump(),
        "parameters": 1234,
        "best_epoch": 2,
        "epochs": 3,
        "threads": configured.threads,
        "configuration": f"{model} {code}",
        "fingerprint": fingerprint(model, seed, code),
    }
    write_json(folder / "model.json", card)
    write_text(folder / "history.csv", HISTORY)
    write_text(folder / "summary.txt", "a model\n")
    for split, rows in ROWS.items():
        path = folder / f"{split}.parquet"
        write_predictions(path, predictions(rows, accuracy, seed))
    costs = {
        "fingerprint": card["fingerprint"],
        "wall_seconds": 30.0,
        "peak_memory_mb": 900.0,
        "epoch_seconds": [10.0, 9.0, 9.0],
    }
    write_json(workspace.costs(model, seed), costs)
    page = workspace.explanations / f"{model}-{seed}"
    write_text(page / "attention.html", "<!doctype html><title>attention</title>")
    write_json(page / "samples.json", {"samples": []})
    write_bytes(workspace.plots / f"{model}-{seed}" / "roc.png", b"drawn")


def write_reference(workspace, accuracy):
    """What `reference` leaves."""
    folder = workspace.reference(TFIDF)
    write_json(workspace.references / "references.json", [TFIDF])
    card = {
        "model": TFIDF,
        "dataset": "demo",
        "C": 1.0,
        "ngrams": [1, 2],
        "features": 500,
        "task": "binary",
        "classes": CLASSES,
        "fingerprint": fingerprint(TFIDF, 0, "1"),
    }
    write_json(folder / "model.json", card)
    write_json(folder / "words.json", {"neg": [], "pos": []})
    for split, rows in ROWS.items():
        write_predictions(folder / f"{split}.parquet", predictions(rows, accuracy, 0))


def fingerprint(model, seed, code="1"):
    """A made-up identity, of the form of a real one."""
    return f"{model}-{seed}-{code}".encode().hex().ljust(64, "0")[:64]


HISTORY = """\
epoch,loss,val_loss,val_accuracy,learning_rate
1,0.68,0.6,0.7,0.001
2,0.5,0.45,0.8,0.001
3,0.4,0.47,0.79,0.001
"""


@cache  # a comparison takes seconds, the same one is asked for again and again
def _documents(dataset, seeds, models, reference):
    """`metrics.json` and `comparison.json` of what `write` writes."""
    results = [_model_name(TFIDF, reference, ())]
    results += [_model_name(model, accuracy, seeds) for model, accuracy in models]
    document = comparison.comparison_document(
        results,
        dataset=dataset,
        task="binary",
        classes=CLASSES,
        lengths=np.arange(ROWS["test"]) + 1,
        positions=None,
        length_bins=2,
        bootstrap=Bootstrap(confidence=0.95, resamples=100, seed=0),
    )
    return metrics.metrics_document(results, dataset=dataset, task="binary"), document


def _model_name(model, accuracy, seeds):
    validation, test = (
        tuple(predictions(rows, accuracy, seed) for seed in seeds or [0]) for rows in ROWS.values()
    )
    return ModelResult(model, seeds, 1234, validation, test, attention="attention" in model)
