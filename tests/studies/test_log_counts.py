"""Naive Bayes's features beside the context vector, against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.sequences import read_sequences
from pipeline.errors import ParamsError
from pipeline.studies.parts import runs
from pipeline.studies.parts.log_counts import Present
from pipeline.training.inference import predict
from tests.support.project import study_workspace

STUDY = """
dataset: demo
threads: 1
base:
  encode: {vocabulary: 300, max_len: 40, bigrams: 200}
  training: {embedding: 8, units: 4, epochs: 1, min_epochs: 1, word_dropout: 0.2}
parts:
  log_counts: {log_counts: true}
  adversarial: {training: {adversarial: 0.03}}
cases:
  plain: {models: [bilstm_attention], seeds: [1]}
  log_counts: {parts: [log_counts], models: [bilstm_attention], seeds: [1]}
"""
BOTH = """
  both: {parts: [log_counts, adversarial], models: [bilstm_attention], seeds: [1]}
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with a small corpus and study."""
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    small = {"datasets.demo.source.train": 96, "datasets.demo.source.test": 40}
    return study_workspace(tmp_path, "parts", STUDY, small)


def test_each_ngram_that_a_text_has_is_there_once():
    """Words from 0, bigrams from 5; 0 is none of either."""
    words = np.array([[3, 1, 3, 4], [2, 2, 0, 0]])
    bigrams = np.array([[2, 0, 2, 0], [1, 0, 0, 0]])
    numbers, has = (np.asarray(one) for one in Present([5, 3])([words, bigrams]))
    found = [row[there == 1].tolist() for row, there in zip(numbers, has, strict=True)]
    assert found == [[1, 3, 4, 7], [2, 6]]


def test_ngrams_vote_with_their_log_count_ratios(workspace):
    """The ratios are those of train; a weight of 1 adds a ratio to the logit, whatever else."""
    part = workspace.parts_study
    cells = runs.study_cells(workspace, part, {})
    cells["log_counts/bilstm_attention-1"].prepare()
    run = cells["log_counts/bilstm_attention-1"].make.run()
    network = run.build_network()
    train = read_sequences(run.data / "train.parquet")
    texts = [train.read(np.array([row])) for row in range(len(train))]
    word = int(np.argmax(np.bincount(np.concatenate(texts))[2:])) + 2
    vocabulary = run.about["vocabulary_size"] + run.about["bigrams"] + 1
    ratios = network.get_layer("ratios").embeddings.numpy()
    assert ratios.shape == (vocabulary, 1)
    counts = np.ones((2, run.about["vocabulary_size"]))
    for text, target in zip(texts, train.targets, strict=True):
        counts[int(target), np.unique(text)] += 1
    # Words against each other, as their sums hold the bigrams, too.
    by_hand = np.log(counts[1] / counts[0])
    found = ratios[: len(by_hand), 0]
    assert found[2:] - found[word] == pytest.approx(by_hand[2:] - by_hand[word], abs=1e-5)

    trained = {weight.path.split("/")[-2] for weight in network.trainable_weights}
    assert "ratio_weights" in trained
    assert "ratios" not in trained

    weights = np.zeros((vocabulary, 1), np.float32)
    before = _logits(network, train)
    weights[word] = 1
    network.get_layer("ratio_weights").embeddings.assign(weights)
    has = np.array([word in text for text in texts])
    assert 0 < has.sum() < len(has)
    assert _logits(network, train) - before == pytest.approx(has * found[word], abs=1e-3)


def _logits(network, rows):
    found = predict(network, rows)
    return np.log(found[:, 1] / found[:, 0])


@pytest.mark.slow
def test_a_case_is_trained_with_them(workspace):
    """Plain cells stay valid, and neither goes on from the other's checkpoint."""
    part = workspace.parts_study
    cells = runs.study_cells(workspace, part, {})
    cell = cells["log_counts/bilstm_attention-1"]
    cell.prepare()
    made = cell.make()
    assert made.rows[0]["case"] == "log_counts"
    kept = {name: one.kept for name, one in cells.items()}
    part.params.write_text(STUDY.replace("{log_counts: true}", "{}"))
    without = {name: one.kept for name, one in runs.study_cells(workspace, part, {}).items()}
    assert [kept[name] == without[name] for name in kept] == [True, True, False]
    plain = replace(cell.make, log_counts=False)
    assert plain.run().fingerprint != cell.make.run().fingerprint


def test_what_needs_all_paths_through_the_encoder_is_refused(workspace):
    """Before anything is trained."""
    part = workspace.parts_study
    part.params.write_text(STUDY + BOTH)
    with pytest.raises(ParamsError, match="`both` has `log_counts`, which go with neither"):
        runs.study_cells(workspace, part, {})
