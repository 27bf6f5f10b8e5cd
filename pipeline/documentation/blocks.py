"""The marked blocks of a Markdown file: `<!-- table: NAME -->` … `<!-- end -->`."""

import re
from collections.abc import Mapping

from pipeline.errors import SpotlightError

_BLOCK = re.compile(r"^<!-- (?:table: (?P<name>[a-z-]+)|(?P<end>end)) -->$", re.MULTILINE)


class DocumentError(SpotlightError):
    """A document's markers are wrong, or its tables are stale."""


def fill(text: str, tables: Mapping[str, str], *, document: str) -> str:
    """Replace what stands between the markers; everything else stays.

    Args:
        text: of the document.
        tables: Markdown of each table by its name.
        document: the document's name, for messages.

    Raises:
        DocumentError: a table is unknown, or a marker has no counterpart.
    """
    markers = list(_BLOCK.finditer(text))
    filled, copied = [], 0
    for begin, end in zip(markers[::2], [*markers[1::2], None], strict=False):
        name = begin["name"]
        if name is None or end is None or not end["end"]:
            line = text.count("\n", 0, begin.start()) + 1
            raise DocumentError(
                f"{document}, line {line}: the marker {begin[0]} has no counterpart.",
                fix="begin a table with <!-- table: NAME --> and end it with <!-- end -->.",
            )
        if name not in tables:
            raise DocumentError(
                f"{document}: there is no table '{name}'.",
                fix=f"use one of: {', '.join(tables)}.",
            )
        filled += [text[copied : begin.end()], "\n\n", tables[name].strip("\n"), "\n\n"]
        copied = end.start()
    return "".join([*filled, text[copied:]])
