"""What `make` does, with interpreters that only say what they were asked."""

import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import LONGEST
from tests.support.paths import PROJECT as ROOT
from tests.support.processes import run

LOCKS = ROOT / "locks"

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
        "chmod",
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

    def test_a_text_reaches_the_command_as_it_was_typed(self, checkout):
        """Neither make nor the shell reads quotes, spaces, dollars or backquotes in it."""
        text = """It's "fun" for $5, `or` $(so)  \\ -- really"""
        checkout.make("predict", f"TEXT={text}")
        assert f"-m pipeline predict --explain -- {text}" in checkout.asked
        checkout.make("predict", "ARGS=--file reviews.csv --out answers.csv")
        assert checkout.asked.splitlines()[0].endswith(
            "predict --file reviews.csv --out answers.csv"
        )

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


def test_the_files_that_begin_the_tests_are_there():
    """A file that was renamed would run late, in silence."""
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
