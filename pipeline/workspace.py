"""Paths of all files that the pipeline reads and writes."""

import os
from dataclasses import dataclass
from pathlib import Path

COMPLETE = "complete\n"  # in the tracking marker


@dataclass(frozen=True)
class Workspace:
    """Paths of all files that the pipeline reads and writes.

    Attributes:
        root: the project's folder.
        part: a subfolder with its own pipeline, whose files have the same names.
    """

    root: Path
    part: str = "."

    @classmethod
    def current(cls) -> "Workspace":
        """The workspace in the current folder: DVC runs every stage in the project's root."""
        return cls(Path.cwd())

    @property
    def home(self) -> Path:
        """The project's own folder, even while `dvc exp run --temp` runs in a copy of it.

        Paths of the user's data and the tracking store are relative to it.
        """
        return Path(os.environ.get("DVC_ROOT") or self.root).resolve()

    @property
    def length_study(self) -> "Workspace":
        """The study of `make length-study`."""
        return Workspace(self.root, "studies/length")

    @property
    def recipe_search(self) -> "Workspace":
        """The search of `make search`."""
        return Workspace(self.root, "studies/recipe")

    @property
    def units_search(self) -> "Workspace":
        """The search of `make search ARGS="--study units"`."""
        return Workspace(self.root, "studies/units")

    @property
    def suggestion_study(self) -> "Workspace":
        """The study of `make suggestion-study`."""
        return Workspace(self.root, "studies/suggestion")

    @property
    def size_study(self) -> "Workspace":
        """The study of `make size-study`."""
        return Workspace(self.root, "studies/size")

    @property
    def interval_study(self) -> "Workspace":
        """The study of `make interval-study`."""
        return Workspace(self.root, "studies/intervals")

    @property
    def distractor_study(self) -> "Workspace":
        """The study of `make distractor-study`."""
        return Workspace(self.root, "studies/distractor")

    @property
    def roar_study(self) -> "Workspace":
        """The study of `make roar`."""
        return Workspace(self.root, "studies/roar")

    @property
    def attention_study(self) -> "Workspace":
        """The study of `make attention-study`."""
        return Workspace(self.root, "studies/attention")

    @property
    def parts_study(self) -> "Workspace":
        """The study of `make parts-study`."""
        return Workspace(self.root, "studies/parts")

    @property
    def base(self) -> Path:
        return self.root / self.part

    @property
    def libraries(self) -> Path:
        """The lock file of the libraries."""
        return self.root / "locks" / "run.txt"

    @property
    def pipeline(self) -> Path:
        """DVC's definition of the stages."""
        return self.base / "dvc.yaml"

    @property
    def params(self) -> Path:
        return self.base / "params.yaml"

    @property
    def lock(self) -> Path:
        """DVC's record of what each stage read and wrote."""
        return self.base / "dvc.lock"

    @property
    def raw(self) -> Path:
        return self.base / "data" / "raw"

    @property
    def encoded(self) -> Path:
        return self.base / "data" / "encoded"

    @property
    def vectors(self) -> Path:
        """`vectors.json` and, if the dataset uses pretraining, `vectors.npy` and `bilstm.npz`."""
        return self.base / "data" / "vectors"

    @property
    def results(self) -> Path:
        return self.base / "results"

    @property
    def models(self) -> Path:
        return self.results / "models"

    def model(self, model: str, seed: int) -> Path:
        return self.models / f"{model}-{seed}"

    @property
    def references(self) -> Path:
        """The baselines; `references.json` lists their names."""
        return self.results / "reference"

    def reference(self, name: str) -> Path:
        return self.references / name

    @property
    def metrics(self) -> Path:
        return self.results / "metrics.json"

    @property
    def scores(self) -> Path:
        """One figure for each model: what DVC's tables show."""
        return self.results / "scores.json"

    @property
    def comparison(self) -> Path:
        return self.results / "comparison.json"

    @property
    def summary(self) -> Path:
        """The length study's findings."""
        return self.results / "summary.json"

    @property
    def plots(self) -> Path:
        return self.results / "plots"

    @property
    def explanations(self) -> Path:
        return self.results / "explanations"

    @property
    def report(self) -> Path:
        return self.results / "report.html"

    @property
    def scratch(self) -> Path:
        """Checkpoints, costs and the tracking marker, ignored by git and DVC."""
        return self.base / ".spotlight"

    @property
    def tracked(self) -> Path:
        """The marker that tells DVC that MLflow is up to date: `COMPLETE`, or what to do."""
        return self.scratch / "tracked"

    @property
    def checked(self) -> Path:
        """The marker that `params.yaml` is valid."""
        return self.scratch / "checked"

    def checkpoint(self, model: str, seed: int) -> Path:
        return self.scratch / "checkpoints" / f"{model}-{seed}.npz"

    def worker_logs(self, model: str, seed: int) -> Path:
        """What workers write that a training on this machine has started."""
        return self.scratch / "workers" / f"{model}-{seed}"

    def costs(self, model: str, seed: int) -> Path:
        return self.scratch / "costs" / f"{model}-{seed}.json"
