"""Names become folders, DVC's stages and words of a shell's command."""

import copy
import itertools

import pytest
from ruamel.yaml import YAML

from pipeline.core import params
from pipeline.errors import ParamsError
from tests.support.paths import PARAMS, PROJECT

DOCUMENT = YAML(typ="safe").load(PARAMS.read_text())
SHELL = [";", "&", "|", "$", "`", "(", ")", "<", ">", "\\", "'", '"', "*", "?", "[", "]", "{", "}"]
SHELL += ["#", "!", "~", "%", "=", ":", ",", "@", "+", "^"]
SPACE = [" ", "\t", "\n", "\r", "\0", "\x1b[31m", "\u00a0", "\u2028", "\u202e"]
PATHS = ["..", ".", "/", "../../evil", "/etc/passwd", "a/b", "a.b", "a/../b", "~/x", "C:\\x"]
BEGINNINGS = ["-", "--", "--help", "-1", "_", "-rf", "__init__"]
COMMANDS = ["bilstm;touch${IFS}x", "$(touch x)", "`touch x`", "a\ntouch x", "a && touch x", "${x}"]
LETTERS = ["é", "ж", "文", "🙂", "ſ", "٣", "", "a" * 101]  # a folder's name ends at 255 bytes
HOSTILE = [
    *itertools.chain.from_iterable((f"bilstm{one}", f"{one}x") for one in (*SHELL, *SPACE)),
    *PATHS,
    *BEGINNINGS,
    *COMMANDS,
    *LETTERS,
]


def test_there_are_a_hundred_of_them():
    """All different."""
    assert len(set(HOSTILE)) == len(HOSTILE) >= 100


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_that_a_shell_or_a_path_could_misread_is_refused(name):
    """As a model, as an architecture that nothing uses yet, and as a dataset."""
    own = copy.deepcopy(DOCUMENT)
    own["architectures"][name] = {"pooling": "last"}
    own["datasets"][name] = own["datasets"]["demo"]
    for key, value in (("models", [name]), ("dataset", name), ("models", ["bilstm"])):
        with pytest.raises(ParamsError, match="String should"):
            params.parse_params({**own, key: value})


@pytest.mark.parametrize("name", ["a", "7", "bilstm_attention", "Own-2", "a" * 100])
def test_letters_digits_dashes_and_underscores_are_allowed(name):
    """They begin with a letter or a digit."""
    own = copy.deepcopy(DOCUMENT)
    own["architectures"][name] = {"pooling": "last"}
    own["datasets"][name] = own["datasets"]["demo"]
    assert params.parse_params({**own, "models": [name], "dataset": name}).runs[0] == (name, 1)


@pytest.mark.parametrize("folder", ["", "studies/length"])
def test_no_value_of_a_single_key_is_in_a_command(folder):
    """DVC quotes the values of a whole mapping for the shell, and those of single keys not."""
    stages = YAML(typ="safe").load((PROJECT / folder / "dvc.yaml").read_text())["stages"]
    assert all("${" not in stage["cmd"].replace("${item}", "") for stage in stages.values())
