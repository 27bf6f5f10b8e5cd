"""Every case's trainings, on data that cases share wherever they are the same."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from pipeline import fingerprint, machine
from pipeline.core import params, schema
from pipeline.core.files import column_names, new_folder, read_json, read_table
from pipeline.core.predictions import SPLITS, Task, read_predictions
from pipeline.data import card, sources
from pipeline.data.checks import check_corpus
from pipeline.errors import ParamsError
from pipeline.evaluation.results import read_baseline_names, scores
from pipeline.stages import encode, pretrain, reference
from pipeline.studies.kept import BASELINES, Cell, Kept, Made, Row, kept_path
from pipeline.studies.parameters import own_files
from pipeline.studies.parts.log_counts import WithLogCounts
from pipeline.studies.parts.settings import Case, Study, load_study
from pipeline.studies.training import train_once
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace

Document = dict[str, Any]
_PRETRAINED = {"vectors", "language_model"}  # keys of `encode` that encoding doesn't read


def study_cells(
    workspace: Workspace, part: Workspace, paths: Mapping[str, str], *, anew: bool = False
) -> dict[str, Cell]:
    """Every cell: the linear baselines, then CASE/MODEL-SEED, in the order of the study.

    Args:
        workspace: the project's files.
        part: the study's.
        paths: dataset → a local copy.
        anew: whether cells that other code made are made again.

    Raises:
        ParamsError: params.yaml has no such dataset, or a key or value is not allowed.
    """
    study = load_study(part.params)
    document: Any = schema.read_yaml(workspace.params)
    entries = {
        name: params.parse_params({**document, "dataset": name}).entry
        for name in (*paths, study.dataset)
    }
    if not isinstance(entries[study.dataset], params.TextEntry):
        raise ParamsError(
            f"studies/parts/params.yaml names '{study.dataset}', a dataset of numbers.",
            fix="set `dataset` to one of texts.",
        )
    code = fingerprint.configuration(__name__, [], workspace.libraries, [])
    path = paths.get(study.dataset)
    files = own_files(workspace, entries[study.dataset].source.model_dump(), path)

    def kept(case: str, name: str, values: list[Any]) -> Kept:
        parameters = fingerprint.digest([], [*values, *files])
        return Kept(kept_path(part, case, name), parameters=parameters, code=code, anew=anew)

    cells: dict[str, Cell] = {}
    for name, case in study.cases.items():
        own_params = case_params(document, study, case)
        settings = params.parse_params(own_params)
        data = Data(workspace, part, own_params, path, files)
        # Not what has its default: with another option, those that are finished stay valid.
        read = settings.entry.model_dump(exclude={"training"}, exclude_defaults=True)
        if not cells:
            cells[f"{name}/{BASELINES}"] = Cell(
                kept(name, BASELINES, [read, settings.class_weight]), data.encode, data.baselines
            )
        log_counts = study.log_counts(case)
        for model, seed in settings.runs:
            recipe = settings.recipe(model)
            if log_counts and (recipe.adversarial or recipe.reads_unlabeled):
                raise ParamsError(
                    f"studies/parts/params.yaml: `{name}` has `log_counts`, which go with neither "
                    "adversarial training nor a loss of unlabeled texts.",
                    fix="leave one of the parts out.",
                )
            run = f"{model}-{seed}"
            values = [read, recipe.model_dump(exclude_defaults=True)]
            training = Training(data, settings, name, model, seed, log_counts)
            cells[f"{name}/{run}"] = Cell(
                kept(name, run, [*values, "log_counts"] if log_counts else values),
                data.prepare,
                training,
            )
    return cells


def case_params(document: Mapping[str, Any], study: Study, case: Case) -> Document:
    """The `params.yaml` of a case: the project's, with the case's changes."""
    entry = document["datasets"][study.dataset]
    for change in study.changes(case):
        entry = _merged(entry, change.model_dump(include={"encode", "training"}))
    return {
        **document,
        "dataset": study.dataset,
        "datasets": {study.dataset: entry},
        "models": list(case.models),
        "seeds": list(case.seeds),
        "threads": study.threads,
    }


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    """The values with the changes; mappings are merged key by key."""
    return {
        **values,
        **{
            key: _merged(values[key], change)
            if isinstance(change, Mapping) and isinstance(values.get(key), Mapping)
            else change
            for key, change in changes.items()
        },
    }


class Data:
    """A case's data: three folders, each shared by all cases that have the same one."""

    def __init__(
        self,
        workspace: Workspace,
        part: Workspace,
        own_params: Document,
        path: str | None,
        files: list[dict[str, str]],
    ) -> None:
        """Name the folders.

        Args:
            workspace: the project's files.
            part: the study's.
            own_params: the case's `params.yaml`.
            path: a local copy of the dataset.
            files: see `own_files`.
        """
        self._workspace = workspace
        self._params = own_params
        self._path = path
        entry = params.parse_params(own_params).entry
        learned = entry.encode.model_dump()
        made_by = {
            "download": [entry.source.model_dump(), path, *files],
            "encode": {key: learned[key] for key in learned.keys() - _PRETRAINED},
            "pretrain": [learned, own_params["threads"]],
        }
        marks: list[str] = []
        for stage, values in made_by.items():
            read = [*marks, values]
            module = f"pipeline.stages.{stage}"
            marks.append(fingerprint.configuration(module, [], workspace.libraries, read))
        self._texts, self._encoded, self.learned = (
            Workspace(part.scratch / f"{name}-{mark[:8]}")
            for name, mark in zip(("texts", "encoded", "vectors"), marks, strict=True)
        )

    def bring(self) -> None:
        """Bring the texts in, unless they are there."""
        if self._texts.raw.exists():
            return
        self._begin(self._texts)
        source: Any = params.load_params(self._texts.params).entry.source
        with tempfile.TemporaryDirectory(dir=self._texts.root) as cache:
            corpus = sources.load_corpus(
                self._params["dataset"], source, home=self._workspace.home, cache=Path(cache)
            )
            findings = check_corpus(corpus)
            with new_folder(self._texts.raw) as folder:
                card.write_raw(folder, findings.tables, findings.card())

    def encode(self) -> None:
        """Bring the texts in and encode them, unless that is done."""
        if not self._encoded.encoded.exists():
            self.bring()
            self._begin(self._encoded)
            _link(self._encoded.raw, self._texts.raw)
            encode.run(self._encoded)

    def prepare(self) -> None:
        """Encode the texts, and learn what networks begin with, unless that is done."""
        self.encode()
        if not self.learned.vectors.exists():
            self._begin(self.learned)
            _link(self.learned.encoded, self._encoded.encoded)
            pretrain.run(self.learned)

    def baselines(self) -> Made:
        """Measure the linear baselines.

        With them go their probabilities, which test rows are resampled together, and the rows'
        lengths before truncation.
        """
        own = self._encoded
        reference.run(own)
        task = read_json(own.encoded / "encoding.json")["task"]
        rows: list[Row] = []
        right: dict[str, Any] = {}
        for name in read_baseline_names(own):
            found = _right(own.reference(name), task)
            rows.append(_row("", name, "", found))
            right[name] = found["test"] == 1
            right |= _probabilities(own.reference(name), f"{name} ")
        path = own.raw / "test.parquet"
        if "group" in column_names(path):
            right["group"] = read_table(path, ["group"])["group"].to_numpy()
        else:
            right["group"] = np.arange(len(found["test"]))
        table = read_table(own.encoded / "test.parquet", ["total"])
        right["length"] = table["total"].to_numpy()
        return Made(rows, right)

    def _begin(self, own: Workspace) -> None:
        """Write what a workspace needs to run stages."""
        own.libraries.parent.mkdir(parents=True, exist_ok=True)
        own.libraries.write_bytes(self._workspace.libraries.read_bytes())
        document = self._params
        if self._path:
            document = {
                **document,
                "datasets": _merged(
                    document["datasets"], {document["dataset"]: {"source": {"path": self._path}}}
                ),
            }
        with own.params.open("w", encoding="utf-8") as file:
            YAML().dump(document, file)


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve(), target_is_directory=True)


@dataclass(frozen=True)
class Training:
    """Makes a cell: one of a case's trainings.

    Attributes:
        data: the case's.
        settings: its `params.yaml`.
        case, model, seed: which one.
        log_counts: whether it reads naive Bayes's features, too.
    """

    data: Data
    settings: params.Params
    case: str
    model: str
    seed: int
    log_counts: bool = False

    def run(self) -> TrainingRun:
        """Describe it; its data must be prepared."""
        kind, stage = TrainingRun, __name__
        if self.log_counts:  # another stage, so that neither goes on from the other's checkpoint
            kind, stage = WithLogCounts, WithLogCounts.__module__
        return kind.for_stage(
            stage,
            self.model,
            self.seed,
            self.settings.recipe(self.model),
            data=self.data.learned.encoded,
            pretrained=self.data.learned.vectors,
            libraries=self.data.learned.libraries,
            threads=self.settings.threads,
        )

    def __call__(self) -> Made:
        """Train; accuracy is kept, which test rows are right, and their probabilities."""
        run = self.run()
        own = self.data.learned
        name = f"{self.case}-{self.model}-{self.seed}"
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=own.root) as made:
            folder = Path(made) / "model"
            about = train_once(run, folder, own.scratch / "checkpoints" / f"{name}.npz", name=name)
            found = _right(folder, run.about["task"])
            targets = read_predictions(folder / "test.parquet").targets
            probabilities = _probabilities(folder)
        row = {
            **_row(self.case, self.model, self.seed, found),
            "best_epoch": about["best_epoch"],
            "epochs": about["epochs"],
            "seconds": round(time.perf_counter() - begun),
            "device": machine.device(),
        }
        return Made([row], {"test": found["test"] == 1, "target": targets, **probabilities})


def _right(folder: Path, task: Task) -> dict[str, NDArray[np.float64]]:
    """Split → <float64>[n], 1 where the class is right."""
    found = {split: read_predictions(folder / f"{split}.parquet") for split in SPLITS[1:]}
    return {split: scores([one], task)[0] for split, one in found.items()}


def _probabilities(folder: Path, prefix: str = "") -> dict[str, NDArray[np.float16]]:
    """<float16>[n] of each class but the first, on test."""
    outputs = read_predictions(folder / "test.parquet").outputs
    return {
        f"{prefix}p{number}": outputs[:, number].astype(np.float16)
        for number in range(1, outputs.shape[1])
    }


def _row(case: str, model: str, seed: object, right: Mapping[str, NDArray[np.float64]]) -> Row:
    """A line of `results.csv`; of a baseline, what only trainings have is empty."""
    accuracies = {split: f"{values.mean():.6g}" for split, values in right.items()}
    of_training = dict.fromkeys(("best_epoch", "epochs", "seconds", "device"), "")
    return {"case": case, "model": model, "seed": seed, **accuracies, **of_training}
