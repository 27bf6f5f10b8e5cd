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
