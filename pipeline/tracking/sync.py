"""Record the workspace's runs in MLflow from its files: each once, and only what is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from pipeline import progress
from pipeline.core.params import Params
from pipeline.tracking import records, registry, runs, store
from pipeline.tracking.provenance import data_version, dvc_experiment
from pipeline.tracking.records import Record
from pipeline.tracking.runs import Experiment, Pack, State
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Summary:
    """What was done.

    Attributes:
        store: where the runs are.
        experiment: the dataset's name, which is the experiment's.
        states: run → what was done with it.
        champion: what changed in the registry, in a sentence or two.
        promoted: whether the comparison's best model is the champion now.
        pages: "charts" and "table" of the runs → address below the UI's; none without a run.
    """

    store: str
    experiment: str
    states: Mapping[str, State]
    champion: str
    promoted: bool = False
    pages: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        count = Counter(self.states.values())
        done = ", ".join(f"{count[state]} {state}" for state in get_args(State) if count[state])
        head = f"MLflow, experiment '{self.experiment}': {len(self.states)} runs ({done})"
        return f"{head}\n{self.champion}" if self.champion else head


def sync_runs(
    workspace: Workspace, settings: Params, *, pack: Pack, promote: bool = False
) -> Summary:
    """Record every run of the workspace's files in MLflow.

    Args:
        workspace: the project's files.
        settings: which models and seeds to look for, and the registry's gate.
        pack: `serving.pack`.
        promote: make the best model champion even if it is not better than the current one.

    Raises:
        ArtifactError: a file is damaged.
        TrackingError: MLflow can't be reached or used. What was recorded stays, and the next
            call completes it.
    """
    found = records.collect(workspace, settings.runs)
    place = store.locate(workspace.home)
    client = store.connect(place)
    if not found:
        return Summary(str(place), settings.dataset, {}, "")
    data = data_version(workspace)
    with store.readable_errors(place), store.alone(workspace.home):
        experiment = Experiment(
            client,
            store.experiment(client, place, data.name),
            data,
            shared=place.database is None,
        )
        states = hold(experiment, found, pack=pack)
        trial = dvc_experiment()
        if trial and not promote:
            unchanged = f"Champion: unchanged, because {trial} is a DVC experiment."
            outcome = registry.Verdict(False, unchanged)
        else:
            outcome = registry.promote(experiment, workspace, settings, found, forced=promote)
        measure = "accuracy" if data.classes else "mse"
        pages = store.show(
            client,
            experiment.id,
            [
                f"metrics.`test/{measure}`",
                f"metrics.`test_sd/{measure}`",
                f"metrics.`validation/{measure}`",
                *(f"metrics.`{name}`" for record in found for name in record.shown),
                "metrics.`usage/wall_seconds`",
                "params.`parameters`",
                "attributes.`Dataset`",
            ],
            group="model",
        )
    return Summary(str(place), data.name, states, outcome.reason, outcome.passed, pages)


def hold(experiment: Experiment, found: Sequence[Record], *, pack: Pack | None) -> dict[str, State]:
    """Record everything in an experiment, parents first; returns what was done with each."""
    ids: dict[str, str] = {}
    states: dict[str, State] = {}
    for record in progress.bar(found, what="MLflow", total=len(found), unit="run"):
        parent = ids.get(record.parent or "")
        ids[record.fingerprint], states[record.name] = runs.synchronize(
            experiment, record, parent=parent, pack=pack
        )
    return states
