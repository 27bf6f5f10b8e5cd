import shutil

import keras
import numpy as np
import pytest

from pipeline.core.sequences import Sequences
from pipeline.errors import ParamsError
from pipeline.models.network import build_network
from pipeline.training import loop
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.inference import predict
from pipeline.training.loop import (
    _class_weights,
    _constant_loss,
    _rows_of,
    _State,
    train_model,
)
from pipeline.training.step import loss_function
from tests.support import strategies
from tests.support.training import CLASSES, rows


def built(recipe, task="binary", seed=1):
    """A freshly initialized predictor."""
    keras.utils.set_random_seed(seed)
    return build_network(
        recipe, kind="text", task=task, classes=CLASSES[task], vocabulary_size=20
    ).predictor


def weights(model):
    """All of a model's arrays, the dropout layers' generators among them."""
    return [keras.ops.convert_to_numpy(variable) for variable in model.weights]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_learnable_task_is_learnt(task):
    """Each head with its loss: validation loss falls to less than half."""
    recipe = strategies.recipe(epochs=12, learning_rate=0.03, dropout=0.0, patience=12)
    model = built(recipe, task)
    fitted = train_model(
        model, rows(96, task=task), rows(32, task=task, seed=1), recipe, task=task, seed=1
    )
    losses = [epoch["val_loss"] for epoch in fitted.history]
    assert min(losses) < losses[0] / 2
    measure = "val_mae" if task == "regression" else "val_accuracy"
    assert set(fitted.history[0]) == {"epoch", "loss", "val_loss", measure, "learning_rate"}
    assert [epoch["epoch"] for epoch in fitted.history] == list(range(1, len(losses) + 1))


def test_the_model_ends_with_the_best_epochs_weights():
    """Its validation loss is the least of the history, not the last."""
    recipe = strategies.recipe(epochs=6, learning_rate=0.2, dropout=0.0, patience=6)
    model, validation = built(recipe), rows(40, seed=1)
    fitted = train_model(model, rows(64), validation, recipe, task="binary", seed=1)
    outputs = predict(model, validation)
    loss = -np.mean(np.log(np.clip(outputs[np.arange(40), validation.targets], 1e-7, 1)))
    losses = [epoch["val_loss"] for epoch in fitted.history]
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert fitted.best_epoch == int(np.argmin(losses)) + 1


@pytest.mark.parametrize(("min_epochs", "expected"), [(1, 3), (5, 5)])
def test_training_stops_when_validation_no_longer_improves(min_epochs, expected, monkeypatch):
    """After `patience` epochs without a better one, but not before `min_epochs`."""
    losses = iter([0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1])
    monkeypatch.setattr(
        loop, "_scores", lambda *_, **__: {"val_loss": next(losses), "val_accuracy": 0.5}
    )
    recipe = strategies.recipe(epochs=7, min_epochs=min_epochs, patience=2)
    fitted = train_model(built(recipe), rows(16), rows(8), recipe, task="binary", seed=1)
    assert len(fitted.history) == expected
    assert fitted.best_epoch == 1


@pytest.mark.parametrize(("plateau", "expected"), [(0.0, 3), (0.1, 6), (0.9, 7)])
def test_patience_waits_until_the_plateau_is_left(plateau, expected, monkeypatch):
    """It counts from the epoch on in which validation loss falls by that share, if one does."""
    losses = iter([0.69, 0.7, 0.71, 0.5, 0.52, 0.53, 0.6])
    monkeypatch.setattr(
        loop, "_scores", lambda *_, **__: {"val_loss": next(losses), "val_accuracy": 0.5}
    )
    recipe = strategies.recipe(epochs=7, patience=2, plateau=plateau)
    fitted = train_model(built(recipe), rows(16), rows(8), recipe, task="binary", seed=1)
    assert len(fitted.history) == expected


def test_a_curriculum_begins_with_the_shorter_rows():
    """A third of them, two thirds, then all in every epoch; without one, all from the start."""
    lengths = np.array([5, 1, 4, 2, 6, 3])
    learned = [_rows_of(epoch, lengths, curriculum=2).tolist() for epoch in range(4)]
    assert learned == [[1, 3], [1, 2, 3, 5], list(range(6)), list(range(6))]
    assert _rows_of(0, lengths, curriculum=0).tolist() == list(range(6))


def test_a_curriculum_is_trained(monkeypatch):
    """Each epoch's steps see as many rows as the curriculum says."""
    seen = []
    padded = loop.pad
    monkeypatch.setattr(
        loop, "pad", lambda rows, chosen: seen.append(chosen) or padded(rows, chosen)
    )
    train = rows(30)
    recipe = strategies.recipe(epochs=2, patience=5, batch_size=100, curriculum=1)
    train_model(built(recipe), train, rows(8), recipe, task="binary", seed=1)
    first, second = seen
    assert len(first) == 15
    assert len(second) == 30
    assert train.lengths[first].max() <= np.delete(train.lengths, first).min()


def test_the_loss_of_a_constant_prediction():
    """The entropy of the classes' shares as they are weighted; the variance of numbers."""
    targets = np.array([0, 0, 0, 1])
    assert _constant_loss(targets, None, task="binary") == pytest.approx(0.5623, abs=1e-4)
    balanced = np.float32([2 / 3, 2])
    assert _constant_loss(targets, balanced, task="binary") == pytest.approx(np.log(2))
    # Other shares than those that the weights make even: against every constant prediction.
    even, share = np.array([0, 0, 1, 1]), np.linspace(0.001, 0.999, 999)
    losses = np.mean([-balanced[0] * np.log(1 - share), -balanced[1] * np.log(share)], axis=0)
    assert _constant_loss(even, balanced, task="binary") == pytest.approx(losses.min(), abs=1e-6)
    assert _constant_loss(np.float32([1, 3]), None, task="regression") == 1


class AsKilled(keras.callbacks.Callback):
    """Copies a checkpoint between two batches, as a signal would leave it there."""

    def __init__(self, epoch, checkpoint, left):
        super().__init__()
        self.epoch, self.now, self.paths = epoch, 0, (checkpoint.path, left.path)

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 2:
            shutil.copy(*self.paths)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"averaging": 0.9},
        {"adversarial": 0.1, "schedule": "linear"},
        {"virtual_adversarial": 0.1, "entropy": 0.1, "unlabeled_embeddings": True},
    ],
)
def test_training_that_was_killed_goes_on_to_the_same_bytes(tmp_path, changes):
    """Dropout, optimizer, averages and order of rows included: equal, not close."""
    recipe = strategies.recipe(epochs=4, patience=5, dropout=0.5, **changes)
    train, validation = rows(64), rows(24, seed=1)
    more = {"task": "binary", "seed": 3, "unlabeled": rows(24, seed=2)}
    checkpoint, left = (
        Checkpoint(tmp_path / name, "the same inputs") for name in ("kept.npz", "left.npz")
    )
    straight = built(recipe)
    expected = train_model(
        straight,
        train,
        validation,
        recipe,
        callbacks=[AsKilled(2, checkpoint, left)],
        checkpoint=checkpoint,
        **more,
    )
    resumed = built(recipe, seed=99)  # whatever it begins with is replaced
    fitted = train_model(resumed, train, validation, recipe, checkpoint=left, **more)
    assert len(fitted.seconds) == 2  # the other two were kept
    assert fitted.history == expected.history
    for one, other in zip(weights(resumed), weights(straight), strict=True):
        assert np.array_equal(one, other)


def test_saving_checkpoints_changes_nothing(tmp_path):
    """Which a training that is timed or studied alone may leave out."""
    recipe = strategies.recipe(epochs=2, dropout=0.5, averaging=0.9)
    trained = []
    for checkpoint in (None, Checkpoint(tmp_path / "kept.npz", "the inputs")):
        trained.append(built(recipe))
        train_model(
            trained[-1], rows(64), rows(24), recipe, task="binary", seed=3, checkpoint=checkpoint
        )
    assert (tmp_path / "kept.npz").exists()
    for one, other in zip(*map(weights, trained), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("state", ["of other inputs", "half-written", "missing"])
def test_a_checkpoint_that_does_not_fit_is_not_used(tmp_path, state):
    """Changed data, parameters or code start over; so does a damaged file."""
    checkpoint = Checkpoint(tmp_path / "kept.npz", "these inputs")
    model, optimizer = built(strategies.recipe()), keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    kept = _State(model, optimizer, None)
    kept.record({"epoch": 1, "val_loss": 0.5})
    kept.save(checkpoint)
    assert _State(model, optimizer, None).restore(checkpoint)

    if state == "of other inputs":
        checkpoint = Checkpoint(checkpoint.path, "other inputs")
    elif state == "half-written":
        checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:1000])
    else:
        checkpoint.path.unlink()
    begun = _State(model, optimizer, None)
    assert not begun.restore(checkpoint)
    assert begun.history == []


def test_keras_callbacks_are_called_as_fit_calls_them():
    """Order, numbers and logs; schedules are obeyed; `stop_training` ends it after the epoch."""

    class Recorder(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.calls = []

        def on_train_begin(self, logs=None):
            self.calls.append("begin")

        def on_epoch_begin(self, epoch, logs=None):
            self.calls.append(("epoch", epoch))

        def on_train_batch_end(self, batch, logs=None):
            self.calls.append(("batch", batch))
            assert "loss" in logs

        def on_epoch_end(self, epoch, logs=None):
            self.calls.append(("end of epoch", epoch))
            assert {"loss", "val_loss", "val_accuracy"} <= set(logs)
            self.model.stop_training = epoch == 1

        def on_train_end(self, logs=None):
            self.calls.append("end")

    recorder = Recorder()
    recipe = strategies.recipe(epochs=5, patience=5, batch_size=8)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1))
    calls = [recorder, schedule]
    fitted = train_model(
        built(recipe), rows(16), rows(8), recipe, task="binary", seed=1, callbacks=calls
    )
    assert [epoch["learning_rate"] for epoch in fitted.history] == pytest.approx([0.01, 0.005])
    epochs = [
        [("epoch", number), ("batch", 0), ("batch", 1), ("end of epoch", number)]
        for number in range(2)
    ]
    assert recorder.calls == ["begin", *epochs[0], *epochs[1], "end"]


def test_a_linear_schedule_falls_to_nearly_nothing_over_all_epochs():
    """The rate after each epoch, of 4 steps, is what the history tells."""
    recipe = strategies.recipe(
        epochs=4, patience=5, batch_size=16, learning_rate=0.01, schedule="linear"
    )
    fitted = train_model(built(recipe), rows(64), rows(8), recipe, task="binary", seed=1)
    rates = [epoch["learning_rate"] for epoch in fitted.history]
    assert rates == pytest.approx([0.00755, 0.0051, 0.00265, 0.0002], rel=1e-4)


def test_with_a_curriculum_a_linear_schedule_ends_where_it_does_without():
    """1, 2, 3 and 4 batches make 10 steps."""
    recipe = strategies.recipe(
        epochs=4, patience=5, batch_size=16, learning_rate=0.01, schedule="linear", curriculum=3
    )
    fitted = train_model(built(recipe), rows(64), rows(8), recipe, task="binary", seed=1)
    rates = [epoch["learning_rate"] for epoch in fitted.history]
    assert rates == pytest.approx([0.00902, 0.00706, 0.00412, 0.0002], rel=1e-4)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_a_training_that_diverges_keeps_its_best_epoch(averaging):
    """It ends there, and what it learned before is what it keeps."""

    def spoil(epoch, logs):
        if epoch == 1:
            model.trainable_variables[0].assign(model.trainable_variables[0] * np.nan)

    recipe = strategies.recipe(epochs=6, patience=6, averaging=averaging)
    model, validation = built(recipe), rows(8)
    call = keras.callbacks.LambdaCallback(on_epoch_end=spoil)
    fitted = train_model(
        model, rows(320), validation, recipe, task="binary", seed=1, callbacks=[call]
    )
    assert [np.isnan(epoch["val_loss"]) for epoch in fitted.history] == [False, False, True]
    assert fitted.best_epoch < 3
    assert np.isfinite(predict(model, validation)).all()


@pytest.mark.parametrize("adversarial", [0.0, 0.1])
def test_one_epoch_changes_every_trainable_weight(adversarial):
    """Nothing is left out of the gradient; the padding's embedding aside."""
    recipe = strategies.recipe(epochs=1, adversarial=adversarial)
    model = built(recipe)
    before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_weights]
    train_model(model, rows(64), rows(8), recipe, task="binary", seed=1)
    for variable, old in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(keras.ops.convert_to_numpy(variable), old), variable.path


def test_gradients_can_be_clipped_and_an_embeddings_stay_few_rows():
    """With a norm near Adam's epsilon the steps shrink; rows that no batch reads stay."""

    def moved(clip_norm):
        recipe = strategies.recipe(epochs=1, dropout=0.0, clip_norm=clip_norm)
        model = built(recipe)
        embeddings = model.get_layer("embedding").embeddings
        before = keras.ops.convert_to_numpy(embeddings)
        train_model(model, rows(64), rows(8), recipe, task="binary", seed=1)
        return np.abs(keras.ops.convert_to_numpy(embeddings) - before)

    free, clipped = moved(None), moved(1e-9)
    assert 0 < clipped.max() < free.max() / 10
    assert not clipped[1].any()  # the unknown word, which is in no row


def test_balanced_classes_weigh_alike_in_the_loss():
    """Each class's rows together get the same weight, 1 a row on average."""
    train = rows(6, task="multiclass")
    train = Sequences(train.rows, np.array([0, 0, 0, 1, 1, 2]), train.starts, train.values)
    balanced = strategies.recipe(class_weight="balanced")
    found = _class_weights(train, balanced, task="multiclass", classes=3)
    assert found == pytest.approx([6 / 9, 6 / 6, 6 / 3])
    assert found[train.targets].mean() == pytest.approx(1)
    plain = strategies.recipe()
    assert _class_weights(train, plain, task="multiclass", classes=3) is None


def test_a_regression_has_no_classes_to_weigh():
    """Refused before anything is trained."""
    balanced = strategies.recipe(class_weight="balanced")
    model = built(balanced, "regression")
    train = rows(8, task="regression")
    with pytest.raises(ParamsError, match="no classes"):
        train_model(model, train, train, balanced, task="regression", seed=1)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_loss_is_weighted_by_the_rows_class(task):
    """The weight of a row's class times its loss without weights."""
    outputs = np.array([[0.2], [0.9]] if task == "binary" else [[0.2, 0.8], [0.9, 0.1]], np.float32)
    labels, by_class = np.array([1, 0]), np.array([0.5, 3], np.float32)
    plain = loss_function(task)(labels, outputs)
    weighted = loss_function(task, by_class)(labels, outputs)
    assert weighted.numpy() == pytest.approx(plain.numpy() * [3, 0.5])
