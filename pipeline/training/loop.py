"""The training loop: a compiled step, early stopping, and exact resumption.

Keras's `fit` can't resume exactly, nor on another machine. Keras callbacks are called as `fit`
would call them.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import islice
from math import ceil, isnan
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import entr

from pipeline import progress
from pipeline.core.params import Recipe
from pipeline.core.sequences import Sequences
from pipeline.encoding.batching import batches, pad
from pipeline.errors import ParamsError
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.optimizer import Adam, Average
from pipeline.training.step import compiled_step, loss_function
from pipeline.training.team import ALONE, Team
from pipeline.training.unlabeled import unlabeled_gradients

Epoch = dict[str, float]


@dataclass(frozen=True)
class TrainingResult:
    """The result of training, besides the model's weights.

    Attributes:
        history: one entry per epoch: epoch (from 1), loss, those of rows without labels, val_loss,
            val_accuracy or val_mae, learning_rate.
        best_epoch: the epoch, from 1, whose weights the model has.
        seconds: wall time of each epoch that this process ran.
    """

    history: list[Epoch]
    best_epoch: int
    seconds: list[float]


def train_model(
    model: keras.Model,
    train: Sequences,
    validation: Sequences,
    recipe: Recipe,
    *,
    task: str,
    seed: int,
    unlabeled: Sequences | None = None,
    name: str = "model",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Checkpoint | None = None,
    team: Team = ALONE,
) -> TrainingResult:
    """Train `model` in place; it ends with the weights of the epoch of least validation loss.

    Args:
        model: the predictor from `models.network.build_network`.
        train: the rows to learn from.
        validation: the rows that decide when to stop and which epoch is best.
        recipe: batch size, learning rate, epochs, patience and the like.
        task: "binary", "multiclass" or "regression".
        seed: of the order of the rows; the order in epoch e depends only on (seed, e).
        unlabeled: rows whose labels nobody knows, for recipes that read them.
        name: shown with the progress.
        callbacks: Keras callbacks; one that sets `model.stop_training` ends training.
        checkpoint: saves the state after each epoch. An interrupted run with the same
            fingerprint resumes from it and gives the same bytes.
        team: the workers, this one and others that train the same. Only the
            chief's checkpoint is used, and only its `model.stop_training` counts.

    Raises:
        ParamsError: the recipe asks for another number of workers, for class weights without
            classes, or for rows without labels where there are none.
    """
    if team.count != recipe.workers:
        raise ParamsError(
            f"`workers` is {recipe.workers}, but this training has {team.count}: only the stage "
            "`train` of dvc.yaml starts more than one.",
            fix="set `workers: 1` for it.",
        )
    others = _others(unlabeled, recipe, task=task)
    weights = _class_weights(train, recipe, task=task, classes=max(2, model.output.shape[-1]))
    learned = [
        _count_of(epoch, train, curriculum=recipe.curriculum) for epoch in range(recipe.epochs)
    ]
    steps = sum(ceil(count / recipe.batch_size) for count in learned)
    optimizer = Adam(_rate(recipe, steps))
    model.compile(optimizer=optimizer)
    optimizer.build(model.trainable_variables)
    average = Average(model.trainable_variables, recipe.averaging) if recipe.averaging else None
    step = compiled_step(
        model,
        loss_function(task, weights),
        train,
        average,
        share=recipe.adversarial,
        clip_norm=recipe.clip_norm,
        unlabeled=unlabeled_gradients(
            model,
            task,
            share=recipe.virtual_adversarial,
            entropy=recipe.entropy,
            embeddings=recipe.unlabeled_embeddings,
            seed=seed,
        )
        if others
        else None,
        team=team,
    )
    plateau = (1 - recipe.plateau) * _constant_loss(validation.targets, weights, task=task)
    state = _State(model, optimizer, average)
    if checkpoint and state.restore(checkpoint):
        progress.say(f"{name}: resuming after epoch {len(state.history)}")
    if team.count > 1:
        state.load(team.from_chief(state.arrays()))

    calls = keras.callbacks.CallbackList(list(callbacks), model=model)
    model.stop_training = False
    calls.on_train_begin()
    seconds: list[float] = []
    while not team.decides(_finished(state, recipe, plateau=plateau, stopped=model.stop_training)):
        begun = time.perf_counter()
        number = len(state.history)
        calls.on_epoch_begin(number)
        losses = _epoch(
            step, train, others, recipe, seed=seed, epoch=number, name=name, calls=calls
        )
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        with state.averaged():
            outputs = team.predict(model, validation)
            logs = {**losses, **_scores(outputs, validation.targets, weights, task=task)}
            state.record({"epoch": number + 1, **logs, "learning_rate": rate})
        calls.on_epoch_end(number, logs)
        if checkpoint:
            state.save(checkpoint)
        seconds.append(time.perf_counter() - begun)
        left = (recipe.epochs - number - 1) * float(np.mean(seconds))
        shown = "  ".join(f"{key} {value:.4f}" for key, value in logs.items())
        progress.say(
            f"{name}  epoch {number + 1}/{recipe.epochs}  {shown}  "
            f"{seconds[-1]:.0f} s, at most {left:.0f} s left"
        )
    state.use_best()
    calls.on_train_end()
    return TrainingResult(history=state.history, best_epoch=state.best_epoch, seconds=seconds)


def _epoch(
    step: Callable[..., Any],
    train: Sequences,
    others: Sequences | None,
    recipe: Recipe,
    *,
    seed: int,
    epoch: int,
    name: str,
    calls: keras.callbacks.CallbackList,
) -> dict[str, float]:
    """Train for one epoch; returns the mean losses per row."""
    rows = _rows_of(epoch, train.lengths, curriculum=recipe.curriculum)
    rng = np.random.default_rng([seed, epoch])
    order = [rows[one] for one in batches(train.lengths[rows], recipe.batch_size, rng)]
    further = _again_and_again(others, recipe.unlabeled_batch_size or recipe.batch_size, rng)
    totals: dict[str, Any] = {}
    seen = 0
    with progress.epoch_bar(what=f"{name} epoch {epoch + 1}", total=len(order)) as bar:
        for number, indices in enumerate(order):
            calls.on_train_batch_begin(number)
            batch = [pad(train, indices), train.targets[indices]]
            losses = step(*map(tf.constant, [*batch, *islice(further, 1)]))
            for key, loss in losses.items():
                totals[key] = totals.get(key, 0.0) + loss * len(indices)
            seen += len(indices)
            calls.on_train_batch_end(number, losses)
            bar.update()
            if not bar.disable and number % 20 == 0:
                bar.set_postfix(loss=f"{float(totals['loss']) / seen:.4f}", refresh=False)
    return {key: float(total) / seen for key, total in totals.items()}


def _again_and_again(
    rows: Sequences | None, batch_size: int, rng: np.random.Generator
) -> Iterator[NDArray[Any]]:
    """Padded batches of rows, one pass after the other; none without rows."""
    while rows:
        for indices in batches(rows.lengths, batch_size, rng):
            yield pad(rows, indices)


def _count_of(epoch: int, rows: Sized, *, curriculum: int) -> int:
    """How many rows an epoch, from 0, learns from."""
    return ceil(min(1.0, (epoch + 1) / (curriculum + 1)) * len(rows))


def _rows_of(epoch: int, lengths: NDArray[np.int64], *, curriculum: int) -> NDArray[np.int64]:
    """The rows that an epoch, from 0, learns from: at first only the shorter ones."""
    count = _count_of(epoch, lengths, curriculum=curriculum)
    return np.sort(np.argsort(lengths, kind="stable")[:count])


def _rate(recipe: Recipe, steps: int) -> Any:
    """The learning rate, or its schedule over `steps` steps."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    return keras.optimizers.schedules.PolynomialDecay(
        recipe.learning_rate, steps, end_learning_rate=0.02 * recipe.learning_rate
    )


def _others(unlabeled: Sequences | None, recipe: Recipe, *, task: str) -> Sequences | None:
    """The rows without labels that a recipe reads; None if it reads none.

    Raises:
        ParamsError: there are none, or no classes that could be predicted for them.
    """
    if not recipe.reads_unlabeled:
        return None
    if task == "regression":
        raise ParamsError(
            "`virtual_adversarial` or `entropy` is set, but a regression has no classes, whose "
            "probabilities they are about.",
            fix="set both to 0 in params.yaml.",
        )
    if not unlabeled:
        raise ParamsError(
            "`virtual_adversarial` or `entropy` is set, but this training is given no rows without "
            "labels.",
            fix="set both to 0 for it.",
        )
    return unlabeled


def _class_weights(
    train: Sequences, recipe: Recipe, *, task: str, classes: int
) -> NDArray[np.float32] | None:
    """<float32>[classes]: rows / (classes · the class's rows), 1 on average; None if unweighted.

    Raises:
        ParamsError: the recipe asks for weights, but there are no classes.
    """
    if recipe.class_weight == "none":
        return None
    if task == "regression":
        raise ParamsError(
            "`class_weight: balanced` is set, but a regression has no classes.",
            fix="set `class_weight: none` in params.yaml.",
        )
    counts = np.bincount(train.targets, minlength=classes)
    return np.asarray(len(train) / (np.count_nonzero(counts) * np.maximum(counts, 1)), np.float32)


def _constant_loss(
    targets: NDArray[Any], weights: NDArray[np.float32] | None, *, task: str
) -> float:
    """The loss, weighted as in training, of the best prediction that is the same for every row."""
    if task == "regression":
        return float(np.var(targets))
    counts = np.bincount(targets)
    weighted = counts if weights is None else counts * weights[: len(counts)]
    return float(entr(weighted / weighted.sum()).sum() * weighted.sum() / counts.sum())


def _scores(
    outputs: NDArray[np.float32],
    targets: NDArray[Any],
    weights: NDArray[np.float32] | None,
    *,
    task: str,
) -> dict[str, float]:
    """The validation loss, weighted as in training, and a metric that is easy to read."""
    if task == "regression":
        errors = outputs - targets
        return {
            "val_loss": float(np.mean(errors**2)),
            "val_mae": float(np.mean(np.abs(errors))),
        }
    given = outputs[np.arange(len(targets)), targets]
    of_row = 1.0 if weights is None else weights[targets]
    return {
        "val_loss": float(-np.mean(np.log(np.clip(given, 1e-7, 1.0)) * of_row)),
        "val_accuracy": float(np.mean(outputs.argmax(axis=1) == targets)),
    }


def _finished(state: "_State", recipe: Recipe, *, plateau: float, stopped: bool) -> bool:
    """Whether training ends; until validation loss is below `plateau`, patience waits.

    Weights that are no numbers never are again, so training ends with them, too.
    """
    done = len(state.history)
    if done and isnan(state.history[-1]["val_loss"]):
        return True
    waits = recipe.plateau and all(epoch["val_loss"] > plateau for epoch in state.history)
    patient = waits or done < recipe.min_epochs or done - state.best_epoch < recipe.patience
    return done > 0 and (stopped or done >= recipe.epochs or not patient)


class _State:
    """Everything that the next epoch depends on, and the best weights so far."""

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, average: Average | None
    ) -> None:
        # A model's variables include its dropout layers' random generators: without them, a
        # resumed run would drop other units than the interrupted one.
        averages = average.values if average else []
        self._variables = [*model.variables, *optimizer.variables, *averages]
        self._weights = len(model.variables)
        self._averages = averages
        self._averaged = model.trainable_variables
        self.history: list[Epoch] = []
        self._best: list[NDArray[Any]] = []

    @property
    def best_epoch(self) -> int:
        losses = np.array([epoch["val_loss"] for epoch in self.history])
        return int(np.where(np.isnan(losses), np.inf, losses).argmin()) + 1 if len(losses) else 0

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block, the model has its averaged weights, if the recipe uses them."""
        if not self._averages:
            yield
            return
        current = [keras.ops.convert_to_numpy(variable) for variable in self._averaged]
        self._assign(self._averaged, [value.numpy() for value in self._averages])
        yield
        self._assign(self._averaged, current)

    def record(self, epoch: Epoch) -> None:
        self.history.append(epoch)
        if self.best_epoch == len(self.history):
            self._best = [
                keras.ops.convert_to_numpy(variable)
                for variable in self._variables[: self._weights]
            ]

    def use_best(self) -> None:
        self._assign(self._variables[: self._weights], self._best)

    def save(self, checkpoint: Checkpoint) -> None:
        checkpoint.save(self.arrays())

    def restore(self, checkpoint: Checkpoint) -> bool:
        """Restore what `save` saved; returns False if there is no valid checkpoint."""
        kept = checkpoint.restore()
        if kept is None:
            return False
        self.load(kept)
        return True

    def arrays(self) -> dict[str, Any]:
        """Everything, by name."""
        columns = list(self.history[0]) if self.history else []
        current = [keras.ops.convert_to_numpy(variable) for variable in self._variables]
        return {
            "columns": np.array(columns, np.str_),
            "history": np.array([[epoch[key] for key in columns] for epoch in self.history]),
            **{f"current_{number}": value for number, value in enumerate(current)},
            **{f"best_{number}": value for number, value in enumerate(self._best)},
        }

    def load(self, kept: Mapping[str, NDArray[Any]]) -> None:
        """Load what `arrays` returned."""
        columns = [str(column) for column in kept["columns"]]
        self.history = [dict(zip(columns, row, strict=True)) for row in kept["history"].tolist()]
        weights = self._weights if self.history else 0
        self._best = [kept[f"best_{number}"] for number in range(weights)]
        self._assign(
            self._variables, [kept[f"current_{number}"] for number in range(len(self._variables))]
        )

    @staticmethod
    def _assign(variables: list[Any], values: list[NDArray[Any]]) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
