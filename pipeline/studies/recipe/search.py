"""The search for a dataset's recipe: which trials, in which order, and their results.

To keep the comparison fair, all models get the same recipe in a trial, and a trial is judged by
their mean validation loss. The test split is never read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from pydantic import Field

from pipeline.core import schema
from pipeline.core.schema import Count, Name, Section, Seed
from pipeline.errors import ParamsError

# Outputs of `encode` and `pretrain` that a trial switches on or off, beside the recipe's own keys.
INPUTS = ("bigrams", "vectors")
Choice = bool | int | float | str | None


class Search(Section):
    """`studies/recipe/params.yaml`.

    Attributes:
        dataset: whose recipe is searched for.
        models: those trained in each trial.
        seed: of every run, and of the sampler.
        trials: how many in all.
        space: key → its values; the first is the starting point.
        begin: name → what differs from the starting point, for the first trials. After them
            Optuna's TPE chooses (Bergstra et al. 2011).
    """

    dataset: Name
    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    seed: Seed
    trials: Count
    space: dict[str, Annotated[tuple[Choice, ...], Field(min_length=1)]]
    begin: dict[str, dict[str, Choice]]

    @property
    def origin(self) -> dict[str, Choice]:
        """The first value of every key."""
        return {key: values[0] for key, values in self.space.items()}


def load_search(path: Path) -> Search:
    """Read and validate the file.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    document = schema.read_yaml(path)
    where = "studies/recipe/params.yaml"
    search = schema.validate(Search, document if isinstance(document, Mapping) else {}, where=where)
    for name, changes in search.begin.items():
        for key, value in changes.items():
            if value not in search.space.get(key, ()):
                raise ParamsError(
                    f"{where}: begin.{name}: `{key}: {value}` is not in `space`.",
                    fix="add the value to the key's list there, or take it out.",
                )
    return search


def open_study(search: Search, storage: Path, fingerprint: str) -> optuna.Study:
    """Open the study on disk, or create it; a trial that was interrupted is queued again.

    Args:
        search: its settings.
        storage: the file that keeps the trials.
        fingerprint: of data, code and fixed settings; other trials are not comparable.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    backend = JournalFileBackend(str(storage))
    study = optuna.create_study(
        study_name=f"{search.dataset}-{fingerprint[:12]}",
        storage=JournalStorage(backend),
        sampler=optuna.samplers.TPESampler(seed=search.seed, n_startup_trials=len(search.begin)),
        load_if_exists=True,
    )
    # No other process runs trials of this study, so one that is still running was killed.
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs={"name": name_of(trial)})
    return study


def next_trial(study: optuna.Study, search: Search) -> Trial:
    """Start a queued trial, else one that `begin` names, else one that Optuna chooses.

    Its `params` hold a value for every key.
    """
    if not study.get_trials(states=[TrialState.WAITING]):
        known = {
            trial.user_attrs.get("name") for trial in study.trials if trial.state != TrialState.FAIL
        }
        name = next((name for name in search.begin if name not in known), None)
        if name is not None:
            wanted = {**search.origin, **search.begin[name]}
            study.enqueue_trial(wanted, user_attrs={"name": name})
    trial = study.ask()
    for key, values in search.space.items():
        trial.suggest_categorical(key, list(values))
    return trial


@dataclass(frozen=True)
class TrialResult:
    """One model's result in a trial, at its epoch of least validation loss."""

    model: str
    val_loss: float
    val_accuracy: float
    best_epoch: int
    seconds: float


def tell(study: optuna.Study, trial: Trial, results: Sequence[TrialResult]) -> None:
    """Finish a trial with the models' mean validation loss."""
    for one in results:
        for key in ("val_loss", "val_accuracy", "best_epoch", "seconds"):
            trial.set_user_attr(f"{one.model}/{key}", getattr(one, key))
    study.tell(trial, sum(one.val_loss for one in results) / len(results))


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The finished trials, in order."""
    return study.get_trials(states=[TrialState.COMPLETE])


def name_of(trial: FrozenTrial) -> str:
    """Its name in `begin`, or its number."""
    return str(trial.user_attrs.get("name", f"trial {trial.number}"))


def value(trial: FrozenTrial) -> float:
    """The mean validation loss of a finished trial."""
    assert trial.value is not None, "only a finished trial has a value"
    return trial.value


def table(search: Search, trials: Sequence[FrozenTrial]) -> list[dict[str, str]]:
    """A row per trial, best first."""
    return [
        {
            "trial": name_of(trial),
            "val_loss": f"{value(trial):.4f}",
            **{
                f"{model} val_accuracy": f"{trial.user_attrs[f'{model}/val_accuracy']:.4f}"
                for model in search.models
            },
            **{key: str(trial.params[key]) for key in search.space},
        }
        for trial in sorted(trials, key=value)
    ]
