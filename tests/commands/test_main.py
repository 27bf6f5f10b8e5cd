import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from pipeline import __main__ as command_line
from pipeline.commands import stages
from pipeline.errors import DataError
from tests.support.paths import PARAMS, PROJECT


def python(*arguments, cwd=PROJECT):
    """Run this Python on arguments in the project."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_help_lists_every_command_and_every_command_has_help():
    """A newcomer finds out what there is."""
    shown = python("-m", "pipeline", "--help").stdout
    others = ["repro", "ui", "data", "promote", "length-study", "search", "bench", "docs"]
    for name in [*stages.STAGES, *others]:
        assert re.search(rf"^ +{name}\b", shown, re.MULTILINE), name
        with pytest.raises(SystemExit) as ended:
            command_line.main([name, "--help"])
        assert ended.value.code == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("spotlight pred", ["predict "]),
        ("spotlight export --format s", ["saved_model "]),
        ("spotlight data ad", ["add "]),
        ("spotlight serve --po", ["--port "]),
    ],
)
def test_the_shell_completes_commands_and_options(tmp_path, monkeypatch, line, expected):
    """As bash asks; a module is asked too if its beginning says so."""
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setenv("_ARGCOMPLETE_STDOUT_FILENAME", str(tmp_path / "found"))
    monkeypatch.setenv("_ARGCOMPLETE_IFS", "|")
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    monkeypatch.setenv("COMP_TYPE", "9")
    done = python("-m", "pipeline")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "found").read_text().split("|") == expected
    assert "PYTHON_ARGCOMPLETE_OK" in (PROJECT / "pipeline" / "__main__.py").read_text()[:1024]


@pytest.mark.parametrize("command", ["demo", "serve", "ui"])
@pytest.mark.parametrize("port", ["65536", "-1", "80x"])
def test_what_is_no_port_is_refused_at_once(command, port, capsys):
    """Before any library is imported."""
    with pytest.raises(SystemExit):
        command_line.main([command, "--port", port])
    assert f"'{port}' is no port" in capsys.readouterr().err


@pytest.mark.parametrize(("model", "seed"), [("bilstm", 99), ("bilstm", -1), ("bilstm_max", 1)])
def test_a_training_that_params_does_not_list_is_refused(
    model, seed, tmp_path, monkeypatch, capsys
):
    """Its result would belong to no comparison."""
    shutil.copy(PARAMS, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["train", "--model", model, "--seed", str(seed)]) == 2
    assert f"no training of '{model}' with seed {seed}" in capsys.readouterr().err


def test_closed_streams_are_no_reason_to_fail(tmp_path):
    """As `>&-` closes one; what would be shown is lost."""
    shutil.copy(PARAMS, tmp_path / "params.yaml")
    command = f"{sys.executable} -m pipeline check {{}}"
    for closed in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        done = subprocess.run(
            command.format(closed), shell=True, cwd=tmp_path, env=environment, check=False
        )
        assert done.returncode == 0, closed
    assert (tmp_path / "data" / "own" / "demo").is_dir()


@pytest.mark.parametrize(
    ("command", "given", "argument"), [("docs", "", "--chek"), ("data add", "a.csv a", "--name")]
)
def test_an_unknown_argument_is_refused_with_its_command_s_usage(command, given, argument, capsys):
    """That of the whole program says nothing of it."""
    with pytest.raises(SystemExit) as ended:
        command_line.main([*command.split(), *given.split(), argument])
    shown = capsys.readouterr().err
    assert ended.value.code == 2
    assert shown.startswith(f"usage: python -m pipeline {command} [-h]")
    assert f"unrecognized arguments: {argument}" in shown


def test_the_command_line_loads_no_heavy_library():
    """`--help` is instant: what a command needs is imported when it is called."""
    code = (
        "import sys; from pipeline.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'datasets', 'sklearn', 'pandas', 'numpy', "
        "'dvc', 'pydantic', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    assert python("-c", code).stderr.strip() == "[]"


# In each process, a stage does without all that the later ones do without.
LIGHT = [
    {
        "download": {"tensorflow", "mlflow", "sklearn", "matplotlib"},
        "encode": {"tensorflow", "mlflow", "sklearn", "matplotlib"},
    },
    {
        "pretrain": {"tensorflow", "mlflow", "datasets", "sklearn", "matplotlib", "gensim"},
        "train": {"mlflow", "datasets", "gensim", "sklearn", "matplotlib"},
        "explain": {"mlflow", "datasets"},
    },
    {
        "reference": {"tensorflow", "mlflow", "datasets", "matplotlib"},
        "evaluate": {"tensorflow", "mlflow", "datasets"},
        "report": {"tensorflow", "mlflow", "datasets"},
    },
]


@pytest.mark.parametrize("light_of", LIGHT, ids=" ".join)
def test_a_stage_imports_only_what_it_uses(light_of):
    """A stage pays for what it imports, in seconds."""
    code = (
        "import sys; from importlib import import_module\n"
        "from pipeline.core.runtime import quiet_imports\n"
        f"for stage, others in {light_of!r}.items():\n"
        "    with quiet_imports(): import_module(f'pipeline.stages.{stage}')\n"
        "    print(stage, sorted(others & set(sys.modules)))"
    )
    shown = python("-c", code)
    assert shown.stdout.splitlines() == [f"{stage} []" for stage in light_of], shown.stderr


def test_a_failure_that_a_user_can_mend_is_a_message_and_an_exit_code(monkeypatch, capsys):
    """What is wrong, what to do, no traceback."""

    def fail(*_, **__):
        raise DataError("reviews.csv, row 7: no label.", fix="give it one.")

    monkeypatch.setattr(stages, "run", fail)
    assert command_line.main(["download"]) == 3
    shown = capsys.readouterr().err
    assert shown == "error: reviews.csv, row 7: no label.\n  → give it one.\n"


def test_an_interrupt_ends_without_a_traceback(monkeypatch, capsys):
    """Ctrl-C is not an error of anybody's."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "run", interrupted)
    assert command_line.main(["download"]) == 130
    assert "stopped" in capsys.readouterr().err


INTERRUPTED = """
import os, runpy, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "pipeline.commands":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
runpy.run_module("pipeline", run_name="__main__")
"""


def test_an_interrupt_at_the_start_ends_without_a_traceback():
    """While the modules are imported, which takes a moment on a busy machine."""
    ended = python("-c", INTERRUPTED)
    assert ended.returncode == -signal.SIGINT
    assert ended.stdout + ended.stderr == ""


def test_without_the_environment_it_says_how_to_get_it(tmp_path):
    """A Python without our libraries is told from a mistake of ours."""
    bare = python("-S", "-m", "pipeline", "encode")  # -S: no site-packages
    assert bare.returncode == 1
    assert "environment is not active" in bare.stderr
    assert "make setup" in bare.stderr
    assert "Traceback" not in bare.stderr


def test_outside_the_project_it_says_where_to_go(tmp_path):
    """The current folder has no params.yaml."""
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); "
    code += "from pipeline.__main__ import main; sys.exit(main(['encode']))"
    ended = python("-c", code, cwd=tmp_path)
    assert ended.returncode == 2
    assert "There is no params.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr
