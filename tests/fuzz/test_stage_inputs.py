"""No stage takes a damaged file of another stage's for what that wrote."""

import contextlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.core import params
from pipeline.core.files import read_json, sealed_folder
from pipeline.core.predictions import read_predictions, write_predictions
from pipeline.core.sequences import read_sequences
from pipeline.errors import ArtifactError
from pipeline.stages import download, encode, evaluate, reference
from pipeline.tracking import records
from pipeline.workspace import Workspace
from tests.support import project_results as results
from tests.support.fuzz import FUZZED, damaged
from tests.support.paths import PARAMS, PROJECT
from tests.support.project import change

MODEL, SEED = "bilstm_attention", 1


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A project whose stages have run, but for a model, which is made up."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(PARAMS, root / "params.yaml")
    shutil.copytree(PROJECT / "locks", root / "locks")
    small = {
        "models": [MODEL],
        "seeds": [SEED],
        "evaluate.resamples": 100,
        "datasets.demo.source.train": 200,
        "datasets.demo.source.test": results.ROWS["test"],
        "datasets.demo.encode.vocabulary": 100,
    }
    change(root, small)
    made = Workspace(root)
    for stage in (download, encode, reference):
        stage.run(made)
    results.write_model(made, params.load_params(made.params), MODEL, SEED, 0.9)
    folder = made.model(MODEL, SEED)
    with sealed_folder(folder, stage="train") as sealed:
        shutil.copytree(folder, sealed, dirs_exist_ok=True)
        for split in ("validation", "test"):
            rows = read_sequences(made.encoded / f"{split}.parquet")
            predicted = read_predictions(folder / f"{split}.parquet")
            outputs = np.resize(predicted.outputs, (len(rows), 2))
            known = replace(predicted, rows=rows.rows, targets=rows.targets, outputs=outputs)
            write_predictions(sealed / f"{split}.parquet", known)
    with pytest.MonkeyPatch.context() as patch:
        for images in ("plot_images", "run_images"):  # which no stage reads
            patch.setattr(f"pipeline.evaluation.outputs.{images}", lambda *_: {})
        evaluate.run(made)
        yield made


RAW, ENCODED = "data/raw", "data/encoded"
RUN, BASELINE = f"results/models/{MODEL}-{SEED}", "results/reference/tfidf_logistic_regression"
PREDICTED = [f"{folder}/{split}.parquet" for folder in (RUN, BASELINE)
             for split in ("validation", "test")]  # fmt: skip
CARDS = [f"{folder}/model.json" for folder in (RUN, BASELINE)]
READS = {
    encode.run: [f"{RAW}/{name}" for name in ("card.json", "train.parquet", "test.parquet")],
    reference.run: [
        *(f"{RAW}/{name}" for name in ("train.parquet", "test.parquet")),
        f"{ENCODED}/encoding.json",
        *(f"{ENCODED}/{name}.parquet" for name in ("train", "validation", "test")),
    ],
    evaluate.run: [
        *(f"{RAW}/{name}" for name in ("card.json", "test.parquet")),
        *(f"{ENCODED}/{name}" for name in ("encoding.json", "test.parquet")),
        f"{RUN}/history.csv",
        "results/reference/references.json",
        *PREDICTED,
        *CARDS,
    ],
    lambda workspace: records.collect(workspace, [(MODEL, SEED)]): [
        f"{RUN}/history.csv",
        *PREDICTED,
        *CARDS,
    ],
}


@FUZZED
@given(data=st.data())
def test_a_damaged_input_is_refused(workspace, data):
    """By each stage that reads it, in words."""
    run = data.draw(st.sampled_from(list(READS)))
    path = workspace.root / data.draw(st.sampled_from(READS[run]))
    content = path.read_bytes()
    broken = data.draw(damaged(content))
    assume(broken != content)
    path.write_bytes(broken)
    try:
        with pytest.raises(ArtifactError, match=r"was changed|holds"):
            run(workspace)
    finally:
        path.write_bytes(content)


@FUZZED
@given(data=st.data())
def test_a_flipped_bit_changes_nothing_in_the_comparison(workspace, data):
    """It is white space, or the seal's own name, or found."""
    path, known = workspace.comparison, read_json(workspace.comparison)
    content = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    broken = bytearray(content)
    broken[bit // 8] ^= 1 << bit % 8
    path.write_bytes(broken)
    try:
        with contextlib.suppress(ArtifactError):
            found = read_json(path)
            assert {key: found[key] for key in known if key != "seal"} == {
                key: value for key, value in known.items() if key != "seal"
            }
    finally:
        path.write_bytes(content)


def test_what_is_whole_is_read(workspace):
    """By the same stages, so that they refuse what is damaged, and nothing else."""
    before = workspace.comparison.read_bytes()
    for run in READS:
        run(workspace)
    assert workspace.comparison.read_bytes() == before
