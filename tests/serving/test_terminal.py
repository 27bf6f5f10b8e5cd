import json

import pytest

from pipeline import progress
from pipeline.explanation.page import FULL_COLOR
from pipeline.serving import terminal
from pipeline.serving.answers import Answer, Answered, record
from pipeline.serving.questions import Question


def sample(text, weights):
    """A text of words, each with its weight."""
    tokens, start = [], 0
    for word, weight in zip(text.split(), weights, strict=True):
        start = text.index(word, start)
        tokens.append({"start": start, "end": start + len(word), "weight": weight})
        start += len(word)
    return {"text": text, "tokens": tokens, "unread": [], "evidence": []}


def answered(text, weights, **probabilities):
    """A row with one model's answer."""
    shown = sample(text, weights)
    parts = [{"token": text[t["start"] : t["end"]], **t} for t in shown["tokens"]]
    answer = Answer(probabilities or {"pos": 0.75, "neg": 0.25}, None, shown, parts)
    return Answered(1, Question("the text", text), {"m": answer})


def test_a_color_is_relative_to_an_even_share():
    """None up to it, full from `FULL_COLOR` times it on: the same rule as the attention page's."""
    words = 32
    weights = [FULL_COLOR / words, 1 / words, *[(1 - 17 / words) / (words - 2)] * (words - 2)]
    text = " ".join(f"w{number}" for number in range(words))
    row = answered(text, weights)
    shown = terminal.explained(row.answers["m"], colored=True)
    assert "\x1b[38;5;16;48;5;214mw0\x1b[0m w1 w2" in shown
    assert shown.count("\x1b[38") == 1
    even = answered("a b c d", [0.25] * 4).answers["m"]
    assert "\x1b" not in terminal.explained(even, colored=True)


@pytest.mark.parametrize("sink", [terminal.blocks, terminal.lines])
def test_our_colors_reach_the_terminal_and_no_others(capsys, sink):
    """An escape sequence in the text is spelled out, in color or not."""
    row = answered("a\x1b[2Jb plain", [0.99, 0.01])
    sink({"m": "M"}, explain=True, colored=True)([row])
    shown = capsys.readouterr().out
    assert "\x1b[38;5;16;48;5;229ma\\x1b[2Jb\x1b[0m plain" in shown
    assert f"{terminal.legend(colored=True)}\n" in shown
    assert "\x1b[2J" not in shown


def test_a_series_has_a_legend_of_bars(capsys):
    """It has no words."""
    terminal.lines({"m": "M"}, explain=True, colored=True, series=True)
    shown = capsys.readouterr().out
    assert f"full for {FULL_COLOR:g} times that" in shown
    assert "word" not in shown


def test_a_line_break_of_windows_is_one(capsys):
    """It is not spelled out, as a carriage return alone is."""
    row = answered("dull\r\nfilm\rend", [0.4, 0.3, 0.3])
    terminal.lines({"m": "M"}, explain=False, colored=False)([row])
    terminal.blocks({"m": "M"}, explain=True, colored=False)([row])
    shown = capsys.readouterr().out
    assert "dull film end" in shown
    assert "[dull 0.400]\nfilm\\rend" in shown


def test_without_color_the_weight_stands_beside_the_word():
    """No escape reaches a file or a terminal that shows none."""
    shown = terminal.explained(answered("dull film", [0.9, 0.1]).answers["m"], colored=False)
    assert shown.startswith("[dull 0.900] film\n")
    assert shown.endswith("heaviest: dull 0.900")
    assert "\x1b" not in shown + terminal.legend(colored=False)


def test_a_model_without_weights_says_so():
    """Nothing is made up."""
    shown = terminal.explained(answered("dull film", [None, None]).answers["m"], colored=True)
    assert "no attention weights" in shown


def test_what_was_not_read_is_told():
    """A long passage is counted."""
    row = answered("dull", [1.0]).answers["m"]
    long = {**row.sample, "text": "dull" + " x" * 500, "unread": [[4, 1004]]}
    shown = terminal.explained(Answer(row.probabilities, None, long, []), colored=False)
    assert "1,000 characters that the model did not read" in shown


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\x00b", "a\x9bb", "a\u202eb", "a\rb"])
def test_a_text_cannot_steer_the_terminal(text):
    """Control characters and changes of direction are shown as escapes."""
    shown = progress.printable(text)
    assert shown.isprintable()
    assert shown != text
    assert progress.printable("Zürich\n电影\t🎬") == "Zürich\n电影\t🎬"
    row = answered("x", [1.0])._replace(question=Question("the text", text))
    assert not set(terminal.line(row) + terminal.block(row, {"m": "M"})) & set("\x1b\x00\x9b\r")


def test_a_window_is_drawn_as_bars():
    """A letter a step, and the steps above an even share."""
    made = {"values": [[1.0]] * 4, "weights": [0.25, 0.0, 0.75, 0.0]}
    shown = terminal.explained(Answer({}, 3.5, made, []), colored=True)
    assert "step 1 |  ▄ | step 4" in shown
    assert shown.endswith("heaviest: step 3 0.750")


def test_two_models_are_two_columns_on_screen_and_in_a_record():
    """Each with its own label; in a record its address begins the columns."""
    first = answered("dull film", [0.9, 0.1]).answers["m"]
    second = Answer({"neg": 0.6, "pos": 0.4}, None, first.sample, first.parts)
    row = Answered(7, Question("the text", "dull film"), {"a": first, "b": second})
    head, positive, negative, addresses = terminal.block(row, {"a": "A", "b": "B"}).splitlines()
    assert head.split() == ["A", "B"]
    assert positive.split() == ["pos", "75.0", "%", "◂", "40.0", "%"]
    assert negative.split() == ["neg", "25.0", "%", "60.0", "%", "◂"]
    assert addresses.split() == ["a", "b"]
    found = record(row, explain=True)
    assert (found["a/label"], found["b/label"], found["row"]) == ("pos", "neg", 7)
    assert found["b/probability_pos"] == 0.4
    assert json.loads(json.dumps(found))["a/tokens"][0]["weight"] == 0.9
    assert set(record(row._replace(answers={"a": first}), explain=False)) == {
        "row",
        "text",
        "label",
        "probability_neg",
        "probability_pos",
    }
