"""What code that reads or shows text shares."""

import re
import unicodedata
from collections.abc import Sequence

# An HTML line break, in either case, with or without spaces and a slash. Works in Python's `re`
# and in `tokenizers`.
LINE_BREAK = r"(?i:<br\s*/?>)"

SAMPLE = 20_000  # bytes that tell an encoding
# What a text may be in, as Python and `iconv` call it. Those of Latin letters look alike, so they
# are tried apart, the most common first.
_LATIN = ("cp1252", "cp1254", "cp1250", "cp1257")
_OTHER = (
    *("cp1251", "koi8-r", "cp1253", "cp1255", "cp1256", "cp874"),
    *("gb18030", "big5", "cp932", "euc-jp", "cp949", "utf-16le", "utf-16be"),
)

# How Latin letters look in a wrong encoding: symbols in or behind words, and letters that only
# Icelandic has.
_ODD = re.compile(r"(?<=[^\W\d_])[^\w\s\x00-\x7f‘’](?=[^\W\d_])|(?<=[^\W\d_]{3})[¹³]|[ðþ]")

_UNPRINTABLE = ("Cc", "Zl", "Zp")  # Unicode categories: control characters and breaks


def unprintable(name: str) -> bool:
    """Whether a name has characters that would change more of a terminal than their own place."""
    return any(unicodedata.category(letter) in _UNPRINTABLE for letter in name)


def shortened(name: str, most: int = 24) -> str:
    """A name for a picture: of a long one, its beginning and its end."""
    end = most // 3
    return name if len(name) <= most else f"{name[: most - end - 1]}…{name[-end:]}"


def conversion(content: bytes) -> str:
    """How to save a text in UTF-8, in words, by what its encoding seems to be.

    Args:
        content: from the first line that isn't UTF-8 on; its first `SAMPLE` bytes count.
    """
    content = content[:SAMPLE]
    read = content.decode("utf-8", errors="replace")
    if sum(letter > "\x7f" for letter in read) > 3 * read.count("\ufffd"):
        return (
            "the text around it is UTF-8: correct the line, or drop what can't be read: iconv -c "
            "-f UTF-8 -t UTF-8 OLD > NEW"
        )
    if (name := _encoding(content)) is None:
        return "save it as a text file in UTF-8."
    begun = re.search(r"[^\n]{0,12}[^\x00-\x7f][^\n]{0,12}", content.decode(name, errors="ignore"))
    excerpt = f", in which it reads “{begun[0].strip()}”" if begun else ""
    return (
        f"save it in UTF-8. It seems to be {name.upper()}{excerpt}: "
        f"iconv -f {name.upper()} -t UTF-8 OLD > NEW"
    )


def _encoding(content: bytes) -> str | None:
    """Its name in `_LATIN` or `_OTHER`; None for what is no text."""
    # Among Latin letters, those beyond ASCII stand alone; in other scripts, all are beyond it.
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", content)]
    alone = b"\0" not in content and (max(runs, default=0) <= 2 or sum(runs) < 1.5 * len(runs))
    if alone and (read := _read(content, _LATIN)):
        return min(read, key=lambda name: (len(_ODD.findall(read[name])), _LATIN.index(name)))
    return next(iter(_read(content, _OTHER)), None)


def _read(content: bytes, names: Sequence[str]) -> dict[str, str]:
    """What the content reads in those encodings that it may be in, the most likely first."""
    from charset_normalizer import from_bytes  # only where something is wrong

    found = [str(match) for match in from_bytes(content, cp_isolation=[*names])]
    read = {name: content.decode(name, errors="replace") for name in names}
    possible = [name for name in names if read[name] in found]
    return {name: read[name] for name in sorted(possible, key=lambda name: found.index(read[name]))}
