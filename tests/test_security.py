"""What docs/security.md and docs/reliability.md claim of the code."""

import ast
import re

import pytest

from tests.support.paths import PROJECT

MODULES = sorted((PROJECT / "pipeline").rglob("*.py"))
# Whatever reads their formats runs what is in them.
UNSAFE = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "yaml"}
RUNS_CODE = {"eval", "exec", "compile", "__import__"}


def calls(tree):
    """(the function's own name, the call) of every call: `load` for `np.load(…)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield getattr(function, "attr", getattr(function, "id", "")), node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_module_reads_or_writes_a_pickle_or_runs_text(path):
    """No import of what does; NumPy is told not to; no shell; YAML is read as data."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [*(alias.name for alias in node.names), getattr(node, "module", None) or ""]
            assert not {name.split(".")[0] for name in names} & UNSAFE
    for name, call in calls(tree):
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        whole = ast.unparse(call.func)
        assert whole not in RUNS_CODE
        assert name not in {"read_pickle", "to_pickle", "load_model_from_pickle", "popen"}
        assert options.get("shell", "False") == "False"
        assert options.get("trust_remote_code", "False") == "False"
        assert options.get("safe_mode", "True") == "True"
        if whole in {"np.load", "numpy.load"}:
            assert options["allow_pickle"] == "False"
        if whole == "YAML":
            assert options.get("typ", "'rt'") in {"'safe'", "'rt'"}
        if whole == "torch.load":
            assert options["weights_only"] == "True"


def test_every_test_that_the_document_names_is_there():
    """A fault's row says which test holds it."""
    text = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(named) == len(rows) - 1 > 15
    for file, test in named:
        assert f"def {test}(" in (PROJECT / file).read_text(encoding="utf-8"), test
