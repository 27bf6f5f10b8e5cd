"""The package, its locks, and what `make` does with them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

import pipeline
from tests.support.paths import PROJECT as ROOT

LOCKS = ROOT / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# Locks


@dataclass(frozen=True)
class Pin:
    """One package of a lock."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    @property
    def applies(self) -> bool:
        """Whether this machine's Python installs it."""
        return self.marker is None or self.marker.evaluate()


@cache
def read_lock(name: str) -> tuple[Pin, ...]:
    """The pins of locks/NAME.txt; any line that is none, and no comment, is an error."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    pins = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.strip().startswith("#"):
            written, *hashes = re.split(r"\s+--hash=", line.strip())
            requirement = Requirement(written)
            (version,) = requirement.specifier
            assert version.operator == "==", line
            pins.append(
                Pin(
                    canonicalize_name(requirement.name),
                    version.version,
                    requirement.marker,
                    tuple(hashes),
                )
            )
    return tuple(pins)


@pytest.mark.parametrize("lock", ["installer", "run", "dev"])
class TestLock:
    """What holds for every lock."""

    def test_every_package_is_pinned_with_hashes(self, lock):
        """Nothing is installed that was not looked at when the lock was made."""
        pins = read_lock(lock)
        assert pins
        for pin in pins:
            assert pin.hashes, pin
            assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in pin.hashes), pin

    def test_no_host_and_no_path(self, lock):
        """A lock serves from any registry, and tells nothing of the machine it was made on."""
        text = (LOCKS / f"{lock}.txt").read_text(encoding="utf-8")
        told = re.compile(r"://|--index|--find-links|file:|\s/")
        assert [line for line in text.splitlines() if told.search(line)] == []


def test_the_tests_run_on_what_the_pipeline_runs_on():
    """locks/dev.txt holds every pin of locks/run.txt."""
    assert set(read_lock("run")) < set(read_lock("dev"))


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("run", PROJECT["project"]["dependencies"]),
        ("dev", PROJECT["project"]["optional-dependencies"]["s3"]),
        ("dev", PROJECT["dependency-groups"]["dev"]),
        ("installer", PROJECT["dependency-groups"]["installer"]),
    ],
)
def test_locks_are_of_this_pyproject(lock, requirements):
    """A dependency added, or a range moved, without `make lock` is found."""
    pins = {pin.name: pin.version for pin in read_lock(lock) if pin.applies}
    for requirement in map(Requirement, requirements):
        assert pins.get(canonicalize_name(requirement.name), "") in requirement.specifier


def test_this_environment_holds_the_lock():
    """What the tests run on is what the lock says, version by version."""
    pins = {pin.name: pin.version for pin in read_lock("dev") if pin.applies}
    installed = {canonicalize_name(each.name): each.version for each in metadata.distributions()}
    assert {name: installed.get(name) for name in pins} == pins


def test_one_list_of_pythons():
    """Metadata, installer and workflow name the same versions of Python."""
    supported = re.search(
        "^supported='(.*)'$", (LOCKS / "install.sh").read_text(encoding="utf-8"), re.MULTILINE
    )
    workflow = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "check.yml")
    classifiers = PROJECT["project"]["classifiers"]
    named = [each.rpartition(" ")[2] for each in classifiers if "Python :: 3." in each]
    assert supported
    assert supported[1].split() == workflow["jobs"]["check"]["strategy"]["matrix"]["python"]
    assert supported[1].split() == named


# The package


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


# Setting up, with interpreters that only say what they were asked

INTERPRETER = """\
#!/bin/sh
# Python {version}, as far as locks/install.sh and the Makefile can tell.
echo "$*" >>"$LOG"
case "$1 $2" in
"-c "*_base_executable*) echo "$0" ;;
"-c "*) echo {version} ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m uv") exit "${{UV_FAILS:-0}}" ;;
"-m pipeline") echo "$PATH" >>"$LOG" ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of what `make` needs, in a folder with an awkward name."""

    root: Path
    tools: Path  # the only folder on PATH
    log: Path  # what the interpreters were asked

    def interpreter(self, name: str, version: str) -> Path:
        """Put a Python of that version on PATH."""
        path = self.tools / name
        path.write_text(INTERPRETER.format(version=version), encoding="utf-8")
        path.chmod(0o755)
        return path

    def make(self, *arguments: str, fails: bool = False, **env: str) -> str:
        """Call make from elsewhere; returns what it printed."""
        self.log.write_text("", encoding="utf-8")
        done = run(
            shutil.which("make") or "make",
            "-C",
            self.root,
            *arguments,
            cwd=self.tools,
            env={"PATH": self.tools, "LOG": self.log, **env},
            fails=fails,
        )
        return done.stdout + done.stderr

    @property
    def asked(self) -> str:
        """What the last call asked of the interpreters, beside their version."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return "\n".join(line for line in lines if not line.startswith("-c "))

    @property
    def installed(self) -> bool:
        """Whether the last call installed the locked packages."""
        return "-m uv pip sync" in self.asked and "locks/dev.txt" in self.asked


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A fresh checkout on a machine with the usual tools and Python 3.11."""
    root = tmp_path / "Ünï cödé path"
    (root / "locks").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", root)
    shutil.copy(LOCKS / "install.sh", root / "locks")
    for lock in ("installer", "dev"):
        (root / "locks" / f"{lock}.txt").write_text(f"{lock}==1.0\n", encoding="utf-8")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in [
        "sh",
        "cat",
        "cksum",
        "cp",
        "echo",
        "expand",
        "find",
        "grep",
        "mkdir",
        "mv",
        "rm",
        "sed",
    ]:
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    checkout = Checkout(root, tools, tmp_path / "log")
    checkout.interpreter("python3.11", "3.11")
    return checkout


class TestSetup:
    """`make setup`: installed once, whole, and again only when something changed."""

    def test_a_second_time_nothing_is_done(self, checkout):
        """What is installed stays."""
        said = checkout.make("setup")
        assert "3.11" in said
        assert checkout.installed
        assert "--require-hashes" in checkout.asked
        checkout.make("setup")
        assert not checkout.asked

    def test_a_changed_lock_is_installed_over_the_old(self, checkout):
        """The environment itself stays."""
        checkout.make("setup")
        (checkout.root / "locks" / "dev.txt").write_text("dev==2.0\n", encoding="utf-8")
        checkout.make("setup")
        assert checkout.installed
        assert "-m venv" not in checkout.asked

    def test_a_moved_project_gets_a_new_environment(self, checkout):
        """An environment's scripts hold the path it was made under."""
        checkout.make("setup")
        left = checkout.root / ".venv" / "left over"
        left.touch()
        moved = replace(checkout, root=checkout.root.rename(checkout.root.parent / "moved"))
        moved.make("setup")
        assert "-m venv" in moved.asked
        assert moved.installed
        assert not (moved.root / ".venv" / left.name).exists()

    def test_a_failed_installation_is_not_taken_for_a_whole_one(self, checkout):
        """The next call begins again."""
        checkout.make("setup", fails=True, UV_FAILS="1")
        checkout.make("setup")
        assert "-m venv" in checkout.asked
        assert checkout.installed

    def test_a_failed_update_is_not_taken_for_a_whole_one(self, checkout):
        """Nor is an environment half way between two locks."""
        checkout.make("setup")
        (checkout.root / "locks" / "dev.txt").write_text("dev==2.0\n", encoding="utf-8")
        checkout.make("setup", fails=True, UV_FAILS="1")
        (checkout.root / "locks" / "dev.txt").write_text("dev==1.0\n", encoding="utf-8")
        checkout.make("setup")
        assert checkout.installed

    def test_python_names_the_interpreter(self, checkout):
        """PYTHON=… replaces an environment of another version."""
        checkout.make("setup")
        other = checkout.interpreter("another python", "3.13")
        assert "3.13" in checkout.make("setup", f"PYTHON={other}")
        assert checkout.installed
        checkout.make("setup", f"PYTHON={other}")
        assert not checkout.installed

    @pytest.mark.parametrize(
        ("pythons", "arguments", "finding"),
        [
            ({"python3": "3.9", "python": "2.7"}, [], "python3 is 3.9, python is 2.7"),
            ({}, [], "no Python"),
            ({"python3.11": "3.11", "new": "3.14"}, ["PYTHON=new"], "new is 3.14"),
            ({"python3.11": "3.11"}, ["PYTHON=nowhere"], "nowhere does not run"),
        ],
    )
    def test_no_usable_python(self, checkout, pythons, arguments, finding):
        """The error names what was found and what to do, and nothing is left behind."""
        (checkout.tools / "python3.11").unlink()
        for name, version in pythons.items():
            checkout.interpreter(name, version)
        said = checkout.make("setup", *arguments, fails=True)
        assert "3.11, 3.12 or 3.13" in said
        assert finding in said
        assert "make setup PYTHON=" in said
        assert not (checkout.root / ".venv").exists()


class TestMake:
    """The other targets."""

    def test_help_knows_every_target(self, checkout):
        """`make` alone shows them all."""
        targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        shown = re.findall(r"^  make (\S+) +\S", checkout.make(), re.MULTILINE)
        assert shown == targets

    def test_stages_find_the_environment_first(self, checkout):
        """DVC starts `python`: that is the environment's, wherever make was called."""
        checkout.make("repro", "ARGS=--force evaluate")
        assert "-m pipeline repro -- --force evaluate" in checkout.asked
        path = checkout.log.read_text(encoding="utf-8").splitlines()[-1]
        assert path.split(os.pathsep)[0] == str(checkout.root / ".venv" / "bin")

    def test_a_file_with_a_blank_in_its_name(self, checkout):
        """The file's name reaches the command as one word."""
        checkout.make("add-data", "FILE=my 'own' $$reviews.csv", "NAME=mine")
        assert "-m pipeline data add my 'own' $reviews.csv mine" in checkout.asked

    def test_clean_keeps_what_cannot_be_made_again(self, checkout):
        """Runs, DVC's cache, the user's data and the tracked metrics stay; outputs go."""
        gone = ["data/raw/train.parquet", "data/encoded/e.json", "data/vectors/v.npy"]
        gone += [".spotlight/costs/a.json"]
        gone += ["results/models/a b/model.json", "results/.hidden", "tests/__pycache__/a.pyc"]
        kept = ["data/own/mine/a.csv", "results/metrics.json", "mlflow.db", "mlartifacts/a"]
        kept += [".dvc/cache/files/a", ".venv/lib/__pycache__/a.pyc", "params.yaml"]
        for name in gone + kept:
            (checkout.root / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout.root / name).touch()
        for _ in range(2):
            checkout.make("clean")
        assert [name for name in gone + kept if (checkout.root / name).exists()] == kept


# What git and DVC leave alone


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


def test_every_dataset_has_its_folder():
    """DVC refuses a dependency that is not there: data/own/NAME stands for every entry."""
    datasets = YAML(typ="safe").load(ROOT / "params.yaml")["datasets"]
    assert [name for name in datasets if not (ROOT / "data" / "own" / name).is_dir()] == []


def test_dvc_reports_nothing_to_anybody():
    """Analytics and the search for updates are off for everyone who clones."""
    shown = run(sys.executable, "-m", "dvc", "config", "--project", "--list", cwd=ROOT)
    assert {"core.analytics=false", "core.check_update=false"} <= set(shown.stdout.split())


def run(
    *command: str | Path, cwd: Path, env: dict[str, str | Path] | None = None, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command outside of any `make` that the tests themselves run under."""
    make = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ARGS", "PYTHON", "FILE", "NAME")
    clean = {name: value for name, value in os.environ.items() if name not in make}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean | {name: str(value) for name, value in (env or {}).items()},
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done
