"""Imports go one way: commands → studies → stages → the folders → core."""

import ast

import pytest

from tests.support.paths import PROJECT

PACKAGE = PROJECT / "pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))
LOOSE = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
ABOVE = {"core": 1, "stages": 3, "studies": 4, "commands": 5, "__main__": 6}
FOLDER = 2  # every other folder
WITH_MLFLOW = {"tracking", "serving"}
WITHOUT_TENSORFLOW = ("evaluation", "report")


def imported(path):
    """What a module imports, wherever in it: dotted names of modules, or of what is in them."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(part):
    """How high a folder, or a module at the top, stands: it may import what is not above it."""
    return 0 if part in LOOSE else ABOVE.get(part, FOLDER)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_what_stands_above_it(path):
    """Deferred imports count too. MLflow is tracking's and serving's alone."""
    place = path.relative_to(PACKAGE)
    own = place.parts[0].removesuffix(".py")
    for name in imported(path):
        if name.startswith("pipeline."):
            part = name.split(".")[1]
            assert floor(part) <= floor(own), f"{place} imports {name}"
        elif name.split(".")[0] == "mlflow":
            assert own in WITH_MLFLOW, f"{place} imports {name}"


def libraries(path, seen):
    """What a module of ours imports from elsewhere, itself or through other modules of ours."""
    seen.add(path)
    for name in imported(path):
        if not name.startswith("pipeline."):
            yield name.split(".")[0]
            continue
        place = PACKAGE.joinpath(*name.split(".")[1:])  # a module, or a name in one
        for file in (place.with_suffix(".py"), place.parent.with_suffix(".py")):
            if file.is_file() and file not in seen:
                yield from libraries(file, seen)


@pytest.mark.parametrize("folder", WITHOUT_TENSORFLOW)
def test_numbers_are_compared_and_reported_without_tensorflow(folder):
    """Nor by way of another module."""
    for path in (PACKAGE / folder).rglob("*.py"):
        assert {"tensorflow", "keras"}.isdisjoint(libraries(path, set())), path


def test_no_test_imports_another():
    """What tests share is in tests/support, so that each can be moved or dropped."""
    for path in (PROJECT / "tests").rglob("*.py"):
        found = [name for name in imported(path) if name.startswith("tests.")]
        assert not [name for name in found if ".test_" in name], path
