"""Which letters a figure can show: matplotlib's own font, and others that are installed."""

import unicodedata
from functools import cache

from matplotlib import font_manager

FONT = "DejaVu Sans"  # comes with matplotlib
BOX = "\N{WHITE SQUARE}"  # stands for a letter that no font has

# Asked in this order for what `FONT` lacks; not every installed font, since some draw a box for
# any letter.
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "AR PL UMing CN",
    "Microsoft YaHei",
    "SimHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti TC",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
)


def families() -> list[str]:
    """The fonts of every figure: matplotlib's own, then the installed ones that may fill in."""
    installed = set(font_manager.fontManager.get_font_names())
    return [FONT, *(name for name in _FALLBACKS if name in installed)]


def missing(text: str) -> str:
    """The letters that none of these fonts has, each once, as they first appear.

    Those that are invisible anyway, such as a variation selector, don't count.
    """
    letters = dict.fromkeys(text)
    return "".join(letter for letter in letters if not _invisible(letter) and _lacks(letter))


def drawable(text: str) -> str:
    """A text with a box for every letter that no font has, so that matplotlib does not warn."""
    return "".join(
        (("" if _invisible(letter) else BOX) if _lacks(letter) else letter) for letter in text
    )


def notice(lacking: str, consequence: str) -> str:
    """What to tell a user of letters that no font has."""
    some = lacking if len(lacking) <= 5 else f"{lacking[:5]}…"
    return f"No installed font has {len(lacking):,} of the letters ({some}): {consequence}."


def _lacks(letter: str) -> bool:
    return not any(ord(letter) in _letters(name) for name in families())


def _invisible(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category in {"Cc", "Cf"} or "\ufe00" <= letter <= "\ufe0f"


@cache
def _letters(family: str) -> frozenset[int]:
    path = font_manager.findfont(font_manager.FontProperties(family=family))
    return frozenset(font_manager.get_font(path).get_charmap())
