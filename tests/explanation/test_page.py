"""The attention page and its picture."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation import fonts
from pipeline.explanation import page
from tests.support.html_page import Page


def sample(text, spans, weights, **changes):
    """One text's sample: wrongly predicted unless told."""
    return {
        "row": 3,
        "label": 0,
        "predicted": 1,
        "correct": False,
        "probabilities": [0.1, 0.9],
        "disagreement": False,
        "text": text,
        "tokens": [
            {"start": start, "end": end, "weight": weight}
            for (start, end), weight in zip(spans, weights, strict=True)
        ],
        "truncated": False,
        "unread": [],
        "evidence": [],
        **changes,
    }


def document(*samples, **changes):
    """A samples document of an attention model."""
    return {
        "kind": "text",
        "model": "bilstm_attention",
        "seed": 1,
        "classes": ["neg", "pos"],
        "has_weights": True,
        "samples": list(samples),
        **changes,
    }


GOOD_FILM = sample("A good film", [(0, 1), (2, 6), (7, 11)], [0.1, 0.8, 0.1])
SERIES = document(
    {
        "row": 0, "label": 0.25, "predicted": -0.5, "correct": None, "probabilities": [],
        "disagreement": False, "weights": [0.1, 0.7, 0.2],
        "values": [[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]],
    },
    kind="series", classes=[], features=["value", "<mark>"], features_in_all=2,
)  # fmt: skip


@st.composite
def marked_texts(draw):
    """Any text, with tokens in order, evidence and an unread part anywhere."""
    text = draw(st.text(st.sampled_from("ab <>&\"'é好ا😀\n"), min_size=1, max_size=40))
    edges = st.integers(0, len(text))
    cuts = sorted(draw(st.lists(edges, max_size=12)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    weights = draw(st.lists(st.floats(0, 1), min_size=len(spans), max_size=len(spans)))
    passages = draw(st.lists(st.tuples(edges, edges).map(sorted), max_size=3))
    return sample(text, spans, weights, evidence=passages, unread=passages[:1])


@given(marked_texts())
def test_pieces_join_to_the_text(drawn):
    """Whatever is marked, no character is lost, doubled or moved."""
    assert "".join(piece.text for piece in page.pieces(drawn)) == drawn["text"]


@given(marked_texts())
def test_pieces_are_marked_as_their_characters_are(drawn):
    """Each piece is evidence, or unread, if and only if its characters are."""
    position = 0
    for piece in page.pieces(drawn):
        for at in range(position, position + len(piece.text)):
            for name in ("evidence", "unread"):
                inside = any(start <= at < end for start, end in drawn[name])
                assert getattr(piece, name) == inside
        position += len(piece.text)


def test_pieces_show_an_html_line_break_as_one():
    """The encoder counts it as a blank, so it is shown as what it means."""
    broken = sample("one<br />two", [(0, 3), (9, 12)], [0.5, 0.5])
    assert [piece.text for piece in page.pieces(broken)] == ["one", "\n", "two"]


def test_tokens_that_share_a_character_are_one():
    """The four bytes of an emoji are four tokens with one span: their weights are added."""
    emoji = sample("😀 ok", [(0, 1)] * 4 + [(2, 4)], [0.1, 0.2, 0.1, 0.1, 0.5])
    weights = [piece.weight for piece in page.pieces(emoji)]
    assert weights == [pytest.approx(0.5), None, 0.5]


@pytest.mark.parametrize(
    ("shares", "shade"),
    [(0, 0), (0.5, 0), (1, 0), (2, 0.25), (4, 0.5), (8, 0.75), (16, 1), (40, 1)],
)
def test_a_shade_has_the_same_meaning_in_every_text(shares, shade):
    """White up to an even share, full from 16 times that, by the logarithm between."""
    assert page.shade(shares) == shade


@given(st.integers(1, 60), st.integers(1, 4))
def test_even_weights_show_no_contrast(length, bytes_of_emoji):
    """Whatever the length, and though a letter of several tokens has all their weight."""
    spans = [(0, 1)] * bytes_of_emoji + [(at, at + 1) for at in range(1, length)]
    even = sample("😀" + "x" * length, spans, [round(1 / len(spans), 6)] * len(spans))
    assert {piece.shade for piece in page.pieces(even)} == {0.0}
    values = [[0.0]] * length
    drawn = page.window({"weights": [round(1 / length, 6)] * length, "values": values}, ["value"])
    assert {bar["height"] for bar in drawn["bars"]} == {0.0}


def test_only_what_has_more_than_an_even_share_is_called_heaviest():
    """Of even weights, nothing."""
    even = sample("A good film", [(0, 1), (2, 6), (7, 11)], [1 / 3] * 3)
    assert page.heaviest(GOOD_FILM) == [("good", 0.8)]
    text = Page(page.render(document(even))).text
    assert "No word has noticeably more than an even share." in text
    (window,) = SERIES["samples"]
    assert page.heaviest_steps(window) == [(2, 0.7)]
    flat = {**SERIES, "samples": [{**window, "weights": [1 / 3] * 3}]}
    assert "heaviest" not in Page(page.render(flat)).all("svg")[0]["aria-label"]


def test_render_keeps_markup_of_a_review_as_text():
    """A script in a text, a class or a feature stays text, and our own script is the only one."""
    text = "<script>alert(1)</script> & <b>bold</b>"
    html = page.render(document(sample(text, [(8, 13)], [1.0]), classes=["neg", "<i>pos</i>"]))
    read = Page(html)
    assert len(read.all("script")) == 1
    assert text in read.text
    assert not read.all("i")
    assert not Page(page.render(SERIES)).all("mark")


def test_render_highlights_by_even_shares_and_gives_the_exact_weight():
    """0.8 of three tokens is 2.4 even shares; every token has its weight as title."""
    read = Page(page.render(document(GOOD_FILM)))
    tokens = [span for span in read.all("span") if "title" in span]
    assert [token["title"] for token in tokens] == ["0.1000", "0.8000", "0.1000"]
    assert [token.get("style") for token in tokens] == [None, "--w:0.32", None]
    assert "Heaviest: good 0.800" in read.text
    assert "16 times an even share or more, in every text" in read.text


def test_render_tells_right_from_wrong_in_words():
    """Label, prediction, probability and verdict are text, not color alone."""
    right = {**GOOD_FILM, "row": 4, "label": 1, "correct": True}
    text = Page(page.render(document(GOOD_FILM, right))).text
    assert "Row 3 ✗ wrong label neg predicted pos with 90.0 %" in text
    assert "Row 4 ✓ right label pos" in text


def test_render_without_weights_says_why_nothing_is_highlighted():
    """The same page, no highlight, a sentence."""
    plain = sample("A good film", [(0, 1), (2, 6), (7, 11)], [None] * 3)
    read = Page(page.render(document(plain, model="bilstm", has_weights=False)))
    assert "no attention weights, so nothing is highlighted" in read.text
    assert "A good film" in read.text
    assert not [span for span in read.all("span") if "style" in span]


def test_render_marks_evidence_and_what_was_cut_off():
    """Evidence is underlined, the unread part gray, a long one folded; all said in words."""
    cut = sample(
        "A good film." + " more" * 100, [(2, 6)], [1.0],
        evidence=[[2, 6]], unread=[[12, 512]], truncated=True,
    )  # fmt: skip
    read = Page(page.render(document(cut)))
    assert read.all("span", cls="e")
    assert read.all("details", cls="u")
    assert "Evidence: “good”" in read.text
    assert "cut off before the model read it: 500 characters" in read.text


def test_render_lets_each_text_run_its_own_way():
    """Arabic runs from right to left, by the first letter of each text."""
    arabic = sample("فيلم رائع", [(0, 4), (5, 9)], [0.2, 0.8])
    read = Page(page.render(document(arabic)))
    assert read.all("div", cls="text", dir="auto")
    assert "فيلم رائع" in read.text


def test_render_names_the_heaviest_sentence_with_its_share_and_an_even_one():
    """Two of four tokens, most of the weight; a text of one sentence has none."""
    spans = [(0, 4), (5, 9), (11, 15), (16, 20)]
    two = sample("Good film. Long text", spans, [0.5, 0.3, 0.1, 0.1])
    text = Page(page.render(document(two))).text
    assert "Heaviest sentence: 80.0 % of the weight (an even share: 50.0 %): “Good film.”" in text
    assert "Heaviest sentence" not in Page(page.render(document(GOOD_FILM))).text


def test_render_can_be_filtered_and_walked_through_by_keyboard():
    """Outcome, label and words; buttons for the next and the previous one."""
    read = Page(page.render(document(GOOD_FILM)))
    assert [one["name"] for one in read.all("select")] == ["outcome", "label"]
    assert [one["name"] for one in read.all("input")] == ["words"]
    assert [one["value"] for one in read.all("button")] == ["-1", "1"]
    assert not Page(page.render(SERIES)).all("form")


def test_render_draws_a_series_with_a_bar_per_step_and_a_line_per_feature():
    """Heights follow the weights; a constant feature is a level line."""
    read = Page(page.render(SERIES))
    heights = [float(bar["height"]) for bar in read.all("rect", cls="bar")]
    assert heights[1] > heights[2] == heights[0] == 0  # 2.1 even shares, and less than one
    value, mark = (line["points"] for line in read.all("polyline"))
    assert len(value.split()) == 3
    assert len({point.split(",")[1] for point in mark.split()}) == 1
    assert "step 2 (0.700)" in read.all("svg")[0]["aria-label"]


def test_render_tells_that_some_features_are_not_drawn():
    """Of 1,200, those that were kept."""
    assert "2 of 1,200 features" in Page(page.render({**SERIES, "features_in_all": 1200})).text
    assert "features:" not in Page(page.render(SERIES)).text


@pytest.mark.parametrize("made", [document(GOOD_FILM), SERIES])
def test_render_is_self_contained_and_well_formed(made):
    """Nothing is fetched, every element closes, and no id is given twice."""
    read = Page(page.render(made))
    assert all(link.startswith("#") for link in read.links)
    assert "url(" not in page.render(made)
    assert len(set(read.ids())) == len(read.ids())
    assert {link[1:] for link in read.links} <= set(read.ids())
    assert len(read.all("main")) == 1


@pytest.mark.parametrize(
    "text",
    ["plain words", "这部电影非常好看", "فيلم رائع جدا", "naïve 😀🎬 café", "$x$ \\alpha _", ""],
    ids=["latin", "chinese", "arabic", "emoji", "looks like mathematics", "empty"],
)
def test_draw_any_script_to_the_same_bytes(text):
    """A PNG, without a warning (an error in these tests), equal when drawn again."""
    spans = [(at, at + 1) for at in range(len(text))] or [(0, 0)]
    drawn = sample(text, spans, [1 / len(spans)] * len(spans))
    once, again = (page.draw(document(drawn)) for _ in range(2))
    assert once.startswith(b"\x89PNG")
    assert once == again


def test_draw_shows_class_names_as_they_are():
    """None is a formula, which could fail, whether the data are texts or series."""
    (window,) = SERIES["samples"]
    window = {**window, "label": 0, "predicted": 1, "correct": False, "probabilities": [0.1, 0.9]}
    for samples in (document(GOOD_FILM), {**SERIES, "samples": [window]}):
        assert page.draw({**samples, "classes": ["$\\undefined$", "$$ " * 30]})


def test_letters_that_no_font_has_are_named_and_the_picture_points_to_the_page(monkeypatch):
    """Of texts, classes and features; where every letter is there, nothing is said."""
    monkeypatch.setattr(fonts, "_FALLBACKS", ())
    han = document(sample("我 film", [(0, 1)], [1.0]), classes=["neg", "好"])
    assert page.undrawable(han) == "好我"
    assert page.undrawable({**SERIES, "features": ["值"]}) == "值"
    assert page.undrawable(document(GOOD_FILM)) == ""
    assert "see attention.html" in page.how_to_read(han, han["samples"])[-1]
    assert len(page.how_to_read(document(GOOD_FILM), [GOOD_FILM])) == 1


def test_draw_depends_on_the_weights():
    """Other weights, another picture, for texts and for series."""
    heavy = sample("A good film", [(0, 1), (2, 6), (7, 11)], [0.8, 0.1, 0.1])
    assert page.draw(document(GOOD_FILM)) != page.draw(document(heavy))
    (window,) = SERIES["samples"]
    other = {**SERIES, "samples": [{**window, "weights": [0.7, 0.2, 0.1]}]}
    assert page.draw(SERIES) != page.draw(other)


def test_draw_underlines_the_evidence_and_says_so():
    """Another picture than without it, from right to left, too; a series has none."""
    for text in ("A good film", "فيلم رائع جدا"):
        plain = sample(text, [(0, 4), (5, 9)], [0.2, 0.8])
        known = {**plain, "evidence": [[0, 9]]}
        assert page.draw(document(plain)) != page.draw(document(known))
        assert page.how_to_read(document(known), [known])[-1].startswith("underlined")
    assert len(page.how_to_read(SERIES, SERIES["samples"])) == 1


def test_draw_cuts_long_texts():
    """Ten thousand words take no more room than a few lines do."""
    words = random.Random(0).choices(["good", "bad", "film"], k=10_000)
    text = " ".join(words)
    starts = [0]
    for word in words[:-1]:
        starts.append(starts[-1] + len(word) + 1)
    spans = [(start, start + len(word)) for start, word in zip(starts, words, strict=True)]
    long = sample(text, spans, [1e-4] * len(spans))
    height = int.from_bytes(page.draw(document(long))[20:24])
    assert height < 250
