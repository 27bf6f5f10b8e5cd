"""Every case's trainings, on data that cases share wherever they are the same."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from pipeline import fingerprint, machine
from pipeline.core import params, schema
from pipeline.core.files import column_names, new_folder, read_table
from pipeline.core.predictions import SPLITS, read_predictions
from pipeline.data import card, sources
from pipeline.data.checks import check_corpus
from pipeline.evaluation.results import scores
from pipeline.stages import encode, pretrain
from pipeline.studies.kept import BASELINES, Cell, Kept, Made, kept_path
from pipeline.studies.parts.settings import Case, Study, load_study
from pipeline.studies.training import train_once
from pipeline.training.run import TrainingRun
from pipeline.workspace import Workspace

Document = dict[str, Any]


def study_cells(
    workspace: Workspace, part: Workspace, paths: Mapping[str, str], *, anew: bool = False
) -> dict[str, Cell]:
    """Every cell: of the test rows, then CASE/MODEL-SEED, in the order of the study.

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
    for name in {*paths, study.dataset}:
        params.parse_params({**document, "dataset": name})
    code = fingerprint.configuration(__name__, [], workspace.libraries, [])
    cells: dict[str, Cell] = {}
    for name, case in study.cases.items():
        own_params = case_params(document, study, case)
        settings = params.parse_params(own_params)
        data = Data(workspace, part, own_params, paths.get(study.dataset))
        if not cells:
            kept = Kept(
                kept_path(part, name, BASELINES),
                parameters=fingerprint.digest([], settings.entry.source.model_dump()),
                code=code,
                anew=anew,
            )
            cells[f"{name}/{BASELINES}"] = Cell(kept, data.bring, data.groups)
        for model, seed in settings.runs:
            recipe = settings.recipe(model)
            values = [settings.entry.model_dump(exclude={"training"}), recipe.model_dump()]
            kept = Kept(
                kept_path(part, name, f"{model}-{seed}"),
                parameters=fingerprint.digest([], values),
                code=code,
                anew=anew,
            )
            training = Training(data, settings, name, model, seed)
            cells[f"{name}/{model}-{seed}"] = Cell(kept, data.prepare, training)
    return cells


def case_params(document: Mapping[str, Any], study: Study, case: Case) -> Document:
    """The `params.yaml` of a case: the project's, with the case's changes."""
    entry = document["datasets"][study.dataset]
    for change in study.changes(case):
        entry = _merged(entry, change.model_dump())
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
            key: _merged(values[key] or {}, change)
            if isinstance(change, Mapping) and key in values
            else change
            for key, change in changes.items()
        },
    }


class Data:
    """A case's data: three folders, each shared by all cases that have the same one."""

    def __init__(
        self, workspace: Workspace, part: Workspace, own_params: Document, path: str | None
    ) -> None:
        """Name the folders.

        Args:
            workspace: the project's files.
            part: the study's.
            own_params: the case's `params.yaml`.
            path: a local copy of the dataset.
        """
        self._workspace = workspace
        self._params = own_params
        self._path = path
        entry = params.parse_params(own_params).entry
        source = entry.source.model_dump()
        learned = entry.encode.model_dump()
        read = {key: learned[key] for key in learned if key not in {"vectors", "language_model"}}
        marks = ([source], [source, read], [source, learned, own_params["threads"]])
        self._texts, self._encoded, self.learned = (
            Workspace(part.scratch / f"{name}-{fingerprint.digest([], values)[:8]}")
            for name, values in zip(("texts", "encoded", "vectors"), marks, strict=True)
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

    def prepare(self) -> None:
        """Bring the texts in, encode them, and learn what networks begin with, where needed."""
        if not self._encoded.encoded.exists():
            self.bring()
            self._begin(self._encoded)
            _link(self._encoded.raw, self._texts.raw)
            encode.run(self._encoded)
        if not self.learned.vectors.exists():
            self._begin(self.learned)
            _link(self.learned.encoded, self._encoded.encoded)
            pretrain.run(self.learned)

    def groups(self) -> Made:
        """What the summary needs to know of the test rows: which are resampled together."""
        path = self._texts.raw / "test.parquet"
        if "group" in column_names(path):
            groups = read_table(path, ["group"])["group"].to_numpy()
        else:
            groups = np.arange(read_table(path, ["label"]).num_rows)
        return Made([], {"group": groups})

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
    """

    data: Data
    settings: params.Params
    case: str
    model: str
    seed: int

    def run(self) -> TrainingRun:
        """Describe it; its data must be prepared."""
        return TrainingRun.for_stage(
            __name__,
            self.model,
            self.seed,
            self.settings.recipe(self.model),
            data=self.data.learned.encoded,
            pretrained=self.data.learned.vectors,
            libraries=self.data.learned.libraries,
            threads=self.settings.threads,
        )

    def __call__(self) -> Made:
        """Train; only accuracy, and which test rows are right, are kept."""
        run = self.run()
        own = self.data.learned
        name = f"{self.case}-{self.model}-{self.seed}"
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=own.root) as made:
            folder = Path(made) / "model"
            about = train_once(run, folder, own.scratch / "checkpoints" / f"{name}.npz", name=name)
            found = {split: read_predictions(folder / f"{split}.parquet") for split in SPLITS[1:]}
        right = {split: scores([one], run.about["task"])[0] for split, one in found.items()}
        row = {
            "case": self.case,
            "model": self.model,
            "seed": self.seed,
            **{split: f"{values.mean():.6g}" for split, values in right.items()},
            "best_epoch": about["best_epoch"],
            "epochs": about["epochs"],
            "seconds": round(time.perf_counter() - begun),
            "device": machine.device(),
        }
        return Made([row], {"test": right["test"] == 1})
