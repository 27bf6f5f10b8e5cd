import pytest

from pipeline import __main__ as command_line
from pipeline import progress
from pipeline.commands import stages
from pipeline.errors import DataError

RAW = [chr(code) for code in (*range(32), *range(127, 160), *range(0x202A, 0x202F), 0x2066, 0xDCFF)]
CONTROL = [one for one in RAW if one not in "\n\t"]


@pytest.mark.parametrize("character", CONTROL, ids=ascii)
def test_no_control_character_reaches_the_terminal(character, monkeypatch, capsys):
    """Neither in what a command says nor in its error: data could hold a whole escape sequence."""

    def fail(*_, **__):
        raise DataError(f"a label is {character}[31mred.", fix=f"rename{character}it.")

    progress.say(f"class {character}]0;title")
    monkeypatch.setattr(stages, "run", fail)
    assert command_line.main(["download"]) == 3
    shown = capsys.readouterr()
    assert character not in shown.out + shown.err
    assert "]0;title" in shown.out
    assert ascii(character)[1:-1] in shown.out


def test_text_is_printed_as_it_is():
    """Letters of all kinds, emoji with their joiners, lines and tabs."""
    text = "Größe\tΩ 文 👩‍💻 עברית\n−1 × 2"
    assert progress.printable(text) == text
