import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoding.tokenizer import UNKNOWN_ID, load_tokenizer, train_tokenizer

SENTENCES = ["The film is good.", "The plot isn't!", "good good film"]


@pytest.fixture(scope="module")
def tokenizer():
    """A small vocabulary with room for every word."""
    return train_tokenizer(SENTENCES, vocabulary=50)


def words(tokenizer, sentence, max_len=100):
    """The pieces of the original text that the tokens stand for."""
    (row,) = tokenizer.encode([sentence], max_len=max_len)
    return [sentence[start:end] for start, end in row.spans]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("I don't LIKE it!!", ["I", "don't", "LIKE", "it", "!", "!"]),
        ("one<br />two<BR>three", ["one", "two", "three"]),
        ("我喜欢电影。", ["我", "喜", "欢", "电", "影", "。"]),
        ("映画wa良い", ["映", "画", "wa", "良", "い"]),
        ("Größe über Straße", ["Größe", "über", "Straße"]),
        ("فيلم رائع", ["فيلم", "رائع"]),
        ("so good 😀👍", ["so", "good", "😀", "👍"]),
        ("10/10, e-mail", ["10", "/", "10", ",", "e", "-", "mail"]),
    ],
)
def test_text_splits_into_words_at_their_places(tokenizer, sentence, expected):
    """Offsets are into the original text, whatever the script."""
    assert words(tokenizer, sentence) == expected


def test_ids_zero_and_one_are_padding_and_unknown(tokenizer):
    """No real token is 0, and a word that training did not see is 1."""
    (row,) = tokenizer.encode(["film zebra"], max_len=10)
    assert row.ids[1] == UNKNOWN_ID
    assert row.ids[0] > UNKNOWN_ID


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_the_names_of_the_special_tokens_are_text_like_any_other(kind):
    """Else a text could be padding, and have no word that a network reads."""
    trained = train_tokenizer(["a good film"] * 3, vocabulary=300, tokenizer=kind)
    for one in (trained, load_tokenizer(trained.to_json())):
        padding, unknown = one.encode(["a [PAD] film", "[UNK]"], max_len=20)
        assert 0 not in padding.ids
        assert len(unknown.ids) > 1


def test_case_does_not_matter(tokenizer):
    """GOOD is good."""
    upper, lower = tokenizer.encode(["GOOD", "good"], max_len=10)
    assert np.array_equal(upper.ids, lower.ids)


def test_composed_and_decomposed_letters_are_the_same_word():
    """é is é, in one code point or two."""
    tokenizer = train_tokenizer(["caf\u00e9"], vocabulary=9)
    composed, decomposed = tokenizer.encode(["caf\u00e9", "cafe\u0301"], max_len=3)
    assert composed.ids.tolist() == decomposed.ids.tolist() == [2]


@given(st.permutations(["b", "a", "c", "b", "a", "d", "d", "d"]))
def test_the_vocabulary_has_one_order(order):
    """By (-count, word), whatever the order of the texts."""
    rows = train_tokenizer(order, vocabulary=5).encode(["d", "a", "b", "c"], max_len=1)
    assert [int(row.ids[0]) for row in rows] == [2, 3, 4, UNKNOWN_ID]


@given(st.text())
def test_no_row_is_empty_and_every_span_lies_in_the_text(tokenizer, sentence):
    """Any text gives at least one id; spans are in order and inside."""
    (row,) = tokenizer.encode([sentence], max_len=8)
    assert 1 <= len(row.ids) <= 8
    assert row.ids.dtype == np.int32
    assert len(row.ids) == len(row.spans)
    assert (row.spans[:, 0] <= row.spans[:, 1]).all()
    assert (row.spans[:, 1] <= len(sentence)).all()
    assert (np.diff(row.spans[:, 0]) >= 0).all()


def test_truncation_keeps_the_first_tokens_and_tells_the_total(tokenizer):
    """What was cut off is counted."""
    (row,) = tokenizer.encode(["good " * 10], max_len=4)
    assert (len(row.ids), row.total) == (4, 10)


@pytest.mark.parametrize(
    ("keep", "max_len", "kept"),
    [
        ("head", 3, "one two three"),
        ("tail", 3, "four five six"),
        ("both", 3, "one two six"),
        ("both", 4, "one two five six"),
        ("both", 1, "one"),
        ("both", 6, "one two three four five six"),
    ],
)
def test_truncation_keeps_the_part_that_is_asked_for(keep, max_len, kept):
    """Words and their places go together."""
    sentence = "one two three four five six"
    tokenizer = train_tokenizer([sentence], vocabulary=20)
    (row,) = tokenizer.encode([sentence], max_len=max_len, keep=keep)
    assert " ".join(sentence[start:end] for start, end in row.spans) == kept
    (whole,) = tokenizer.encode([sentence], max_len=100)
    places = [sentence.split().index(word) for word in kept.split()]
    assert row.ids.tolist() == whole.ids[places].tolist()
    assert row.total == 6


def test_another_process_reads_the_same_tokenizer(tokenizer):
    """JSON out, JSON in: the same ids."""
    code = (
        "import sys; from pipeline.encoding.tokenizer import load_tokenizer; "
        "row, = load_tokenizer(sys.stdin.read()).encode(['The good zebra.'], max_len=9); "
        "print(row.ids.tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=tokenizer.to_json(),
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = tokenizer.encode(["The good zebra."], max_len=9)
    assert done.stdout.strip() == str(row.ids.tolist())


@pytest.mark.parametrize(
    "sentence", ["Good  films<br />are fun", "我喜欢 电影。", "🎉 Größe", "فيلم"]
)
def test_byte_pairs_cover_every_letter_and_know_every_text(sentence):
    """Trained on English alone: any text in pieces at their places, none unknown."""
    pairs = train_tokenizer(SENTENCES, vocabulary=300, tokenizer="bpe")
    (row,) = pairs.encode([sentence], max_len=100)
    assert UNKNOWN_ID not in row.ids
    covered = {place for start, end in row.spans for place in range(start, end)}
    letters = {place for place, letter in enumerate(sentence) if letter.isalnum()}
    letters -= set(range(sentence.find("<"), sentence.find(">") + 1))
    assert letters <= covered
    assert all(not sentence[start:end].isspace() for start, end in row.spans)


def test_byte_pairs_join_what_is_frequent():
    """A frequent word is one token, and a word of frequent parts is a few."""
    pairs = train_tokenizer(["the film was good"] * 50, vocabulary=300, tokenizer="bpe")
    assert words(pairs, "The GOOD film") == ["The", "GOOD", "film"]
    assert len(words(pairs, "goodfilm")) < len("goodfilm")
    assert load_tokenizer(pairs.to_json()).encode(["film"], max_len=9)[0].ids.tolist() == (
        pairs.encode(["film"], max_len=9)[0].ids.tolist()
    )
    assert pairs.encode(["  "], max_len=9)[0].ids.tolist() == [UNKNOWN_ID]


@pytest.mark.parametrize("kind", ["words", "bpe"])
@pytest.mark.parametrize("keep", ["head", "both"])
@given(texts=st.lists(st.text(max_size=12), max_size=4))
def test_tokens_are_the_same_without_spans(kind, keep, texts):
    """And as many before truncation, for any text."""
    made = train_tokenizer(SENTENCES, vocabulary=300, tokenizer=kind)
    full, bare = (made.encode(texts, max_len=3, keep=keep, spans=spans) for spans in (True, False))
    for one, other in zip(full, bare, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert one.total == other.total
        assert one.spans.shape == (len(one.ids), 2)
        assert other.spans.shape == (0, 2)
