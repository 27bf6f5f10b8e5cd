"""The package, and what git and DVC leave alone."""

import shutil
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import pipeline
from tests.support.paths import PROJECT as ROOT
from tests.support.processes import run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The package, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_whole_package(wheel):
    """Modules, templates and all else under pipeline/ are in it, and nothing from outside."""
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipeline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == files


def test_the_installed_command_starts(wheel, tmp_path):
    """`spotlight --help` works where the package is installed, outside the repository."""
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run(*pip, "--target", site, wheel, cwd=tmp_path)
    shown = run(site / "bin" / "spotlight", "--help", cwd=tmp_path, env={"PYTHONPATH": site})
    assert "usage:" in shown.stdout
    (installed,) = metadata.distributions(path=[str(site)])
    assert (installed.name, installed.version) == ("spotlight-attention", pipeline.__version__)


def test_git_ignores_outputs_and_scratch(tmp_path):
    """Outputs belong to DVC, stores and scratch to nobody; the metrics belong to git."""
    ignored = ["data/raw/train.parquet", "data/encoded/encoding.json", "results/report.html"]
    ignored += ["results/models/bilstm-1/model.json", ".spotlight/costs/a.json", "mlflow.db"]
    ignored += ["mlflow.db-wal", "mlartifacts/1/a", ".venv/bin/python"]
    tracked = ["results/metrics.json", "data/own/demo/.gitkeep", "dvc.lock", "params.yaml"]
    shutil.copy(ROOT / ".gitignore", tmp_path)
    run("git", "init", "--quiet", cwd=tmp_path)
    asked = run("git", "check-ignore", *ignored, *tracked, cwd=tmp_path)
    assert asked.stdout.splitlines() == ignored


def test_dvc_reports_nothing_to_anybody():
    """Analytics and the search for updates are off for everyone who clones."""
    shown = run(sys.executable, "-m", "dvc", "config", "--project", "--list", cwd=ROOT)
    assert {"core.analytics=false", "core.check_update=false"} <= set(shown.stdout.split())
