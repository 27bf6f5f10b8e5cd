"""What code that reads or shows text shares."""

import unicodedata

# An HTML line break, in either case, with or without spaces and a slash. Works in Python's `re`
# and in `tokenizers`.
LINE_BREAK = r"(?i:<br\s*/?>)"

SAMPLE = 20_000  # bytes that tell an encoding
# What `charset_normalizer` may find, and what `iconv` calls it. Western encodings look alike.
_ENCODINGS = {
    **{one: one.upper() for one in ("gb18030", "big5", "cp932", "cp949", "cp1251")},
    "euc_jp": "EUC-JP",
    "koi8_r": "KOI8-R",
    "utf_16_le": "UTF-16LE",
    "utf_16_be": "UTF-16BE",
}

_UNPRINTABLE = ("Cc", "Zl", "Zp")  # Unicode categories: control characters and breaks


def unprintable(name: str) -> bool:
    """Whether a name has characters that would change more of a terminal than their own place."""
    return any(unicodedata.category(letter) in _UNPRINTABLE for letter in name)


def shortened(name: str, most: int = 24) -> str:
    """A name for a picture: of a long one, its beginning and its end."""
    end = most // 3
    return name if len(name) <= most else f"{name[: most - end - 1]}…{name[-end:]}"


def conversion(content: bytes) -> str:
    """How to save a text in UTF-8, in words, by what its encoding seems to be."""
    from charset_normalizer import from_bytes  # only where something is wrong

    found = from_bytes(content[:SAMPLE]).best()
    if found is None:
        return "save it as a text file in UTF-8."
    name = _ENCODINGS.get(found.encoding, "CP1252")
    return f"save it in UTF-8. It seems to be {name}: iconv -f {name} -t UTF-8 OLD > NEW"
