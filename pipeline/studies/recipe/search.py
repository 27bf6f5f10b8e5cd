"""The search for a dataset's recipe: which trials, in which order, and their results.

To keep the comparison fair, all models get the same recipe in a trial, and a trial is judged by
their mean validation loss. The test split is never read.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import (
    BaseStorage,
    JournalStorage,
    RDBStorage,
    RetryHeartbeatStaleTrialCallback,
    fail_stale_trials,
)
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from pydantic import Field
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.schema import Count, Name, Section, Seed
from pipeline.errors import ParamsError
from pipeline.studies.parameters import name_in_project, read_study

# Outputs of `encode` and `pretrain` that a trial can do without, beside the recipe's own keys.
INPUTS = ("bigrams", "vectors")
Choice = bool | int | float | str | None
HEARTBEAT = 60  # seconds; a worker that has not been heard of for twice as long is gone
_TRIES = 5  # to open a database while others make its tables


class Search(Section):
    """`studies/NAME/params.yaml`.

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
    search = read_study(Search, path)
    for name, changes in search.begin.items():
        for key, value in changes.items():
            if value not in search.space.get(key, ()):
                raise ParamsError(
                    f"{name_in_project(path)}: begin.{name}: `{key}: {value}` is not in `space`.",
                    fix="add the value to the key's list there, or take it out.",
                )
    return search


def open_study(search: Search, storage: Path | str, fingerprint: str) -> optuna.Study:
    """Open the study, or create it; a trial whose process is gone is queued again.

    Args:
        search: its settings.
        storage: the file that keeps the trials, of one process; or the address of a database, for
            any number of them.
        fingerprint: of data, code and fixed settings; other trials are not comparable.

    Raises:
        ParamsError: the database can't be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    alone = isinstance(storage, Path)
    sampler = optuna.samplers.TPESampler(
        seed=search.seed if alone else None,  # else all processes would choose the same
        n_startup_trials=len(search.begin),
        constant_liar=not alone,
    )
    study = optuna.create_study(
        study_name=f"{search.dataset}-{fingerprint[:12]}",
        storage=_file(storage) if isinstance(storage, Path) else _database(storage),
        sampler=sampler,
        load_if_exists=True,
    )
    if alone:  # so whatever is still running was killed
        for trial in study.get_trials(states=[TrialState.RUNNING]):
            study.tell(trial.number, state=TrialState.FAIL)
            if trial.params:
                _queue(study, trial)
    known = {
        trial.user_attrs.get("name") for trial in study.trials if trial.state != TrialState.FAIL
    }
    for name in search.begin:
        if name not in known:
            wanted = {**search.origin, **search.begin[name]}
            study.enqueue_trial(wanted, user_attrs={"name": name})
    return study


def _file(path: Path) -> BaseStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


def _database(address: str) -> BaseStorage:
    shown = "the address"
    try:
        url = make_url(address)
        shown = url.render_as_string(hide_password=True)
        if url.drivername == "postgresql":  # SQLAlchemy would take psycopg, MLflow takes psycopg2
            url = url.set(drivername="postgresql+psycopg2")
        return _opened(url.render_as_string(hide_password=False))
    except (SQLAlchemyError, ImportError) as error:
        raise ParamsError(
            f"--storage: {shown} can't be used: {str(error).strip().splitlines()[0]}",
            fix="give a database that answers, and install its driver: "
            "postgresql://USER:PASSWORD@HOST/NAME needs psycopg2-binary.",
        ) from None


def _opened(url: str) -> BaseStorage:
    """Open a database. The first to come makes the tables; others at that moment try again."""
    tries = 0
    while True:
        try:
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
                return RDBStorage(
                    url,
                    heartbeat_interval=HEARTBEAT,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
                )
        except SQLAlchemyError as error:
            tries += 1
            if "already exists" not in str(error) or tries == _TRIES:
                raise
            time.sleep(1)


def _queue(study: optuna.Study, trial: FrozenTrial | Trial) -> None:
    study.enqueue_trial(trial.params, user_attrs={"name": name_of(trial)})


def run_trial(
    study: optuna.Study,
    search: Search,
    train: Callable[[dict[str, Choice]], Sequence["TrialResult"]],
) -> None:
    """Run a queued trial, else one that Optuna chooses; its value is the mean validation loss.

    Args:
        study: where it is kept.
        search: the space.
        train: a value for every key -> each model's result.
    """

    def objective(trial: Trial) -> float:
        for key, values in search.space.items():
            trial.suggest_categorical(key, list(values))
        try:
            results = train(trial.params)
        except KeyboardInterrupt:
            _queue(study, trial)
            raise
        for one in results:
            for key in ("val_loss", "val_accuracy", "best_epoch", "seconds"):
                trial.set_user_attr(f"{one.model}/{key}", getattr(one, key))
        return sum(one.val_loss for one in results) / len(results)

    study.optimize(objective, n_trials=1)


def begun(study: optuna.Study) -> int:
    """How many trials are finished or under way in some process that lives."""
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        fail_stale_trials(study)
    return len(study.get_trials(states=[TrialState.COMPLETE, TrialState.RUNNING]))


@dataclass(frozen=True)
class TrialResult:
    """One model's result in a trial, at its epoch of least validation loss."""

    model: str
    val_loss: float
    val_accuracy: float
    best_epoch: int
    seconds: float


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The finished trials, in order."""
    return study.get_trials(states=[TrialState.COMPLETE])


def name_of(trial: FrozenTrial | Trial) -> str:
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
