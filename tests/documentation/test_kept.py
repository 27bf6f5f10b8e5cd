"""Seeds that came later: compared as if all had been trained together, or refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands import docs
from pipeline.core.params import load_params
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.documentation import tables
from pipeline.documentation.kept import (
    ALL_SEEDS,
    check_seeds,
    compare_all_seeds,
    read_kept,
    read_runs,
    row_groups,
)
from pipeline.errors import ArtifactError
from pipeline.evaluation.condensed import condense
from pipeline.evaluation.results import ModelResult
from pipeline.workspace import Workspace
from tests.support.paths import PROJECT

DEMO = PROJECT / "docs" / "results" / "demo"
MODELS = ("bilstm", "bilstm_attention")
LAST = (7, 8)  # the seeds that came later
LENGTHS = np.arange(2000)  # any
IN_GIT = sorted((PROJECT / "docs" / "results").glob(f"*/{ALL_SEEDS}"))


def results(seeds):
    """The demo's baselines, and its models with those seeds, by the predictions in git."""
    found = []
    for name, runs in read_runs(DEMO).items():
        chosen = [None] if None in runs else list(seeds)
        test = tuple(runs[seed] for seed in chosen)
        trained = () if None in runs else tuple(seeds)
        found.append(ModelResult(name, trained, 1, test, test))
    return found


@pytest.fixture
def folder(tmp_path):
    """The demo's results, as if the last seeds had not been trained."""
    folder = tmp_path / "docs" / "results" / "demo"
    shutil.copytree(DEMO, folder)
    pq.write_table(condense(results(range(1, 7))), folder / "test.parquet")
    metrics = json.loads((folder / "metrics.json").read_text())
    for name in MODELS:
        metrics["models"][name]["seeds"] = 6
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def assert_same_pairs(found, expected):
    """The same verdicts, and the same figures up to another processor's rounding."""
    for own, other in zip(found, expected, strict=True):
        names = ("first", "second", "verdict")
        assert [own[name] for name in names] == [other[name] for name in names]
        for end in ("difference", "low", "high"):
            assert own[end] == pytest.approx(other[end], abs=1e-5)
        assert own["p_value_holm"] == pytest.approx(other["p_value_holm"], abs=0.01)


def settings(folder, **changes):
    """The demo's parameters with the last seeds, and with other changes."""
    text = (folder / "params.yaml").read_text()
    for old, new in {"seeds: [1, 2, 3, 4, 5, 6, 7, 8]": "seeds: [7, 8]", **changes}.items():
        assert old in text, old
        text = text.replace(old, new)
    path = folder.parent / "params.yaml"
    path.write_text(text)
    return load_params(path)


def add(folder):
    """Lay the last seeds beside the others, the way the command does."""
    part = folder / "later" / "1"
    part.mkdir(parents=True)
    networks = [one for one in results(LAST) if not one.deterministic]
    pq.write_table(condense(networks), part / "test.parquet")
    record = json.loads((folder / "record.json").read_text())
    told = {"models": MODELS, "seeds": LAST, **record}
    (part / "record.json").write_text(json.dumps(told))
    metrics = json.loads((DEMO / "metrics.json").read_text())["models"]
    metrics = {name: {**metrics[name], "seeds": 2} for name in MODELS}
    metrics["bilstm_attention"]["validation"]["log_loss"]["mean"] += 0.8
    (part / "metrics.json").write_text(json.dumps({"models": metrics}))


def test_all_seeds_are_compared_as_if_trained_together(folder):
    """Differences, intervals and verdicts are those of all; what is chosen, by all seeds."""
    add(folder)
    found = compare_all_seeds(folder, LENGTHS, None)
    expected = json.loads((DEMO / "comparison.json").read_text())
    assert_same_pairs(found["comparison"]["pairs"], expected["pairs"])
    measured = json.loads((DEMO / "metrics.json").read_text())["models"]
    for name in MODELS:
        assert found["comparison"]["models"][name]["seeds"] == list(range(1, 9))
        own, whole = found["metrics"]["models"][name], measured[name]
        assert (own["seeds"], own["test"]["accuracy"]) == (8, whole["test"]["accuracy"])
        assert own["ensemble"]["parameters"] == whole["ensemble"]["parameters"]
        assert own["ensemble"]["test"]["accuracy"] == whole["ensemble"]["test"]["accuracy"]
        assert own["test"]["log_loss"]["mean"] == pytest.approx(
            whole["test"]["log_loss"]["mean"], abs=1e-4
        )
    # Two of eight seeds have a loss that is larger by 0.8, on average 0.2.
    before = expected["champion"]["candidates"]["bilstm_attention"]["mean"]
    champion = found["comparison"]["champion"]
    assert champion["candidates"]["bilstm_attention"]["mean"] == pytest.approx(before + 0.2)
    assert champion["model"] == "bilstm"
    assert found["comparison"]["by_length"]["bins"][0]["low"] == 0
    assert compare_all_seeds(folder, None, None)["comparison"]["by_length"] is None
    assert [one["seeds"] for one in found["later"]] == [[7, 8]]


def test_what_is_kept_reads_as_one(folder):
    """With the date and machine of both."""
    assert read_kept(folder).metrics["models"]["bilstm"]["seeds"] == 6
    add(folder)
    (folder / ALL_SEEDS).write_text(json.dumps(compare_all_seeds(folder, LENGTHS, None)))
    kept = read_kept(folder)
    assert kept.metrics["models"]["bilstm"]["seeds"] == 8
    assert kept.comparison["method"] == json.loads((DEMO / "comparison.json").read_text())["method"]
    assert kept.comparison["champion"]["model"] == "bilstm"
    assert "Seeds 7 and 8 came later, 20" in kept.provenance
    one = replace(kept, later=[{**kept.later[0], "models": ["bilstm"]}])
    assert "Seeds 7 and 8 of `bilstm` came later, 20" in one.provenance


def test_further_seeds_of_the_same_are_accepted(folder):
    """Once."""
    check_seeds(folder, settings(folder), results(LAST))
    add(folder)
    with pytest.raises(ArtifactError, match=r"Of 'bilstm', .* kept already: 7 and 8"):
        check_seeds(folder, settings(folder), results(LAST))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("units: 32", "units: 16", r"'bilstm' was trained differently: units 16 \(kept: 32\)"),
        ("max_len: 240", "max_len: 99", r"encoded differently: max_len 99 \(kept: 240\)"),
    ],
)
def test_another_recipe_is_refused(folder, old, new, told):
    """Naming the key with both values."""
    with pytest.raises(ArtifactError, match=told):
        check_seeds(folder, settings(folder, **{old: new}), results(LAST))


def test_other_data_are_refused(folder):
    """Other test rows, a baseline that was fitted to others, a model that isn't kept, and none."""
    own = settings(folder)
    simple, *others = results(LAST)
    half = Predictions(*(part[:999] for part in vars(simple.test[0]).values()))
    shorter = ModelResult(simple.name, (), 1, (half,), (half,))
    with pytest.raises(ArtifactError, match=r"999 rows against 2000"):
        check_seeds(folder, own, [shorter])
    run = simple.test[0]
    turned = Predictions(run.rows, run.targets, run.outputs[:, ::-1])
    fitted = ModelResult(simple.name, (), 1, (turned,), (turned,))
    with pytest.raises(ArtifactError, match=r"fitted to other data"):
        check_seeds(folder, own, [fitted, *others])
    with pytest.raises(ArtifactError, match=r"have no 'bilstm_new'"):
        check_seeds(folder, own, [ModelResult("bilstm_new", LAST, 1, (run, run), (run, run))])
    with pytest.raises(ArtifactError, match=r"no results of 'other'"):
        check_seeds(folder.parent / "other", own, results(LAST))


@pytest.fixture
def workspace(folder):
    """A project that has trained the last seeds, and keeps the others."""
    root = folder.parents[2]
    workspace = Workspace(root)
    settings(folder)
    shutil.move(folder.parent / "params.yaml", workspace.params)
    shutil.copy(folder / "dvc.lock", workspace.lock)
    found = results(LAST)
    names = [one.name for one in found if one.deterministic]
    for one in found:
        for seed, run in zip(one.seed_names, one.test, strict=True):
            place = workspace.reference(one.name) if seed is None else None
            place = place or workspace.model(one.name, seed)
            place.mkdir(parents=True)
            (place / "model.json").write_text('{"parameters": 1}')
            for split in ("validation", "test"):
                write_predictions(place / f"{split}.parquet", run)
    (workspace.references / "references.json").write_text(json.dumps(names))
    for path in (workspace.raw, workspace.encoded):
        path.mkdir(parents=True)
    (workspace.raw / "card.json").write_text('{"source": {}}')
    pq.write_table(pa.table({"total": LENGTHS}), workspace.encoded / "test.parquet")
    return workspace


def test_the_command_adds_them_once(workspace, folder):
    """The tables show all seeds; a second time nothing is touched."""
    assert docs.keep_seeds(workspace) == folder
    assert {path.name for path in (folder / "later" / "1").iterdir()} == {
        *("dvc.lock", "metrics.json", "params.yaml", "record.json", "test.parquet")
    }
    shown = tables.datasets([read_kept(folder)])
    assert "| `bilstm` | 8 |" in shown
    assert "Seeds 7 and 8 came later" in shown
    assert f"| {LENGTHS[0]}–" in shown
    before = sorted(folder.rglob("*"))
    with pytest.raises(ArtifactError, match=r"kept already"):
        docs.keep_seeds(workspace)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("path", IN_GIT, ids=[path.parent.name for path in IN_GIT])
def test_what_all_seeds_say_in_git_follows_from_the_predictions_in_git(path):
    """Metrics, pairs and verdicts; accuracy by length needs the texts' lengths, which aren't."""
    kept = json.loads(path.read_text())
    rows = pq.read_metadata(path.parent / "test.parquet").num_rows
    found = compare_all_seeds(path.parent, None, row_groups(path.parent, rows))
    for name, own in found["metrics"]["models"].items():
        other = kept["metrics"]["models"][name]
        assert own["seeds"] == other["seeds"]
        for metric, value in own["test"].items():
            assert value["mean"] == pytest.approx(other["test"][metric]["mean"], abs=1e-5), metric
    for key in ("models", "champion", "use"):
        assert found["comparison"][key] == kept["comparison"][key]
    assert_same_pairs(found["comparison"]["pairs"], kept["comparison"]["pairs"])
    by_length = kept["comparison"]["by_length"]
    assert sum(part["rows"] for part in by_length["bins"]) == rows
    weights = [part["rows"] / rows for part in by_length["bins"]]
    for name, points in by_length["models"].items():
        mean = sum(
            weight * point["accuracy"] for weight, point in zip(weights, points, strict=True)
        )
        assert mean == pytest.approx(found["metrics"]["models"][name]["test"]["accuracy"]["mean"])
