"""The locks: pinned, hashed, of this pyproject.toml, and what this environment holds."""

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from tests.support.locks import LOCKS, read_lock
from tests.support.paths import PROJECT as ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


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
        *(("dev", extra) for extra in PROJECT["project"]["optional-dependencies"].values()),
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
