"""The search for a dataset's recipe: which trials, in which order, and what they showed.

Every model gets the same recipe in a trial, and a trial is judged by the models' mean validation
loss: the comparison stays fair. The test split is never read.
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

from pipeline import params
from pipeline.errors import ParamsError
from pipeline.params import Count, Section

# What is switched on or off beside the recipe's own keys: parts of what `encode` and `pretrain`
# have made.
INPUTS = ("bigrams", "vectors")
Choice = bool | int | float | str | None


class Search(Section):
    """`studies/recipe/params.yaml`.

    Attributes:
        dataset: whose recipe is looked for.
        models: which are trained in each trial.
        seed: of every training, and of the sampler.
        space: key → its values; the first is where the search comes from.
        begin: name → what differs from the first values: the trials that are run first. After
            them Optuna's TPE chooses (Bergstra et al. 2011).
    """

    dataset: str
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    seed: int
    trials: Count
    space: dict[str, Annotated[tuple[Choice, ...], Field(min_length=1)]]
    begin: dict[str, dict[str, Choice]]

    @property
    def origin(self) -> dict[str, Choice]:
        """The first value of every key."""
        return {key: values[0] for key, values in self.space.items()}


def load(path: Path) -> Search:
    """Read and validate the file.

    Raises:
        ParamsError: it is missing, is not YAML, or holds something that it may not.
    """
    document = params.read(path)
    where = "studies/recipe/params.yaml"
    search = params.validated(
        Search, document if isinstance(document, Mapping) else {}, where=where
    )
    for name, changes in search.begin.items():
        for key, value in changes.items():
            if value not in search.space.get(key, ()):
                raise ParamsError(
                    f"{where}: begin.{name}: `{key}: {value}` is not in `space`.",
                    fix="add the value to the key's list there, or take it out.",
                )
    return search


def open_study(search: Search, storage: Path, fingerprint: str) -> optuna.Study:
    """The study on disk, made where there is none; its first trials are queued, once.

    Args:
        search: what is looked for.
        storage: the file that keeps the trials.
        fingerprint: of data, code and fixed settings: trials of others are not comparable.
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
    for name, changes in search.begin.items():
        if name not in {trial.user_attrs.get("name") for trial in study.trials}:
            wanted = {**search.origin, **changes}
            study.enqueue_trial(wanted, user_attrs={"name": name})
    return study


def next_trial(study: optuna.Study, search: Search) -> Trial:
    """The trial that was interrupted, or a new one; its `params` hold a value for every key."""
    # Optuna itself starts no trial again: this is the handle that `ask` gave the killed process.
    interrupted = study.get_trials(states=[TrialState.RUNNING])
    trial = Trial(study, interrupted[0]._trial_id) if interrupted else study.ask()
    for key, values in search.space.items():
        trial.suggest_categorical(key, list(values))
    return trial


@dataclass(frozen=True)
class Shown:
    """What one model showed in a trial, at its epoch of least validation loss."""

    model: str
    val_loss: float
    val_accuracy: float
    best_epoch: int
    seconds: float


def tell(study: optuna.Study, trial: Trial, shown: Sequence[Shown]) -> None:
    """Close a trial with the models' mean validation loss."""
    for one in shown:
        for key in ("val_loss", "val_accuracy", "best_epoch", "seconds"):
            trial.set_user_attr(f"{one.model}/{key}", getattr(one, key))
    study.tell(trial, sum(one.val_loss for one in shown) / len(shown))


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that are done, in their order."""
    return study.get_trials(states=[TrialState.COMPLETE])


def name_of(trial: FrozenTrial) -> str:
    """As `begin` names it, or its number."""
    return str(trial.user_attrs.get("name", f"trial {trial.number}"))


def value(trial: FrozenTrial) -> float:
    """The mean validation loss of a finished trial."""
    assert trial.value is not None, "only finished trials are asked"
    return trial.value


def table(search: Search, trials: Sequence[FrozenTrial]) -> list[dict[str, str]]:
    """A row for each trial, best first."""
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
