"""What code that reads or shows text shares."""

import unicodedata

# An HTML line break, in either case, with or without spaces and a slash. Works in Python's `re`
# and in `tokenizers`.
LINE_BREAK = r"(?i:<br\s*/?>)"

_UNPRINTABLE = ("Cc", "Zl", "Zp")  # Unicode categories: control characters and breaks


def unprintable(name: str) -> bool:
    """Whether a name has characters that would change more of a terminal than their own place."""
    return any(unicodedata.category(letter) in _UNPRINTABLE for letter in name)


def shortened(name: str, most: int = 24) -> str:
    """A name for a picture: of a long one, its beginning and its end."""
    end = most // 3
    return name if len(name) <= most else f"{name[: most - end - 1]}…{name[-end:]}"
