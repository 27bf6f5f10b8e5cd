"""What is drawn where matplotlib's own font lacks a letter."""

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph
from matplotlib import font_manager

from pipeline.evaluation import figure_style, fonts

HAN = "我喜"


@pytest.fixture
def only_the_first(monkeypatch):
    """A machine on which no other font is installed."""
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [
        entry for entry in font_manager.fontManager.ttflist if entry.name == fonts.FONT
    ])  # fmt: skip


@pytest.fixture
def with_han(only_the_first, tmp_path):
    """The same with one more font, which has the first of the two letters."""
    made = FontBuilder(1000)
    made.setupGlyphOrder([".notdef", "han"])
    made.setupCharacterMap({ord(HAN[0]): "han"})
    made.setupGlyf({".notdef": Glyph(), "han": Glyph()})
    made.setupHorizontalMetrics({".notdef": (500, 0), "han": (1000, 0)})
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "Droid Sans Fallback", "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    made.save(tmp_path / "han.ttf")
    font_manager.fontManager.addfont(tmp_path / "han.ttf")
    fonts._letters.cache_clear()
    yield
    fonts._letters.cache_clear()


def test_a_letter_that_no_font_has_is_a_box(only_the_first):
    """What is invisible in any font is left out instead, and everything else is kept."""
    assert fonts.families() == ["DejaVu Sans"]
    assert fonts.missing(f"naïve {HAN}\a {HAN} λ") == HAN
    assert fonts.drawable(f"naïve {HAN}\a λ") == "naïve □□ λ"
    assert fonts.notice(HAN, "read the page") == (
        "No installed font has 2 of the letters (我喜): read the page."
    )


def test_an_installed_font_that_has_the_letter_draws_it(with_han):
    """And only what it lacks too is a box; matplotlib warns of neither, which would be an error."""
    assert fonts.families() == ["DejaVu Sans", "Droid Sans Fallback"]
    assert fonts.missing(HAN) == HAN[1]
    assert fonts.drawable(HAN) == f"{HAN[0]}□"

    def draw():
        return figure_style.titled_figure(fonts.drawable(HAN), "", size=(2, 1))

    assert figure_style.png(draw).startswith(b"\x89PNG")
