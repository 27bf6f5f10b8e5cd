import json
from functools import cache
from importlib import import_module

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pipeline import __main__ as command_line
from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.errors import ParamsError, SpotlightError
from pipeline.models.network import build_network
from pipeline.studies import processes
from pipeline.studies.benchmark import (
    accuracy,
    arithmetic,
    corpus,
    figure,
    growth,
    inference,
    losses,
    machine,
    single,
    table,
)
from pipeline.studies.benchmark.implementations import IMPLEMENTATIONS, WEIGHTS, stock
from pipeline.studies.benchmark.settings import Sizes
from pipeline.training.step import loss_function
from pipeline.workspace import Workspace
from tests.support.project import change

pytestmark = pytest.mark.usefixtures("threads_as_they_are")
LEARNING = ["keras", "keras_by_length", "pytorch", "pytorch_sparse", "pytorch_ids", "packed"]
SIZES = Sizes(vocabulary=50, embedding=6, units=4, max_len=12, dropout=0.0)


@pytest.fixture
def threads_as_they_are(monkeypatch):
    """TensorFlow runs already in this process."""
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)


@pytest.fixture
def light_layers(monkeypatch):
    """Stock Keras's model with our layers: its own take seconds to trace, and are tested above."""

    def build(sizes, _):
        recipe = sizes.recipe(batch_size=4)
        return build_network(
            recipe, kind="text", task="binary", classes=2, vocabulary_size=sizes.vocabulary
        ).predictor

    monkeypatch.setattr(stock, "build", build)


class Here:
    """A worker without a process of its own: a process takes seconds to start."""

    def __init__(self, module, make=None, *arguments):
        loaded = import_module(f"pipeline.studies.{module}")
        self._object = getattr(loaded, make)(*arguments) if make else loaded

    def call(self, method, *arguments):
        return processes.timed(getattr(self._object, method), *arguments)

    def peak_memory(self):
        return 100.0

    def close(self):
        """Nothing was opened."""


def rows(count=10, *, vocabulary=50, longest=12):
    """Rows of 1 to `longest` tokens."""
    rng = np.random.default_rng(0)
    lengths = np.r_[longest, rng.integers(1, longest + 1, count - 1)]
    return Sequences(
        rows=np.arange(count),
        targets=rng.integers(0, 2, count),
        starts=np.r_[0, np.cumsum(lengths)],
        values=rng.integers(1, vocabulary, lengths.sum()).astype(np.int32),
    )


ROWS = rows()


@cache  # tracing its graphs takes longer than all else
def make(name):
    """An implementation, in this process; its test is skipped where the library is missing."""
    place = IMPLEMENTATIONS[name]
    if not place.installed:
        pytest.skip(f"{place.library} is not installed here: .venv/bench has it, after make bench")
    implementation = getattr(
        import_module(f"pipeline.studies.benchmark.{place.module}"), place.name
    )
    return implementation(SIZES, ROWS, 4, 2)


def weights(of):
    """Weights of every kind that differ from 0, biases too."""
    rng = np.random.default_rng(1)
    return [rng.uniform(-0.5, 0.5, weight.shape).astype(np.float32) for weight in of]


def loss_and_gradients(implementation):
    """Of all rows, in the order of WEIGHTS."""
    everything = np.arange(len(ROWS))
    if hasattr(implementation, "gradients"):
        implementation.model.zero_grad()
        loss = implementation.loss(ROWS, everything)
        loss.backward()
        return float(loss.detach()), implementation.gradients()
    steps = implementation.model.inputs[0].shape[1] or 0
    batch = batching.pad(ROWS, everything)
    batch = np.pad(batch, [(0, 0), (0, max(0, steps - batch.shape[1]))])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
            loss_function("binary")(
                tf.constant(ROWS.targets), implementation.model(batch, training=True)
            )
        )
    gradients = tape.gradient(loss, implementation.model.trainable_variables)
    return float(loss), [tf.convert_to_tensor(each).numpy() for each in gradients]


class TestImplementations:
    """Every implementation computes the same function of the same weights."""

    @pytest.mark.parametrize("name", [*LEARNING, "onnx"])
    def test_the_same_answers(self, name):
        """Rows of any length, each padded to another length by each implementation."""
        ours, other = make("spotlight"), make(name)
        given = weights(ours.weights())
        assert len(given) == len(WEIGHTS)
        ours.load(given)
        other.load(given)
        answers = ours.predict(ROWS)
        assert np.ptp(answers) > 0.01
        np.testing.assert_allclose(other.predict(ROWS), answers, atol=1e-5)

    @pytest.mark.parametrize("name", LEARNING)
    def test_the_same_loss_and_gradients(self, name):
        """So they learn the same from the same batch, weight by weight."""
        ours, other = make("spotlight"), make(name)
        given = weights(ours.weights())
        ours.load(given)
        other.load(given)
        loss, gradients = loss_and_gradients(ours)
        their_loss, theirs = loss_and_gradients(other)
        assert their_loss == pytest.approx(loss, abs=1e-5)
        for what, our, their in zip(WEIGHTS, gradients, theirs, strict=True):
            assert np.abs(our).max() > 1e-4, what
            np.testing.assert_allclose(their.reshape(our.shape), our, atol=1e-5, err_msg=what)

    @pytest.mark.parametrize("name", ["spotlight", *LEARNING])
    def test_training_changes_every_weight(self, name):
        """What is timed is a whole step: forward, backward and the optimizer's update."""
        implementation = make(name)
        before = [np.array(weight) for weight in implementation.weights()]
        implementation.train([np.arange(5), np.arange(5, 10)])
        for what, old, new in zip(WEIGHTS, before, implementation.weights(), strict=True):
            assert not np.allclose(old, new, atol=1e-6), what


class TestArithmetic:
    """What is computed of the measurements."""

    def test_operations_of_a_token_by_hand(self):
        """E = 3, u = 2, d = 4: gates 2 · 8 · (3 + 2), attention 16 + 4 + 4; times 2, times 3."""
        sizes = Sizes(vocabulary=9, embedding=3, units=2, max_len=5)
        assert arithmetic.flops_per_token(sizes) == 3 * 2 * (80 + 24)

    def test_a_sample_has_every_length_and_an_epoch_every_row(self):
        """One batch of each stratum; none twice."""
        lengths = np.arange(1, 101)
        sequences = Sequences(
            rows=lengths,
            targets=lengths,
            starts=np.r_[0, np.cumsum(lengths)],
            values=np.ones(lengths.sum(), np.int32),
        )
        sample = arithmetic.sample(sequences, 5, 4, np.random.default_rng(0))
        longest = sorted(lengths[batch].max() for batch in sample)
        assert [(longest[i] - 1) // 25 for i in range(4)] == [0, 1, 2, 3]
        whole = arithmetic.sample(sequences, 5, 0, np.random.default_rng(0))
        assert sorted(np.concatenate(whole)) == list(range(100))

    def test_padding_is_no_work(self):
        """Three rows of 1, 2 and 5 tokens are 8, whatever they are padded to."""
        lengths = np.array([1, 2, 5])
        assert arithmetic.tokens([np.array([0, 2]), np.array([1])], lengths) == 8

    def test_ratios_are_of_the_same_repeat(self):
        """A slow minute slows all implementations, and leaves their ratio."""
        rates = {"spotlight": [40.0, 20.0, 60.0], "keras": [10.0, 5.0, 20.0]}
        ratios = arithmetic.ratios(rates, of="spotlight")
        assert ratios == {"keras": arithmetic.Spread(median=4.0, low=3.0, high=4.0)}


class TestCorpus:
    """The rows that are measured."""

    def test_drawn_rows_have_imdbs_lengths(self):
        """Median and truncation of IMDB; frequent words are frequent."""
        drawn = corpus.draw(4000, vocabulary=30_000, max_len=400, rng=np.random.default_rng(0))
        assert np.median(drawn.lengths) == pytest.approx(201, rel=0.05)
        assert drawn.lengths.mean() == pytest.approx(230.6, rel=0.03)
        assert np.mean(drawn.lengths == 400) == pytest.approx(0.175, abs=0.03)
        assert (drawn.values.min(), drawn.values.max() < 30_000) == (1, True)
        assert np.mean(drawn.values == 1) > 30 * np.mean(drawn.values == 1000)

    def test_a_folder_without_imdb_is_refused(self, tmp_path):
        """A mistyped --data is no reason to draw rows in silence."""
        with pytest.raises(SpotlightError, match="holds no training split"):
            corpus.load(Workspace(tmp_path), tmp_path, rows=9, vocabulary=9, max_len=9, seed=0)


def test_a_process_of_its_own_tells_its_own_memory():
    """Not that of the process that started it."""
    ballast = np.ones(400 * 2**17)  # 400 MB
    _, peak = processes.alone("benchmark.settings", "Sizes", 9, 9, 9, 9)
    assert 5 < peak < 300
    assert ballast.nbytes == 400 * 2**20


SMALL = "--rows 40 --vocabulary 60 --embedding 4 --units 2 --max-len 9 --batch-size 4 --batches 3 "
SMALL += "--spotlight-batch-size 8 --repeats 2 --lengths 3 6 --scales 0.5 --epochs 2 --seeds 1 "
SMALL += "--growth 40 --stages encode train evaluate"


@pytest.mark.usefixtures("light_layers")
def test_a_small_benchmark_from_end_to_end(tmp_path, monkeypatch, capsys):
    """Every part, without PyTorch and IMDB: the files are written and say the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processes, "Worker", Here)
    monkeypatch.setattr(inference, "SINGLE", 2)
    monkeypatch.setattr(machine, "_SIDE", 64)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "run.txt").touch()
    monkeypatch.setattr(growth, "RESAMPLED", (50,))
    monkeypatch.setattr(single, "_CALLS", 1)
    for images in ("plot_images", "run_images"):  # test_plots.py has them
        monkeypatch.setattr(f"pipeline.evaluation.outputs.{images}", lambda *_: {})
    options = (
        "--implementations spotlight keras --parts throughput inference single length rows growth "
    )
    options += "losses --out out --plot plot.png "
    asked = ["bench", *options.split(), *SMALL.split()]
    assert command_line.main(asked) == 0
    document = json.loads((tmp_path / "out" / "bench.json").read_bytes())
    markdown = (tmp_path / "out" / "bench.md").read_text(encoding="utf-8")
    assert markdown == table.markdown(document)
    assert markdown in capsys.readouterr().out
    image = figure.draw(document)
    assert (tmp_path / "out" / "bench.png").read_bytes() == image
    assert (tmp_path / "plot.png").read_bytes() == image

    found = document["throughput"]
    assert set(found["implementations"]) == {"spotlight", "keras"}
    for implementation in found["implementations"].values():
        assert len(implementation["tokens_per_second"]) == 2
        low, high = implementation["seconds_per_epoch"][1:]
        assert 0 < low <= high
        assert min(implementation["tokens_per_cpu_second"]) > 0
        assert implementation["peak_memory_mb"] == 100
    assert set(found["cpu_ratios"]) == set(found["ratios"]) == {"keras"}
    assert document["inference"]["implementations"]["keras"]["largest_difference"] < 1e-5
    of_one = document["single"]
    assert list(of_one) == ["empty", "calls", "recurrence", "prediction", "onnx"]
    assert min(of_one.values()) > 0
    assert [each["rows"] for each in document["rows"]] == [20]
    assert [each["length"] for each in document["length"]] == [3, 6]
    assert [each["rows"] for each in document["growth"]["bootstrap"]] == [50]
    for each in document["growth"]["baselines"]:
        assert each["rows"] == 40
        assert each["features"] > 40
        assert each["cpu_seconds"] > 0
    for implementation in ("spotlight", "keras"):
        runs = document["losses"]["runs"][implementation]
        assert {len(epochs) for epochs in runs.values()} == {2}
    for shown in (
        "stock Keras",
        "Spotlight",
        "validation loss",
        "an empty function",
        "fit in 4 GB",
        "in CPU time",
        "n-grams",
    ):
        assert shown in markdown

    more = [*asked, "--parts", "rows", "growth", "--scales", "0.5", "0.25", "--growth", "40", "60"]
    assert command_line.main([*more, "--stages", "encode"]) == 0
    again = json.loads((tmp_path / "out" / "bench.json").read_bytes())
    assert [each["rows"] for each in again["rows"]] == [10, 20]
    assert again["rows"][1] == document["rows"][0]
    assert "20 rows: measured before" in capsys.readouterr().out
    before = document["growth"]["baselines"]
    assert again["growth"]["baselines"][: len(before)] == before
    assert [each["rows"] for each in again["growth"]["baselines"]] == [40, 40, 60, 60]


def test_losses_are_compared_over_seeds():
    """Against figures worked out by hand; the same losses give p = 1, one seed none."""
    runs = {
        "spotlight": {1: [{"val_loss": 0.3}, {"val_loss": 0.2}], 2: [{"val_loss": 0.5}] * 2},
        "keras": {
            1: [{"val_loss": 0.3}, {"val_loss": 0.9}],
            2: [{"val_loss": 0.5}, {"val_loss": 1}],
        },
    }
    found = losses.summary(runs)
    assert found["val_loss"]["spotlight"][0] == pytest.approx({"mean": 0.4, "deviation": 0.02**0.5})
    assert found["least"]["spotlight"] == pytest.approx({"mean": 0.35, "deviation": 0.045**0.5})
    assert found["p_values"][0] == pytest.approx(1)
    # t = 0.6 / √(0.045 / 2 + 0.005 / 2) = 3.795 with 1.22 degrees of freedom
    freedom = 0.025**2 / (0.0225**2 + 0.0025**2)
    assert found["p_values"][1] == pytest.approx(2 * stats.t.sf(0.6 / 0.025**0.5, freedom))
    assert found["p_values_holm"] == pytest.approx([1, 2 * found["p_values"][1]])

    single = losses.summary(
        {implementation: {1: by_seed[1]} for implementation, by_seed in runs.items()}
    )
    assert single["p_values"] == single["p_values_holm"] == []
    assert single["least"]["keras"] == {"mean": 0.3, "deviation": None}


@pytest.mark.usefixtures("light_layers")
def test_time_to_accuracy_of_three_whole_trainings(workspace, monkeypatch, capsys):
    """The recipe, stock Keras and keras.io's example, on the encoded rows of the project."""
    monkeypatch.chdir(workspace.root)
    monkeypatch.setattr(processes, "Worker", Here)
    asked = ["bench", "--parts", "accuracy", *SMALL.split(), "--out", "out"]
    assert command_line.main(asked) == 0
    document = json.loads((workspace.root / "out" / "bench.json").read_bytes())
    runs = {
        implementation: by_seed["1"]
        for implementation, by_seed in document["accuracy"]["runs"].items()
    }
    assert set(runs) == {"recipe", "keras", "example"}
    assert len(runs["keras"]) == len(runs["example"]) == 2
    for epochs in runs.values():
        times = [epoch["seconds"] for epoch in epochs]
        assert 0 < times[0] <= times[-1]
        assert times == sorted(times)
        assert all(0 <= epoch["val_accuracy"] <= 1 for epoch in epochs)
    assert "Time to accuracy" in capsys.readouterr().out

    change(workspace.root, {"dataset": "imdb"})
    with pytest.raises(ParamsError):
        accuracy.measure(workspace, None, print)


def test_an_accuracy_is_reached_at_the_end_of_the_first_epoch_that_has_it():
    """Never is None; what is lost again was reached all the same."""
    epochs = [
        {"val_accuracy": share, "seconds": after}
        for share, after in ((0.7, 10.0), (0.89, 20.0), (0.88, 30.0))
    ]
    assert accuracy.reached(epochs, 0.88) == 20
    assert accuracy.reached(epochs, 0.7) == 10
    assert accuracy.reached(epochs, 0.9) is None
