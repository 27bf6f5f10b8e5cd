"""`data add`, as it is called: what it copies, what it prints, what it asks."""

import os
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import __main__ as command_line
from pipeline.commands import data_add
from pipeline.core import params
from pipeline.data import look
from tests.support.paths import PARAMS


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project as the current folder, without DVC."""
    monkeypatch.chdir(tmp_path)
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(data_add.subprocess, "run", lambda *_, **__: done)
    return tmp_path


def reviews(header="review,stars", rows=40):
    """Lines of a CSV file with a text and a label in its first columns."""
    others = header.count(",") - 1
    cells = [f"a lamp and {n} kettles,{n % 3}" + f",{n % 2}" * others for n in range(rows)]
    return "\n".join([header, *cells]) + "\n"


@pytest.mark.parametrize(
    "names",
    [
        ("review", "stars"),
        ("a: text", "#label"),
        ('l\'avis \\"x\\"', "- note"),
        ("评论", "标签"),
        ("x_" * 25, "y"),
    ],
)
def test_the_entry_is_printed_as_it_can_be_pasted(names, project, capsys):
    """Valid YAML whatever the columns are called, in lines of at most 80 characters."""
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    Path("own.csv").write_text(reviews(header), encoding="utf-8")
    assert command_line.main(["data", "add", "own.csv", "mine"]) == 0
    shown = capsys.readouterr().out
    assert all(len(line) <= 80 for line in shown.splitlines())
    entry = shown.partition("`dataset: mine`:")[2].partition("Correct what is wrong")[0]
    document = YAML(typ="safe").load(PARAMS.read_text())
    document |= {"dataset": "mine", "datasets": YAML(typ="safe").load(entry)}
    source = params.parse_params(document).entry.source
    assert (source.text_column, source.label_column) == names
    assert (project / source.path).read_text(encoding="utf-8") == reviews(header)


def test_a_flag_that_is_given_twice_names_both_columns(project, capsys):
    """As one flag with two columns does; none is dropped."""
    Path("own.csv").write_text(reviews("review,stars,title"))
    called = ["data", "add", "own.csv", "mine", "--label", "stars", "--text", "review"]
    assert command_line.main([*called, "--text", "title"]) == 3
    assert "--text: the column 'title'" in capsys.readouterr().err
    text = "title,review,stars\n" + "".join(f"a lamp {n},oil {n},{n % 2}\n" for n in range(40))
    Path("two.csv").write_text(text)
    assert (
        command_line.main(["data", "add", "two.csv", "b", "--text", "title", "--text", "review"])
        == 0
    )
    assert "text_column: [title, review]" in capsys.readouterr().out


def hourly(comma=".", hours=600):
    """Lines of a CSV file with a load that is higher in the second half of each day."""
    rows = [
        f"2024-01-{1 + n // 24:02d} {n % 24:02d}:00;{3 * (n % 24 > 11)}{comma}{n % 7}"
        for n in range(hours)
    ]
    return ["at;load", *rows]


@pytest.mark.parametrize(("comma", "cells"), [(".", 400_000), (",", 400_000), (".", 300)])
def test_a_series_gets_its_season_and_parameters_that_the_schema_knows(
    comma, cells, project, monkeypatch, capsys
):
    """Read from all that will be train, also with decimal commas, and where a look is a sample."""
    monkeypatch.setattr(look, "CELLS", cells)
    Path("own.csv").write_text("\n".join(hourly(comma)) + "\n")
    assert command_line.main(["data", "add", "own.csv", "mine"]) == 0
    shown = capsys.readouterr().out
    assert "the values repeat most clearly after 24 steps" in shown
    entry = shown.partition("`dataset: mine`:")[2].partition("Correct what is wrong")[0]
    document = YAML(typ="safe").load(PARAMS.read_text())
    document |= {"dataset": "mine", "datasets": YAML(typ="safe").load(entry)}
    settings = params.parse_params(document)
    assert (settings.entry.encode.season, settings.entry.encode.window) == (24, 40)
    assert settings.recipe("bilstm_attention").clip_norm == 1.0


def test_a_series_that_download_will_refuse_is_added_without_a_look_at_its_steps(project, capsys):
    """Here its times go back; that is said at once, and the suggestion knows no steps."""
    head, *rows = hourly()
    Path("own.csv").write_text("\n".join([head, *rows[300:], *rows[:300]]) + "\n")
    assert command_line.main(["data", "add", "own.csv", "mine"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "too few steps are known" in shown
    assert f"will refuse it: {project}/own.csv, line 302: time goes backward" in shown
    assert "To mend it: sort the rows by time." in shown


def test_of_several_series_each_has_its_own_steps(project, capsys):
    """Though the file has them day by day, at levels far apart."""
    sold = [
        f"{shop},2024-{1 + day // 28:02d}-{1 + day % 28:02d},{level + 5 * (day % 7 > 4)}"
        for day in range(300)
        for shop, level in (("north", 100), ("south", 900))
    ]
    Path("own.csv").write_text("\n".join(["shop,day,sold", *sold]) + "\n")
    assert command_line.main(["data", "add", "own.csv", "mine"]) == 0
    shown = capsys.readouterr().out
    assert "the last value is a better forecast than the mean" in shown
    assert "the values repeat most clearly after 7 steps" in shown


def test_what_is_not_clear_is_asked_and_nothing_is_copied(project, capsys):
    """By a flag, whose name is obeyed."""
    Path("own.csv").write_text(reviews("review,tone,mood"))
    assert command_line.main(["data", "add", "own.csv", "mine"]) == 3
    shown = capsys.readouterr().err
    assert "tone  whole numbers, 3 distinct: 0, 1, 2" in shown
    assert "--label tone" in shown
    assert not (project / "data").exists()
    assert command_line.main(["data", "add", "own.csv", "mine", "--label", "mood"]) == 0
    assert "label_column: mood" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["own.csv", "Mine"], "can't be called"),
        (["none.csv", "mine"], "no file or folder"),
        (["own.csv", "mine", "--label", "star"], "Did you mean 'stars'"),
    ],
)
def test_a_mistake_is_told(arguments, words, project, capsys):
    """Before anything is copied."""
    Path("own.csv").write_text(reviews())
    assert command_line.main(["data", "add", *arguments]) == 3
    assert words in capsys.readouterr().err
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda odd: odd.symlink_to("/etc"), "odd is a link to /etc"),
        (lambda odd: odd.symlink_to("../secret.csv"), "odd is a link to ../secret.csv"),
        (lambda odd: odd.symlink_to("nowhere"), "odd is a link to nowhere"),
        (lambda odd: odd.symlink_to("."), "odd is a link to ."),
        (lambda odd: odd.symlink_to("odd"), "odd is a link to odd"),
        (os.mkfifo, "odd is neither a file nor a folder"),
    ],
)
def test_nothing_is_followed_out_of_a_folder(make, words, project, capsys):
    """It is refused by name, and nothing is copied."""
    Path("secret.csv").write_text(reviews())
    Path("own").mkdir()
    Path("own/own.csv").write_text(reviews())
    make(Path("own/odd"))
    assert command_line.main(["data", "add", "own", "mine"]) == 3
    assert words in capsys.readouterr().err
    assert not (project / "data").exists()


def test_links_within_a_folder_and_to_the_data_are_read(project):
    """As the files that they name."""
    Path("own").mkdir()
    Path("own/own.csv").write_text(reviews())
    Path("own/more.csv").symlink_to("own.csv")
    Path("link").symlink_to("own")
    assert command_line.main(["data", "add", "link", "mine"]) == 0
    assert (project / "data/own/mine/link/more.csv").read_text() == reviews()
