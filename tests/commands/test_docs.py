"""README.md, docs/ and the other documents: their tables, links and commands."""

import json
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.commands import docs
from pipeline.core.params import load_params
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.documentation.kept import RECORD
from pipeline.documentation.parameters import anchor
from pipeline.evaluation.condensed import expand
from pipeline.workspace import Workspace
from tests.support.paths import PROJECT

DOCUMENTS = {
    path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8")
    for path in docs.documents(PROJECT)
}
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the documents and of what their tables come from; the current folder."""
    for name, outputs in {"docs": [], "pipeline": [], "studies": ["data", "models"]}.items():
        ignored = shutil.ignore_patterns("__pycache__", ".spotlight", *outputs)
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    for name in (*DOCUMENTS, "dvc.yaml", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_runs(workspace):
    """A baseline, and as many runs as the parameters have, of three rows each."""
    settings = load_params(workspace.params)
    workspace.references.mkdir(parents=True)
    (workspace.references / "references.json").write_text('["simple"]')
    runs = [workspace.model(model, seed) for model, seed in settings.runs]
    for folder in (workspace.reference("simple"), *runs):
        folder.mkdir(parents=True)
        (folder / "model.json").write_text('{"parameters": 1}')
        outputs = np.float32([[0.2, 0.8], [0.5, 0.5], [1, 0]])
        for split in ("validation", "test"):
            predictions = Predictions(np.arange(3), np.array([1, 0, 1]), outputs)
            write_predictions(folder / f"{split}.parquet", predictions)


class TestCommand:
    """`python -m pipeline docs`."""

    def test_the_documents_here_are_up_to_date(self, monkeypatch, capsys):
        """Nobody has edited a table, or a result without `make docs`."""
        monkeypatch.chdir(PROJECT)
        assert main(["docs", "--check"]) == 0, capsys.readouterr().err

    def test_a_stale_table_is_named_then_written_once(self, project, capsys):
        """--check writes nothing; a second writing changes nothing."""
        path = project / "docs" / "results.md"
        current = path.read_bytes()
        stale = current.replace(b"| `bilstm` |", b"| `bilstmm` |")
        assert stale != current
        path.write_bytes(stale)
        assert main(["docs", "--check"]) == 1
        said = capsys.readouterr().err
        assert "docs/results.md" in said
        assert "README.md" not in said
        assert "make docs" in said
        assert path.read_bytes() == stale
        for _ in range(2):
            assert main(["docs"]) == 0
            assert path.read_bytes() == current

    def test_every_dataset_in_git_is_shown(self, project):
        """A further folder under docs/results is enough."""
        results = project / "docs" / "results"
        shutil.copytree(results / "demo", results / "another")
        assert main(["docs"]) == 0
        shown = (project / "docs" / "results.md").read_text(encoding="utf-8")
        assert shown.index("[another](#another)") < shown.index("### demo")
        assert shown.index("### demo") < shown.index("### another")
        assert "`dvc exp run -S dataset=another` with [these" in shown
        assert "[another](docs/results.md#another)" in (project / "README.md").read_text("utf-8")

    def test_measurements_in_git_are_shown(self, project):
        """As `bench` writes them, with their plot; without them a sentence says so."""
        page = project / "docs" / "performance.md"
        folder = project / "docs" / "results" / "bench"
        shutil.rmtree(folder, ignore_errors=True)
        assert main(["docs"]) == 0
        assert "No measurements are in git." in page.read_text(encoding="utf-8")
        machine = {"processor": "An Abacus", "threads": 2, "cores": 2, "memory_gb": 1}
        document = {
            "date": "2026-11-25",
            "machine": {**machine, "python": "3.11", "libraries": {"keras": "3"}},
            "sizes": {"vocabulary": 9, "embedding": 4, "units": 2, "max_len": 5},
            "corpus": "drawn rows",
            "length": [{"length": 7, "seconds_per_step": 0.25, "train_peak_mb": 12.0}],
        }
        folder.mkdir()
        (folder / "bench.json").write_text(json.dumps(document), encoding="utf-8")
        (folder / "bench.png").touch()
        assert main(["docs"]) == 0
        shown = page.read_text(encoding="utf-8")
        assert "Measured on 2026-11-25 with An Abacus" in shown
        assert "| 250 ms          | 12 MB " in shown
        assert "](results/bench/bench.png)" in shown

    @pytest.mark.parametrize("attends", [True, False])
    def test_results_are_kept_under_their_datasets_name(self, project, attends):
        """With date and machine, and with a picture if a model has attention."""
        demo = project / "docs" / "results" / "demo"
        workspace = Workspace(project)
        kept = {path.name: path.read_bytes() for path in demo.iterdir()}
        comparison = json.loads(kept["comparison.json"]) | {
            "dataset": "mine",
            "attention": {"model": "bilstm_attention"} if attends else None,
        }
        picture = workspace.explanations / "bilstm_attention-1" / "attention.png"
        picture.parent.mkdir(parents=True)
        picture.write_bytes(b"the first seed's")
        del comparison["seal"]  # of what the stage wrote
        workspace.comparison.write_text(json.dumps(comparison), encoding="utf-8")
        for path in (workspace.metrics, workspace.params, workspace.lock):
            path.write_bytes(kept[path.name])
        (workspace.explanations / "faithfulness.json").write_bytes(kept["faithfulness.json"])
        write_runs(workspace)
        copied = docs.keep_results(workspace)
        assert copied == demo.parent / "mine"
        assert {path.name for path in copied.iterdir()} == {*kept, "test.parquet"} - (
            set() if attends else {"attention.png"}
        )
        predicted = expand(pq.read_table(copied / "test.parquet"))
        seeds = len(load_params(workspace.params).seeds)
        assert [len(runs) for runs in predicted.values()] == [1, seeds, seeds]
        if attends:
            assert (copied / "attention.png").read_bytes() == b"the first seed's"
        record = json.loads((copied / RECORD).read_bytes())
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
        assert record["machine"].keys() == json.loads(kept[RECORD])["machine"].keys()


# What the documents say of the repository


def links():
    """(document, target) of every link that stays within the repository."""
    for name, text in DOCUMENTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
            if not re.match(r"[a-z]+:", target):
                yield name, target


def anchors(name):
    """The anchors of a document's headings."""
    return {
        anchor(heading)
        for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", DOCUMENTS[name]), re.MULTILINE)
    }


@pytest.mark.parametrize(("name", "target"), sorted(set(links())))
def test_a_link_leads_somewhere(name, target):
    """The file is there, and so is the heading."""
    path, _, heading = target.partition("#")
    found = (PROJECT / name).parent / path if path else PROJECT / name
    assert found.exists()
    if heading:
        assert heading in anchors(found.resolve().relative_to(PROJECT.resolve()).as_posix())


def test_the_readme_is_short():
    """A newcomer reads it to the end."""
    assert len(DOCUMENTS["README.md"].splitlines()) <= 160


def test_the_readme_names_every_folder_of_the_package():
    """And no other."""
    (row,) = (
        line for line in DOCUMENTS["README.md"].splitlines() if line.startswith("| `pipeline/`")
    )
    folders = {path.parent.name for path in (PROJECT / "pipeline").glob("*/__init__.py")}
    assert set(re.findall(r"`(\w+)`", row)) == folders


def commands(pattern):
    """(document, words) of every command of that kind in code."""
    for name, text in DOCUMENTS.items():
        code = "\n".join([*FENCE.findall(text), *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))])
        for words in re.findall(pattern, code, re.MULTILINE):
            yield name, words


def test_every_make_target_is_there():
    """As the Makefile spells it."""
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    used = set(commands(r"(?:^|&& )make ([a-z-]+)"))
    assert used
    assert {(name, target) for name, target in used if target not in targets} == set()


def test_every_command_of_the_package_is_there(capsys):
    """As `python -m pipeline` spells it, with its options."""
    used = set(commands(r"^python -m pipeline ((?:[a-z-]+ ?)+)"))
    assert used
    for name, words in used:
        command, *rest = words.split()
        action = rest[:1] if command == "data" else []
        with pytest.raises(SystemExit) as ended:
            main([command, *action, "--help"])
        shown = capsys.readouterr().out
        assert ended.value.code == 0, (name, words)
        assert all(option in shown for option in rest if option.startswith("--")), (name, words)
