import ast

import pytest

from pipeline import fingerprint
from pipeline.__main__ import STAGES


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the tests' own in the place of ours."""
    root = tmp_path / "pipeline"
    (root / "stages").mkdir(parents=True)
    (root / "rooms" / "templates").mkdir(parents=True)
    files = {
        "__init__.py": '"""Nothing."""',
        "stages/__init__.py": '"""Nothing but words."""',
        "stages/one.py": "from pipeline import values\ndef f():\n    import pipeline.rooms.deep\n",
        "values.py": "from pipeline.errors import E\n",
        "errors.py": "import pipeline.secret\n",
        "secret.py": "",
        "unused.py": "",
        "rooms/__init__.py": "X = 1\n",
        "rooms/deep.py": "from pipeline.rooms import X\n",
        "rooms/templates/page.html": "<p>",
    }
    for name, content in files.items():
        (root / name).write_text(content)
    monkeypatch.setattr(fingerprint, "PACKAGE", root)
    return root


def test_modules_are_followed_wherever_they_are_imported(package):
    """Deferred imports count, an initialiser with code counts, exempt modules lead nowhere."""
    found = {str(path.relative_to(package)) for path in fingerprint.modules("stages.one")}
    expected = {"stages/one.py", "values.py", "rooms/__init__.py", "rooms/deep.py"}
    assert found == expected | {"rooms/templates/page.html"}


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
    """No stage takes a number from an exempt module: it imports them for effects and failures."""
    allowed = {"errors", "progress", "tracking", "fingerprint"}
    assert allowed | {"__init__", "__main__"} == fingerprint.EXEMPT
    for stage in STAGES:
        for path in fingerprint.modules(f"stages.{stage}"):
            if path.suffix != ".py" or path.parent.name == "stages":
                continue
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
                    names = {alias.name for alias in node.names}
                    assert names.isdisjoint({"tracking", "fingerprint"}), path
                elif isinstance(node, ast.ImportFrom) and node.module:
                    assert not node.module.startswith("pipeline.tracking"), path
