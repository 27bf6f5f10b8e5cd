"""Trainings beside rows without labels, from the loop to the stage."""

import json
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.core.files import read_csv, read_json, read_table
from pipeline.core.params import load_params
from pipeline.core.sequences import Sequences, read_sequences, starts_of
from pipeline.errors import ParamsError
from pipeline.models.network import build_network
from pipeline.stages import download, encode, train
from pipeline.training import loop
from pipeline.training.loop import train_model
from pipeline.training.step import sum_of
from tests.support import strategies
from tests.support.project import change
from tests.support.training import CLASSES, rows

SEMI_SUPERVISED = {"virtual_adversarial": 0.1, "entropy": 0.1}


def trained(recipe, unlabeled, *, task="binary"):
    """Weights and history of a training."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = build_network(
        recipe, kind="text", task=task, classes=CLASSES[task], vocabulary_size=20
    ).predictor
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    given = (rows(64, task=task), rows(24, task=task, seed=1), recipe)
    fitted = train_model(model, *given, task=task, seed=3, unlabeled=unlabeled)
    after = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    return before, after, fitted.history


@cache
def plain(task):
    """Weights after an epoch without such rows."""
    return trained(strategies.recipe(epochs=1), None, task=task)[1]


def test_rows_without_labels_are_not_read_unless_asked_for():
    """The bytes are those of a training without them, and so are the history's columns."""
    recipe = strategies.recipe(averaging=0.9, adversarial=0.1)
    _, plain, history = trained(recipe, None)
    _, beside, same = trained(recipe, rows(24, seed=2))
    assert same == history
    assert set(history[0]) == {"epoch", "loss", "val_loss", "val_accuracy", "learning_rate"}
    assert [one.tobytes() for one in plain] == [one.tobytes() for one in beside]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(
    ("changes", "columns"),
    [
        ({"entropy": 0.1}, {"entropy"}),
        (
            {**SEMI_SUPERVISED, "adversarial": 0.1, "clip_norm": 1.0},
            {"entropy", "virtual_adversarial"},
        ),
    ],
)
def test_they_move_every_weight_and_their_losses_are_kept(task, changes, columns):
    """Beside adversarial training, too; without them the weights are others."""
    recipe = strategies.recipe(epochs=1, **changes)
    before, after, (epoch,) = trained(recipe, rows(24, task=task, seed=2), task=task)
    assert all((one != other).any() for one, other in zip(before, after, strict=True))
    known = {"epoch", "loss", "val_loss", "val_accuracy", "learning_rate"}
    assert set(epoch) == known | columns
    assert 0 < epoch["entropy"] < np.log(CLASSES[task]) + 1e-6
    assert any((one != other).any() for one, other in zip(after, plain(task), strict=True))


@pytest.mark.parametrize("embeddings", [False, True])
def test_words_are_moved_by_the_rows_with_labels_alone_unless_asked_for(embeddings):
    """So a word that is in none of them stays where it is."""
    unlabeled = rows(24, seed=2)
    unlabeled.values[::3] = 1
    recipe = strategies.recipe(epochs=1, unlabeled_embeddings=embeddings, **SEMI_SUPERVISED)
    before, after, _ = trained(recipe, unlabeled)
    moved = (before[0] != after[0]).any(axis=1)
    assert moved[1] == embeddings
    assert moved[5:].all()
    assert not moved[0]


def test_each_pass_over_them_is_another_order(monkeypatch):
    """With fewer of them than of train: all are read before one comes again."""
    read = []
    padded = loop.pad
    monkeypatch.setattr(
        loop, "pad", lambda of, chosen: read.append((of, chosen)) or padded(of, chosen)
    )
    few = rows(10, seed=2)
    recipe = strategies.recipe(epochs=1, unlabeled_batch_size=5, entropy=0.1)
    trained(recipe, few)
    order = np.concatenate([chosen for of, chosen in read if of is few]).reshape(-1, 10)
    assert len(order) == 4  # for the 8 steps of an epoch
    assert all(sorted(one) == list(range(10)) for one in order.tolist())
    assert len({tuple(one) for one in order.tolist()}) > 1


def topics(count, seed):
    """Rows of five words; of each, four in five are among the forty of the row's class."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    own = 40 * targets[:, None] + rng.integers(0, 40, (count, 5))
    words = np.where(rng.random(own.shape) < 0.2, rng.integers(0, 80, own.shape), own)
    starts = starts_of(np.full(count, 5))
    return Sequences(np.arange(count), targets, starts, 2 + words.astype(np.int32).ravel())


def test_a_few_labels_and_many_texts_are_better_than_a_few_labels():
    """16 rows with labels, and 600 that show which words stand together, for each of two seeds.

    The words begin at random, so it is their embeddings that have to learn it.
    """
    many = {"virtual_adversarial": 0.3, "entropy": 0.1, "unlabeled_embeddings": True}
    sizes = {"pooling": "mean", "dropout": 0.0, "batch_size": 4, "unlabeled_batch_size": 64}
    rest = {"epochs": 12, "min_epochs": 12, "patience": 12}
    reached = {}
    for name, changes in {"few": {}, "many": many}.items():
        recipe = strategies.recipe(**sizes, **rest, **changes)
        reached[name] = []
        for seed in (1, 2):
            keras.utils.set_random_seed(seed)
            model = build_network(recipe, kind="text", task="binary", classes=2, vocabulary_size=82)
            fitted = train_model(
                model.predictor, topics(16, 1), topics(200, 2), recipe,
                task="binary", seed=seed, unlabeled=topics(600, 3),
            )  # fmt: skip
            reached[name].append(fitted.history[-1]["val_accuracy"])
    assert min(reached["many"]) > max(reached["few"]) + 0.02


def test_the_sum_of_two_gradients_of_an_embedding_has_the_rows_of_both():
    """As dense arrays would be added, where rows repeat within and between them."""
    one, other = (
        tf.IndexedSlices(tf.constant(values), tf.constant(indices), tf.constant([4, 2]))
        for values, indices in [([[1.0, 2], [3, 4]], [2, 2]), ([[5.0, 6], [7, 8]], [0, 2])]
    )
    expected = tf.convert_to_tensor(one) + tf.convert_to_tensor(other)
    np.testing.assert_array_equal(tf.convert_to_tensor(sum_of(one, other)), expected)
    np.testing.assert_array_equal(sum_of(tf.constant([1.0]), tf.constant([2.0])), [3])
    assert sum_of(one, None) is one


# ── from files to results ────────────────────────────────────────────────────────────────


def own_texts(workspace, unlabeled):
    """Let the workspace's dataset be files of texts, with these without labels, and encode it."""
    folder = workspace.root / "texts"
    folder.mkdir(exist_ok=True)
    splits = {
        split: [
            {"text": f"{word} film number {n} {split}", "label": label}
            for n in range(40)
            for label, word in enumerate(["bad", "good"])
        ]
        for split in ("train", "test")
    }
    if unlabeled:
        splits["unsupervised"] = [{"text": text} for text in unlabeled]
    for split, found in splits.items():
        lines = (json.dumps(row) for row in found)
        (folder / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    small = {"embedding": 6, "units": 4, "epochs": 2, "min_epochs": 1, **SEMI_SUPERVISED}
    change(
        workspace.root,
        {
            "datasets.demo.source": {"kind": "files", "path": str(folder)},
            "datasets.demo.encode": {"vocabulary": 50, "max_len": 9},
            "datasets.demo.training": small,
        },
    )
    download.run(workspace)
    encode.run(workspace)


def test_the_stage_reads_the_texts_without_labels_of_its_data(workspace):
    """The model's card says how many there were; each epoch's losses are in its history."""
    own_texts(workspace, [f"another film number {n}" for n in range(7)])
    train.run(workspace, "bilstm_attention", 1)
    folder = workspace.model("bilstm_attention", 1)
    card = read_json(folder / "model.json")
    assert card["unlabeled_rows"] == 7
    assert card["recipe"]["virtual_adversarial"] == 0.1
    assert {"entropy", "virtual_adversarial"} < set(read_csv(folder / "history.csv").columns)


def test_files_without_such_texts_are_refused_before_training(workspace, capsys):
    """Nor is there one to learn from if all are held out for validation, which is said, too."""
    own_texts(workspace, [])
    with pytest.raises(ParamsError, match=r"its data, demo, has no texts without labels\."):
        train.run(workspace, "bilstm_attention", 1)
    held = read_sequences(workspace.encoded / "validation.parquet").rows
    texts = read_table(workspace.raw / "train.parquet")["text"].to_pylist()
    own_texts(workspace, [texts[row] for row in held[:3]])
    assert "0 rows; 3 others are also in validation: left out" in capsys.readouterr().out
    with pytest.raises(ParamsError, match="has no texts without labels but those that are also in"):
        train.run(workspace, "bilstm_attention", 1)
    assert not workspace.models.exists()


# ── what can't be ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", SEMI_SUPERVISED)
@pytest.mark.parametrize("dataset", ["demo", "adding", "imdb"])
def test_a_dataset_without_such_texts_is_refused_before_anything_is_read(workspace, dataset, key):
    """Generated ones, numbers, and a hub's whose split is not named."""
    change(workspace.root, {"dataset": dataset, "datasets.imdb.source.unsupervised": None})
    load_params(workspace.params)
    change(workspace.root, {f"datasets.{dataset}.training": {key: 0.1}})
    with pytest.raises(
        ParamsError, match=rf"but the dataset '{dataset}' has no texts without labels"
    ):
        load_params(workspace.params)


def test_a_training_that_is_given_none_says_so():
    """A study's, which trains by itself."""
    recipe = strategies.recipe(**SEMI_SUPERVISED)
    for nothing in (None, rows(8).take(np.arange(0))):
        with pytest.raises(ParamsError, match="is given no rows without labels"):
            trained(recipe, nothing)


def test_a_regression_has_no_probabilities_to_keep():
    """Refused before anything is trained."""
    recipe = strategies.recipe(entropy=0.1)
    with pytest.raises(ParamsError, match="a regression has no classes"):
        trained(recipe, rows(8, task="regression"), task="regression")
