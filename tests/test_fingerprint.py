import ast

import pytest

from pipeline import fingerprint
from pipeline.commands.stages import STAGES


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the tests' own in the place of ours."""
    root = tmp_path / "pipeline"
    files = {
        "__init__.py": '"""Nothing."""',
        "errors.py": "import pipeline.rooms.secret\n",
        "core/values.py": "from pipeline.errors import E\n",
        "stages/__init__.py": '"""Nothing but words."""',
        "stages/one.py": "from pipeline.core import values\n"
        "def f():\n    import pipeline.rooms.deep\n    import pipeline.tracking.live\n",
        "tracking/live.py": "import pipeline.rooms.secret\n",
        "rooms/__init__.py": "X = 1\n",
        "rooms/deep.py": "from pipeline.rooms import X\n",
        "rooms/secret.py": "",
        "rooms/templates/page.html": "<p>",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    monkeypatch.setattr(fingerprint, "PACKAGE", root)
    return root


def test_modules_are_followed_wherever_they_are_imported(package):
    """Deferred imports count, an initializer with code counts, exempt modules lead nowhere."""
    found = fingerprint.modules("pipeline.stages.one")
    expected = {"stages/one.py", "core/values.py", "rooms/__init__.py", "rooms/deep.py"}
    assert {str(path.relative_to(package)) for path in found} == expected | {
        "rooms/templates/page.html"
    }


@pytest.mark.parametrize("entry", ["pipeline.stages.moved", "stages", ""])
def test_an_unknown_module_is_refused(package, entry):
    """It would leave all code out of a run's identity, in silence."""
    with pytest.raises(ValueError, match="not a module of 'pipeline'"):
        fingerprint.modules(entry)


def test_an_edit_of_a_file_or_a_value_changes_the_digest(tmp_path):
    """And nothing else does."""
    path = tmp_path / "a"
    path.write_text("one")
    before = fingerprint.digest([path], {"x": 1, "y": 2})
    assert fingerprint.digest([path], {"y": 2, "x": 1}) == before
    assert fingerprint.digest([path], {"x": 1, "y": 3}) != before
    path.write_text("two")
    assert fingerprint.digest([path], {"x": 1, "y": 2}) != before


def test_what_is_exempt_decides_no_value():
    """Below the stages nothing imports tracking, the command line or a fingerprint."""
    for stage in STAGES:
        for path in fingerprint.modules(f"pipeline.stages.{stage}"):
            if path.suffix != ".py" or path.parent.name == "stages":
                continue
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    assert not node.module.startswith(("pipeline.tracking", "pipeline.commands"))
