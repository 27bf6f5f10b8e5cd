import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.documentation.blocks import DocumentError, fill

TEXT = (
    "# A\n\n<!-- table: one -->\nold\n<!-- end -->\n\nmiddle\n<!-- table: two -->\n<!-- end -->\n"
)


def test_only_what_stands_between_the_markers_is_replaced():
    """Each by its own table."""
    assert fill(TEXT, {"one": "1", "two": "2\n"}, document="a.md") == (
        "# A\n\n<!-- table: one -->\n\n1\n\n<!-- end -->\n\nmiddle\n"
        "<!-- table: two -->\n\n2\n\n<!-- end -->\n"
    )


@given(st.text().filter(lambda text: "<!--" not in text))
def test_filling_twice_is_filling_once(table):
    """Idempotent, whatever the table."""
    once = fill(TEXT, {"one": table, "two": "2"}, document="a.md")
    assert fill(once, {"one": table, "two": "2"}, document="a.md") == once


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n<!-- table: three -->\n<!-- end -->", "a.md: there is no table 'three'"),
        ("\n<!-- table: one -->\n", "a.md, line 2: the marker <!-- table: one --> has no"),
        ("<!-- end -->\n", "a.md, line 1: the marker <!-- end --> has no"),
        ("<!-- table: one -->\n<!-- table: two -->\n", "a.md, line 1"),
    ],
)
def test_wrong_markers_are_an_error(text, said):
    """It names the document and the line, or the tables that there are."""
    with pytest.raises(DocumentError, match=said) as caught:
        fill(text, {"one": "1", "two": "2"}, document="a.md")
    assert caught.value.fix
