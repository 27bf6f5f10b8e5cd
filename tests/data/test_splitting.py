import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import splitting

TEXTS = st.lists(st.text(max_size=3), max_size=30)


@given(first=TEXTS, second=TEXTS)
def test_same_text_has_the_same_number(first: list[str], second: list[str]) -> None:
    """Two rows share a number exactly if they share their text, whichever split they are in."""
    numbers = splitting.identities(
        {
            "a": pa.chunked_array([pa.array(first, pa.string())]),
            "b": pa.chunked_array(
                [pa.array(part, pa.string()) for part in (second[:5], second[5:])]
            ),
        }
    )
    together = np.concatenate([numbers["a"], numbers["b"]])
    texts = np.array(first + second, object)
    assert ((together[:, None] == together) == (texts[:, None] == texts)).all()


@given(texts=st.lists(st.text(), unique=True, min_size=10, max_size=80), seed=st.integers(0, 5))
def test_editing_a_row_leaves_the_others_on_their_side(texts: list[str], seed: int) -> None:
    """Of the rest one changes sides at most, to keep the share; the order of rows is no matter."""

    def held(rows: list[str]) -> set[str]:
        numbers = splitting.hash_rows(text.encode() for text in rows)
        labels = np.zeros(len(rows), np.int64)
        kept = splitting.hold_out(labels, numbers, share=0.3, seed=seed)
        return {text for text, out in zip(rows, kept, strict=True) if out}

    before = held(texts)
    assert held(texts[::-1]) == before
    edited = [*texts[:-1], texts[-1] + " edited"]
    assert len((held(edited) ^ before) - {texts[-1], edited[-1]}) <= 1


def test_another_seed_holds_out_others() -> None:
    """And about the same share of every hundred."""
    groups = splitting.hash_rows(f"{number}".encode() for number in range(1000))
    labels = np.zeros(1000, np.int64)
    one, other = (splitting.hold_out(labels, groups, share=0.2, seed=seed) for seed in (0, 1))
    assert one.sum() == other.sum() == 200
    assert 20 <= (one & other).sum() <= 60
    assert all(8 <= part.sum() <= 35 for part in np.split(one, 10))


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=60),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 5),
)
def test_held_out_groups_are_whole_and_stratified(
    rows: list[tuple[int, int]], share: float, seed: int
) -> None:
    """No group is cut; of every class with two groups some are held out and some stay."""
    labels = np.array([label for label, _ in rows])
    groups = np.array([10 * group + label for label, group in rows])
    held = splitting.hold_out(labels, groups, share=share, seed=seed)
    assert not set(groups[held]) & set(groups[~held])
    for label in set(labels):
        members = set(groups[labels == label])
        wanted = min(max(1, round(share * len(members))), len(members) - 1)
        assert len(set(groups[held]) & members) == wanted


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 6)), min_size=1),
    seed=st.integers(0, 5),
)
def test_groups_and_copies_are_never_divided(rows: list[tuple[str, int]], seed: int) -> None:
    """Neither a group nor a text is on both sides; without need, no two groups are joined."""
    texts, groups = zip(*rows, strict=True)
    copies = splitting.hash_rows(text.encode() for text in texts)
    parts = splitting.indivisible(copies, np.array(groups, np.int64))
    for column in (np.array(texts), np.array(groups)):
        for value in set(column):
            assert len(set(parts[column == value])) == 1
    if len(set(texts)) == len(texts):
        assert len(set(parts)) == len(set(groups))
    held = splitting.hold_out(np.zeros(len(rows), np.int64), parts, share=0.3, seed=seed)
    assert not set(np.array(texts)[held]) & set(np.array(texts)[~held])
    assert not set(np.array(groups)[held]) & set(np.array(groups)[~held])
