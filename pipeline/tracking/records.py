"""The stages' files → what each MLflow run should hold. Nothing here knows MLflow."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.core.files import SEAL, read_json, read_text
from pipeline.core.predictions import SPLITS, Task, read_predictions
from pipeline.core.sequences import NETWORK_INPUTS
from pipeline.evaluation.results import DIGITS, aggregate, read_baseline_names
from pipeline.evaluation.wording import compact
from pipeline.explanation import trust
from pipeline.tracking.provenance import changes, dvc_experiment, origin
from pipeline.workspace import Workspace

_LONGEST = 1000  # characters of a parameter, such as the names of many features
_MEASURED = SPLITS[1:]  # validation and test, which models are measured on
# MLflow groups charts by what is before the slash, in alphabetical order: epoch/, test/, test_sd/,
# usage/, validation/, validation_sd/, and last versus/, versus_low/, … of the comparison alone

Kind = Literal["run", "model", "reference", "comparison", "search", "trial"]


@dataclass(frozen=True)
class Servable:
    """A trained model to pack for serving, and the temperature that calibrates it."""

    folder: Path
    encoded: Path
    temperature: float | None


@dataclass(frozen=True)
class Record:
    """What one MLflow run should hold.

    Attributes:
        name: a short name, unique within a workspace.
        kind: a model with one seed ("run"), all its seeds ("model"), a baseline ("reference"), the
            comparison, a recipe search, or one of its trials.
        fingerprint: its identity, unique within an experiment.
        params: flat.
        tags: set when the run is created, and left alone afterwards.
        metrics: final values, updated when they change.
        history: step (an epoch, from 1) → metrics.
        note: Markdown, shown on the run's page.
        files: artifact path → file.
        parent: fingerprint of its parent run.
        started: milliseconds since 1970.
        ended: likewise.
        servable: the model in it.
        title: the run's name in the UI, which it gets when it is created; empty: `name`.
        shown: those of its metrics that the table of all runs shows.
        changes: uncommitted changes, as a diff; recorded when the run is created.
    """

    name: str
    kind: Kind
    fingerprint: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    note: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)
    parent: str | None = None
    started: int = 0
    ended: int = 0
    servable: Servable | None = None
    title: str = ""
    shown: Sequence[str] = ()
    changes: bytes = b""


def titled(dataset: str, *parts: str) -> str:
    """A run's name in the UI: the DVC experiment that made it, else the dataset, then `parts`."""
    return " · ".join([dvc_experiment() or dataset, *parts])


# ── one model and seed ──────────────────────────────────────────────────────────────────


def head(workspace: Workspace, card: Mapping[str, Any]) -> Record:
    """A model's run before training: `card` holds what its `model.json` will."""
    name = f"{_model_name(card)}-{card['seed']}"
    return Record(
        name=name,
        kind="run",
        fingerprint=card["fingerprint"],
        params={"model": card["model"], "seed": str(card["seed"]), **_settings(card)},
        tags={
            "kind": "run",
            "model": card["model"],
            "seed": str(card["seed"]),
            "threads": str(card["threads"]),
            **origin(workspace.root, stage=f"train@{name}"),
        },
        title=titled(card["dataset"], _model_name(card), f"seed {card['seed']}"),
        changes=changes(workspace.root),
    )


def trained(
    workspace: Workspace, card: Mapping[str, Any], comparison: Mapping[str, Any] | None
) -> Record:
    """The run of a model that was trained with one seed, from its folder."""
    model, seed = _model_name(card), card["seed"]
    folder = workspace.model(model, seed)
    history = _history(read_text(folder / "history.csv"))
    costs = _costs(workspace.costs(model, seed), card["fingerprint"])
    ended = milliseconds(folder / "model.json")
    metrics = {**measured(folder, card["task"]), "best_epoch": float(card["best_epoch"]), **costs}
    if "held_out_perplexity" in card:
        metrics["language_model/held_out_perplexity"] = card["held_out_perplexity"]
    pages = workspace.explanations / f"{model}-{seed}"
    known = head(workspace, card)
    return replace(
        known,
        params={**known.params, "parameters": str(card["parameters"])},
        metrics=metrics,
        history=history,
        note=f"`{model}`, seed {seed}. Its attention page, samples, plots and predictions are "
        "under *Artifacts*, at the same path in every run.",
        # Files to compare are at the top: MLflow's Compare lists no folders.
        files={
            **named("", [folder / name for name in ("history.csv", "summary.txt", "model.json")]),
            **named("", sorted(pages.glob("*"))),
            **named("", sorted((workspace.plots / f"{model}-{seed}").glob("*"))),
            **named("predictions", sorted(folder.glob("*.parquet"))),
        },
        started=ended - int(1000 * costs.get("usage/wall_seconds", 0.0)),
        ended=ended,
        servable=Servable(folder, workspace.encoded, _temperature(comparison, model, seed)),
    )


def _model_name(card: Mapping[str, Any]) -> str:
    """The name that its seeds share: the model, after the length in the length study."""
    return "-".join(card[key] for key in ("length", "model") if key in card)


def _settings(card: Mapping[str, Any]) -> dict[str, str]:
    """The configuration without the seed, flat."""
    sizes = {key: card[key] for key in (*NETWORK_INPUTS, "unlabeled_rows") if key in card}
    return {key: _text(value) for key, value in {**card["recipe"], **sizes}.items()}


def _text(value: object) -> str:
    text = str(value) if isinstance(value, str | int | float) else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def of_epoch(values: Mapping[str, float]) -> dict[str, float]:
    """An epoch's metrics, by their names in MLflow."""
    return {f"epoch/{key}": float(value) for key, value in values.items()}


def _history(text: str) -> dict[int, dict[str, float]]:
    rows = [{key: float(value) for key, value in row.items() if value} for row in _csv(text)]
    return {int(row.pop("epoch")): of_epoch(row) for row in rows}


def _csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _costs(path: Path, fingerprint: str) -> dict[str, float]:
    """Time and memory of the run, if this machine trained it."""
    if not path.exists():
        return {}
    costs = read_json(path)
    if costs["fingerprint"] != fingerprint:
        return {}
    found = {
        "usage/wall_seconds": costs["wall_seconds"],
        "usage/peak_memory_mb": costs["peak_memory_mb"],
    }
    if seconds := costs["epoch_seconds"]:
        found["usage/epoch_seconds"] = sum(seconds) / len(seconds)
    return found


def measured(folder: Path, task: Task) -> dict[str, float]:
    """Every metric of every split that was predicted, as `test/accuracy`."""
    from pipeline.evaluation.metrics import measure  # scikit-learn: a run that begins needs none

    return {
        f"{path.stem}/{name}": round(value, DIGITS)
        for path in sorted(folder.glob("*.parquet"))
        for name, value in measure(read_predictions(path), task).items()
        if value is not None
    }


def _temperature(comparison: Mapping[str, Any] | None, model: str, seed: int) -> float | None:
    """The temperature that `evaluate` fitted on validation for this run."""
    calibrations = (comparison or {}).get("calibration") or {}
    found = calibrations.get(model, {}).get("per_seed", [])
    return next((float(each["temperature"]) for each in found if each["seed"] == seed), None)


# ── all seeds of a model ────────────────────────────────────────────────────────────────


def model(runs: Sequence[Record], card: Mapping[str, Any], seeds: Sequence[int]) -> Record:
    """The parent of a model's runs: the mean and standard deviation of each metric.

    Another set of seeds is another run, so a trial with fewer seeds never overwrites this one.

    Args:
        runs: those of the trained seeds.
        card: the `model.json` of one of them.
        seeds: all that are wanted.
    """
    first = runs[0]
    trained_with = ", ".join(run.params["seed"] for run in runs)
    shared = {key: value for key, value in first.params.items() if key != "seed"}
    return Record(
        name=_model_name(card),
        kind="model",
        fingerprint=hashed("model", card["configuration"], *map(str, sorted(seeds))),
        params=shared,
        tags={
            **{key: value for key, value in first.tags.items() if key != "seed"},
            "kind": "model",
            "dvc.stage": "train",
            "mlflow.source.name": "train",
        },
        metrics=_spread([run.metrics for run in runs]),
        note=f"`{_model_name(card)}`, mean over the seeds {trained_with}. Standard deviations are "
        "under `test_sd` and `validation_sd`.",
        started=min(run.started for run in runs),
        ended=max(run.ended for run in runs),
        title=titled(card["dataset"], _model_name(card), f"seeds {compact(seeds)}"),
    )


def _spread(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """`test/accuracy` → mean, `test_sd/accuracy` → standard deviation, of what all runs have."""
    found: dict[str, float | None] = {}
    for name in runs[0]:
        if all(name in run for run in runs):
            spread = aggregate([run[name] for run in runs])
            found[name] = spread["mean"]
            split, _, measured = name.partition("/")
            if split.startswith(_MEASURED):
                found[f"{split}_sd/{measured}"] = spread["sd"]
    return {name: round(value, DIGITS) for name, value in found.items() if value is not None}


# ── the baselines and the comparison ────────────────────────────────────────────────────


def reference(workspace: Workspace, name: str) -> Record:
    """The run of a baseline."""
    folder = workspace.reference(name)
    card = read_json(folder / "model.json")
    ended = milliseconds(folder / "model.json")
    described = {"model", "task", "classes", "fingerprint"}
    return Record(
        name=name,
        kind="reference",
        fingerprint=card["fingerprint"],
        params={
            "model": name,
            **{key: _text(value) for key, value in card.items() if key not in described},
        },
        tags={
            "kind": "reference",
            "model": name,
            **origin(workspace.root, stage="reference"),
        },
        metrics=measured(folder, card["task"]),
        note="A baseline: no network.",
        files={
            **named("", sorted(folder.glob("*.json"))),
            **named("", sorted((workspace.plots / name).glob("*"))),
            **named("predictions", sorted(folder.glob("*.parquet"))),
        },
        started=ended,
        ended=ended,
        title=titled(card["dataset"], name),
    )


def comparison(
    workspace: Workspace, document: Mapping[str, Any], compared: Sequence[Record]
) -> Record:
    """The run that compares all models of `results/comparison.json`."""
    files = [workspace.comparison, workspace.metrics, workspace.report]
    found = [workspace.explanations / name for name in ("faithfulness.json", "trust.md")]
    plots = [*workspace.plots.glob("*"), *(workspace.plots / "images").glob("*")]
    ended = milliseconds(workspace.comparison)
    return Record(
        name="comparison",
        kind="comparison",
        fingerprint=hashed(
            "comparison",
            json.dumps(document["method"], sort_keys=True),
            *sorted(run.fingerprint for run in compared),
        ),
        params={
            "models": ", ".join(document["models"]),
            **{f"method/{key}": _text(value) for key, value in document["method"].items()},
        },
        tags={"kind": "comparison", **origin(workspace.root, stage="evaluate")},
        metrics={**_compared(document), **trust.metrics(trust_cards(workspace))},
        note="\n\n".join([document["headline"], *(pair["sentence"] for pair in document["pairs"])]),
        files={
            **named("", [path for path in files if path.exists()]),
            **named("explanations", [path for path in found if path.exists()]),
            **named(
                "plots",
                sorted(p for p in plots if p.is_file() and p.stat().st_size and p.name != SEAL),
            ),
        },
        started=ended,
        ended=ended,
        title=titled(document["dataset"], "comparison"),
        shown=_telling(document),
    )


def trust_cards(workspace: Workspace) -> dict[str, Any]:
    """Each model's trust card, where the weights were tested."""
    path = workspace.explanations / "faithfulness.json"
    return trust.cards(read_json(path)) if path.exists() else {}


_FIGURES = {
    "versus": "difference",
    "versus_low": "low",
    "versus_high": "high",
    "versus_p": "p_value_holm",
}


def _compared(document: Mapping[str, Any]) -> dict[str, float]:
    """Scores on test of each model and its ensemble; each pair's difference, interval and p."""
    metric = document["metric"]
    found = {
        f"versus_{metric}/{name}": model["test"][metric]["mean"]
        for name, model in document["models"].items()
    } | {
        f"versus_ensemble_{metric}/{name}": model["ensemble"]["test"][metric]["mean"]
        for name, model in document["models"].items()
        if model["ensemble"]
    }
    for pair in document["pairs"]:
        found |= {f"{of}/{_versus(pair)}": pair[key] for of, key in _FIGURES.items()}
    return {name: value for name, value in found.items() if value is not None}


def _telling(document: Mapping[str, Any]) -> list[str]:
    """The metrics of the pair that tells whether attention helps."""
    found = document.get("attention") or {}
    names = {found.get("model"), found.get("rival")}
    return [
        name
        for pair in document["pairs"]
        if {pair["first"], pair["second"]} == names
        for name in (
            *(f"versus_{document['metric']}/{pair[side]}" for side in ("first", "second")),
            *(f"{of}/{_versus(pair)}" for of in _FIGURES),
        )
    ]


def _versus(pair: Mapping[str, Any]) -> str:
    return f"{pair['first']} - {pair['second']}"


# ── all of it ───────────────────────────────────────────────────────────────────────────


def collect(workspace: Workspace, runs: Sequence[tuple[str, int]]) -> list[Record]:
    """A record for every run in the workspace's files, parents before their children.

    What has not been made yet is left out, for a later call.

    Raises:
        ArtifactError: a file is damaged.
    """
    document = read_json(workspace.comparison) if workspace.comparison.exists() else None
    records = models(workspace, runs, document)
    if (workspace.references / "references.json").exists():
        records += [reference(workspace, name) for name in read_baseline_names(workspace)]
    if document is not None:
        names = {record.name: record for record in records}
        wanted = [
            f"{name}-{seed}" if seed is not None else name
            for name, described in document["models"].items()
            for seed in described["seeds"] or [None]
        ]
        if all(name in names for name in wanted):
            records.append(comparison(workspace, document, [names[name] for name in wanted]))
    return records


def models(
    workspace: Workspace,
    runs: Sequence[tuple[str, int]],
    document: Mapping[str, Any] | None = None,
) -> list[Record]:
    """Every trained model, each followed by its runs with one seed."""
    # By configuration: after an interruption, some seeds may still have an older one.
    children: dict[str, list[Record]] = {}
    cards: dict[str, Any] = {}
    for name, seed in runs:
        path = workspace.model(name, seed) / "model.json"
        if path.exists():
            card = read_json(path)
            cards[card["configuration"]] = card
            run = trained(workspace, card, document)
            children.setdefault(card["configuration"], []).append(run)
    records: list[Record] = []
    for configuration, siblings in children.items():
        card = cards[configuration]
        seeds = [seed for name, seed in runs if name == _model_name(card)]
        parent = model(siblings, card, seeds)
        records += [parent, *(replace(run, parent=parent.fingerprint) for run in siblings)]
    return records


def named(folder: str, paths: Sequence[Path]) -> dict[str, Path]:
    """Artifact path → file."""
    return {f"{folder}/{path.name}" if folder else path.name: path for path in paths}


def milliseconds(path: Path) -> int:
    """When a file was written, in milliseconds since 1970."""
    return path.stat().st_mtime_ns // 1_000_000


def hashed(*parts: str) -> str:
    """A fingerprint of texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
