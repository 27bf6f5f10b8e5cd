"""Recursive ROAR: masks, runs that are kept, and the area between curves by hand."""

import numpy as np
import pytest

from pipeline.commands import roar
from pipeline.core.files import read_json, write_json
from pipeline.core.predictions import SPLITS
from pipeline.core.schema import read_yaml
from pipeline.core.sequences import Sequences, read_sequences
from pipeline.documentation import study_tables
from pipeline.encoding.tokenizer import UNKNOWN_ID
from pipeline.errors import ParamsError
from pipeline.evaluation.pairwise import NOT_TOLD_APART, TOO_FEW_SEEDS
from pipeline.evaluation.significance import Bootstrap
from pipeline.explanation.gradients import Attributions
from pipeline.models.network import Network
from pipeline.studies.roar import runs, summary
from pipeline.studies.roar.masking import mask, score
from pipeline.studies.roar.racu import area, area_between, racu
from pipeline.studies.roar.settings import RANDOM, load_study
from pipeline.workspace import Workspace
from tests.support.cells import in_this_process
from tests.support.paths import PARAMS, PROJECT
from tests.support.project import change
from tests.support.tracked import study_runs
from tests.support.training import add_ngrams, encoded_workspace

STUDY = """
dataset: demo
model: bilstm_attention
methods: [attention]
ratios: [0.5]
seeds: [1]
integration_steps: 2
threads: 1
"""
ROWS = Sequences(
    rows=np.arange(2),
    targets=np.array([0, 1]),
    starts=np.array([0, 5, 7]),
    values=np.array([5, 6, 7, 8, 9, 5, 6], np.int32),
)
SCORES = np.array([0.1, -0.9, 0.3, 0.8, 0.2, 0.5, 0.5])
TIES = np.array([0, 0, 0, 0, 0, 1, 0])


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A few encoded rows, and a small study of them."""
    monkeypatch.setattr("pipeline.core.runtime.pin_threads", lambda _: None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = encoded_workspace(tmp_path)
    change(tmp_path, {"evaluate.resamples": 100})
    write_json(made.raw / "card.json", {"source": {}})
    made.roar_study.base.mkdir(parents=True)
    made.roar_study.params.write_text(STUDY)
    return made


def test_the_largest_scores_are_masked_up_to_the_ratio():
    """By absolute value, rounded up, row by row; equal ones by the given order."""
    masked = mask(ROWS, SCORES, 0.4, ties=TIES)
    assert masked.values.tolist() == [5, 1, 7, 1, 9, 5, 1]
    assert masked.values.dtype == np.int32
    assert ROWS.values.tolist() == [5, 6, 7, 8, 9, 5, 6]


def test_what_is_masked_stays_masked():
    """Whatever its score is now, it counts; in the end every word is masked."""
    once = mask(ROWS, SCORES, 0.2, ties=TIES)
    assert once.values.tolist() == [5, 1, 7, 8, 9, 5, 1]
    again = mask(once, np.array([0.1, 0.0, 0.2, 0.3, 0.9, 0.5, 0.5]), 0.6, ties=TIES)
    assert again.values.tolist() == [5, 1, 7, 1, 1, 1, 1]
    assert set(mask(again, SCORES, 1.0, ties=TIES).values) == {UNKNOWN_ID}


@pytest.mark.parametrize(
    ("method", "said", "points"),
    [("gradient_input", 1, 0), ("gradient_norm", 2, 0), ("integrated_gradients", 3, 8)],
)
def test_a_method_gives_its_own_scores(monkeypatch, method, said, points):
    """Only integrated gradients pay for the points on the way."""
    asked = []

    def attribute(_rows, _network, *, points):
        asked.append(points)
        return Attributions(*(np.full(7, value) for value in (1.0, 2.0, 3.0)), error=0.0)

    monkeypatch.setattr("pipeline.explanation.gradients.attribute", attribute)
    monkeypatch.setattr("pipeline.explanation.gradients.reader", lambda _: None)
    assert (score(method, Network(None, None), ROWS, points=8) == said).all()
    assert asked == [points]


@pytest.mark.slow
def test_each_run_learns_from_the_masks_before_it(workspace, monkeypatch, capsys):
    """A curve for each method, both ends shared; finished runs are kept, the rest follows."""
    part = workspace.roar_study
    add_ngrams(workspace)
    ran = in_this_process(monkeypatch)
    roar.run(workspace, jobs=2, only=None)
    assert ran == [["roar", "--only", f"{method}-1"] for method in (RANDOM, "attention")]
    assert TOO_FEW_SEEDS in capsys.readouterr().out
    study, found = load_study(part.params), read_json(part.summary)
    rows = (part.results / "results.csv").read_text().splitlines()
    assert [row.rpartition("1,")[0].split(",")[:2] for row in rows[1:]] == [
        *([RANDOM, ratio] for ratio in ("0.0", "0.5", "1.0")),
        ["attention", "0.5"],
    ]
    for method in (RANDOM, *study.methods):
        for split in SPLITS:
            full = read_sequences(workspace.encoded / f"{split}.parquet")
            before = np.zeros(len(full.values), bool)
            for run in study.curve(method, 1)[1:]:
                data = Workspace(part.scratch / run.name).encoded / f"{split}.parquet"
                values = read_sequences(data).values
                masked = values == UNKNOWN_ID
                assert (masked | ~before).all()
                assert (values[~masked] == full.values[~masked]).all()
                counts = np.add.reduceat(masked, full.starts[:-1], dtype=int)
                assert (counts == np.ceil(run.ratio * full.lengths)).all()
                before = masked
    for run in study.curve("attention", 1)[1:]:
        data = Workspace(part.scratch / run.name).encoded
        for name in ("bigrams.npy", "trigrams.npy"):
            assert (data / name).read_bytes() == (workspace.encoded / name).read_bytes()
    tracked = study_runs(workspace, "roar")
    assert set(tracked) == {
        *(f"demo/{name}" for name in ("random-1-0", "random-1-0.5", "random-1-1")),
        "demo/attention-1-0.5",
        "summary",
    }
    half = tracked["demo/attention-1-0.5"].data
    assert (half.metrics["ratio"], half.params["method"]) == (0.5, "attention")
    assert f"{half.metrics['test/accuracy']:.6g}" == rows[-1].split(",")[3]
    assert (part.results / "accuracy_by_ratio.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(
        "pipeline.studies.training.train_model", lambda *_, **__: pytest.fail("trained again")
    )
    monkeypatch.setattr(runs, "mask", lambda *_, **__: pytest.fail("masked again"))
    roar.run(workspace, jobs=1, only=None)
    assert read_json(part.summary) == found
    assert set(study_runs(workspace, "roar")) == set(tracked)


@pytest.mark.parametrize(
    ("project", "study", "said"),
    [
        ({"dataset": "imdb"}, {}, "params.yaml selects 'imdb'"),
        ({"datasets.demo.encode.tokenizer": "bpe"}, {}, "no unknown word to mask with"),
        ({}, {"model": "bilstm"}, "bilstm has no attention"),
        ({}, {"ratios": [0.7, 0.4]}, "from the smallest to the largest"),
        ({}, {"seeds": [1, 1]}, "each value once"),
    ],
)
def test_what_cannot_be_studied_is_refused(workspace, project, study, said):
    """Before anything is trained."""
    change(workspace.root, project)
    change(workspace.roar_study.base, study)
    with pytest.raises(ParamsError, match=said):
        runs.run_study(workspace, workspace.roar_study)


def test_the_committed_study_is_valid():
    """Its dataset is an entry of params.yaml."""
    study = load_study(Workspace(PROJECT).roar_study.params)
    assert study.dataset in read_yaml(PARAMS)["datasets"]


RATIOS = np.array([0.0, 0.5, 1.0])
BOOTSTRAP = Bootstrap(confidence=0.95, resamples=500, seed=0)


def curves(*shares, seeds=3, rows=200):
    """<float64>[seeds, ratios, rows] with these shares of right rows, the same for every seed."""
    right = np.arange(rows) < np.round(np.array(shares) * rows)[:, None]
    return np.repeat(right[None].astype(float), seeds, axis=0)


def test_racu_is_the_papers_formula():
    """By hand: half of Δx · (Δp_i + Δp_{i+1}), over the same with the fully masked baseline."""
    random, method = curves(0.9, 0.8, 0.5), curves(0.9, 0.6, 0.5)
    between = 0.5 * 0.5 * ((0 + 0.2) + (0.2 + 0))
    possible = 0.5 * 0.5 * ((0.4 + 0.3) + (0.3 + 0))
    found = racu(method, random, RATIOS, BOOTSTRAP)
    assert found.estimate == pytest.approx(between / possible)  # 0.4
    assert found.low < found.estimate < found.high
    assert area_between(method, random, RATIOS, BOOTSTRAP).estimate == pytest.approx(between)
    worse = racu(curves(0.9, 0.9, 0.5), random, RATIOS, BOOTSTRAP)
    assert worse.estimate == pytest.approx(-0.05 / 0.25)


def test_uneven_ratios_weigh_by_their_distance():
    """A row that is right up to 0.1 has the area 0.1 and half of the fall to 0.5."""
    right = np.array([[[1.0], [1.0], [0.0], [0.0]]])
    assert area(right, np.array([0, 0.1, 0.5, 1])).tolist() == [[pytest.approx(0.3)]]


def test_no_share_is_taken_of_no_area():
    """Where random masks cost nothing, RACU is not defined, and the sentence says so."""
    flat = curves(0.5, 0.5, 0.5)
    assert racu(flat, flat, RATIOS, BOOTSTRAP) is None
    found = summary.summarize({RANDOM: flat, "attention": flat}, tuple(RATIOS), BOOTSTRAP)
    assert "Attention, RACU not defined" in found["sentences"][0]


def test_the_verdict_can_be_no():
    """One method like random, one that holds; and one seed is too few for either."""
    right = {
        RANDOM: curves(0.9, 0.8, 0.5),
        "attention": curves(0.9, 0.8, 0.5),
        "gradient_input": curves(0.9, 0.55, 0.5),
        "integrated_gradients": curves(0.9, 0.54, 0.5),
    }
    found = summary.summarize(right, tuple(RATIOS), BOOTSTRAP)
    attention, gradient, integrated, best = found["sentences"]
    assert "RACU 0.00 (95 % interval 0.00 to 0.00): its ranking is not told apart" in attention
    assert "RACU 0.50 (" in gradient
    assert "its ranking holds more than a random one" in gradient
    assert "cost +12.5 points of accuracy more" in gradient
    assert best == (
        "The ranking that costs most is integrated gradients: told apart from attention, "
        "not told apart from gradient × input."
    )
    table = study_tables.roar(found | {"model": "m", "dataset": "d", "seeds": [1, 2, 3]})
    assert "| gradient × input | 90.0 ± 0.0 | 55.0 ± 0.0 | 50.0 ± 0.0 | 0.50 (" in table
    assert integrated in table

    few = {name: one[:1] for name, one in right.items()}
    assert {
        pair["verdict"] for pair in summary.summarize(few, tuple(RATIOS), BOOTSTRAP)["pairs"]
    } == {TOO_FEW_SEEDS}
    same = dict.fromkeys((RANDOM, "attention"), right[RANDOM])
    found = summary.summarize(same, tuple(RATIOS), BOOTSTRAP)
    assert found["pairs"][0]["verdict"] == NOT_TOLD_APART
    assert found["sentences"][-1] == "No method’s ranking is shown to hold more than a random one."
