"""Guess which column of a user's file is the text, and which the label."""

import shlex
from collections.abc import Sequence, Set
from typing import Any

from pipeline.data import columns
from pipeline.data.class_names import several_labels
from pipeline.data.columns import Column
from pipeline.data.look import Look, listed, listed_kinds, unclear
from pipeline.data.schema import MANY_CLASSES
from pipeline.errors import DataError

# Words in the names of columns. Of labels, the first that is found is taken.
# fmt: off
TEXTS = frozenset({
    "text", "review", "comment", "body", "content", "message", "tweet", "sentence", "description",
    "plot", "post", "question", "query", "utterance", "document", "article", "abstract", "story",
    "statement", "phrase", "transcript", "narrative",
})
LABELS = (
    "label", "class", "target", "category", "sentiment", "topic", "intent", "emotion", "polarity",
    "overall", "stars", "rating", "score", "genre", "grade", "spam", "stance", "y",
)
# Never the label, unless a flag names it.
ASIDE = frozenset({
    "id", "ids", "index", "idx", "no", "nr", "row", "unnamed", "user", "username", "reviewer",
    "by", "name", "split", "fold", "set", "subset", "partition", "verified", "url", "link", "date",
    "time", "timestamp", "year", "month", "day", "hour", "weekday", "timezone", "confidence",
    "helpful", "votes", "count", "likes", "retweets", "version", "page", "age", "size", "length",
})
# The label only where nothing else could be.
SUBJECTS = frozenset({
    "lang", "language", "author", "source", "publisher", "location", "place", "country", "city",
    "region", "device",
})
# fmt: on
ABSENT = frozenset({"nan", "null", "n/a", "na", "#n/a", "undefined", "missing", "?", "-"})
FRACTIONS = ("numbers", "numbers with a decimal comma")
CLASSES = ("text", "whole numbers", *FRACTIONS, "booleans")  # kinds of a label
ONE_LABEL = "Spotlight learns one label a row."
EVIDENCE = ("evidence", "spans", "rationale", "rationales")
MOST_STEPS = 20  # of a rating that isn't whole
ROWS_OF_A_CLASS = 4  # on average at least; else the values are no classes


def text_source(
    look: Look, *, text: Sequence[str], label: str | None
) -> tuple[dict[str, Any], list[str]]:
    """The `source` for texts with labels, and notes for the reader.

    Args:
        look: at the file.
        text: the columns that the user named, if any.
        label: the same.

    Raises:
        DataError: it isn't clear which columns to take, or a row has several labels.
    """
    text = list(text) or [_the_text(look, label).name]
    label = label or the_label(look, aside={*text}).name
    _refuse_joined_labels(look, look.columns[label])
    evidence = [name for name in look.columns if name.lower() in EVIDENCE]
    source = {
        "text_column": text[0] if len(text) == 1 else text,
        "label_column": label,
        **({"evidence_column": evidence[0]} if evidence and len(text) == 1 else {}),
    }
    classes = look.columns[label]
    ordered = classes.kind in ("whole numbers", "numbers")
    names = sorted(classes.counts, key=float if ordered else None)
    shown = ", ".join(map(_written, names[:6])) + (", …" if len(names) > 6 else "")
    notes = [f"The text is {listed(text)}, the label {label!r}: {len(names):,} classes, {shown}."]
    if alike := _spelled_alike(names):
        shown = "; ".join(map(listed, alike[:3])) + ("; …" if len(alike) > 3 else "")
        notes.append(
            f"The classes {shown} differ only in case or spaces: if they are one, write them alike."
        )
    rare = [name for name in names if classes.counts[name] == 1]
    if rare and look.seen == look.rows:
        notes.append(
            f"The class {rare[0]!r} has one row: it takes two of each, so add rows or remove it."
        )
    if absent := [name for name in names if name.lower() in ABSENT]:
        notes.append(
            f"The class {absent[0]!r} may stand for a missing label: if so, remove its rows."
        )
    if classes.missing:
        missing = f"{len(classes.missing):,} of {look.seen:,} rows"
        notes.append(f"{missing} have no {label!r}: remove them, or write what they lack.")
    others = [one.name for one in find_texts(look, timed=True) if one.name not in {*text, label}]
    if others and not evidence:
        notes.append(f"To read {others[0]!r} too, list both in `text_column`.")
    return source, notes


def _written(name: str) -> str:
    """A class's name; in quotes where spaces at an end would not be seen."""
    return name if name == name.strip() else repr(name)


def _spelled_alike(names: Sequence[str]) -> list[list[str]]:
    """The groups of names that are the same but for case and spaces."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(" ".join(name.casefold().split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def find_texts(look: Look, *, timed: bool) -> list[Column]:
    """The columns that hold texts: mostly distinct, as names of classes or places are not.

    Args:
        look: at the file.
        timed: whether there is a time column; then only columns of several words count.
    """
    words = [one for one in look.columns.values() if one.kind == "text"]
    distinct = [one for one in words if one.distinct > look.seen / 2]
    several = [one for one in distinct if one.words >= 2]
    if several or timed:
        return several
    recurring = [one for one in words if one.words >= 3 and one.distinct > look.seen / 20]
    named = [one for one in words if _called(one, TEXTS) and one.distinct > look.seen / 20]
    return recurring or named or [one for one in distinct if not _called(one, ASIDE - {"name"})]


def _the_text(look: Look, label: str | None) -> Column:
    """The longest of those that are named like a text, or else of all.

    Raises:
        DataError: there is none, or another one is about as long.
    """
    texts = [one for one in find_texts(look, timed=False) if one.name != label]
    named = [one for one in texts if _called(one, TEXTS)]
    ranked = sorted(named or texts, key=lambda one: -one.length)
    exact = [one for one in ranked if one.name.lower() in {"text", "review"}]
    if exact:
        return exact[0]
    if not ranked:
        raise unclear(look, "no column of texts", look.columns.values(), "--text")
    if len(ranked) > 1 and ranked[1].length > ranked[0].length / 2:
        what = "several columns that may be the text (those that you name are joined)"
        raise unclear(look, what, ranked, "--text")
    return ranked[0]


def the_label(look: Look, *, aside: Set[str]) -> Column:
    """The column that looks most like classes: by its name, or else the only one.

    Args:
        look: at the file.
        aside: columns that are something else.

    Raises:
        DataError: there is none, there are several, or a row has several labels.
    """
    left = [one for one in look.columns.values() if one.name not in aside]
    if not left:
        raise _only_texts(look)
    fitting = [one for one in left if are_classes(look, one)]
    ranks = {one.name: _rank(one) for one in fitting}
    best = min((rank for rank in ranks.values() if rank is not None), default=None)
    named = [one for one in fitting if best is not None and ranks[one.name] == best]
    _refuse_several_labels(look, left, fitting, named)
    plain = [one for one in fitting if not _called(one, ASIDE)]
    main = [one for one in plain if not _called(one, SUBJECTS)] or plain
    likely = named or [one for one in main if one.kind != "booleans"] or main
    if likely and all(_same_classes(likely[0], one) for one in likely[1:]):
        # The names of the classes tell more than their numbers.
        return next((one for one in likely if one.kind == "text"), likely[0])
    if not any(may_be_label(look, one) for one in left):
        raise DataError(
            f"{look.file} has no column of classes: {listed_kinds(left)}.",
            fix="add a column that names the class of each row; numbers become classes such as "
            "low and high.",
        )
    what = f"{'several columns' if likely else 'no column'} that may be the label"
    raise unclear(look, what, likely or fitting or left, "--label")


def may_be_label(look: Look, column: Column) -> bool:
    """Whether a column can be the label if the user says so."""
    most = min(MANY_CLASSES, look.seen / 2)
    return column.kind in CLASSES and 2 <= column.distinct <= most


def _only_texts(look: Look) -> DataError:
    """The error for a file of nothing but texts."""
    (first, *_) = (value for one in look.columns.values() for value in one.values if value)
    if str(first).startswith("__label__"):
        return DataError(
            f"{look.file} is in fastText's format: the class of a row is the start of its text.",
            fix="put a tab between them and save it as .tsv: "
            "sed -E 's/^__label__([^ ]+) /\\1\\t/' OLD > NEW.tsv",
        )
    return DataError(
        f"{look.file} has no column for the class of a text, only {listed(look.columns)}.",
        fix="add a column with the class of each row.",
    )


def are_classes(look: Look, column: Column) -> bool:
    """Whether the values may be classes: few enough, each with several rows."""
    if column.kind in FRACTIONS:  # half stars
        return _rank(column) is not None and 2 <= column.distinct <= MOST_STEPS
    if column.kind not in {"text", "whole numbers", "booleans"}:
        return False
    if column.kind == "whole numbers" and column.distinct > 20:
        values = [int(value) for value in column.counts]
        if max(values) - min(values) + 1 > 1.2 * column.distinct:
            return False  # counts or identifiers: classes are numbered without gaps
    rows = 2 if _rank(column) is not None else ROWS_OF_A_CLASS
    most = min(MANY_CLASSES, look.seen / rows)
    return 2 <= column.distinct <= most and len(column.missing) <= look.seen / 2


def _rank(column: Column) -> int | None:
    """The place of its name in `LABELS`; after those, of a word in it; None without either."""
    words = columns.tokens(column.name)
    if column.name.lower() in LABELS:
        return LABELS.index(column.name.lower())
    if column.kind == "booleans" or not {"confidence", "count", "votes"}.isdisjoint(words):
        return None
    places = [LABELS.index(word) for word in words if word in LABELS[:-1]]
    return len(LABELS) + min(places) if places else None


def _called(column: Column, names: Set[str]) -> bool:
    """Whether one of these words is in the column's name."""
    return not names.isdisjoint(columns.tokens(column.name))


def _same_classes(one: Column, other: Column) -> bool:
    """Whether two columns name the same classes, as 0, 1 and bad, good do."""
    pairs = set(zip(map(str, one.values), map(str, other.values), strict=True))
    return len(pairs) == one.distinct == other.distinct


def _refuse_several_labels(
    look: Look, left: Sequence[Column], fitting: Sequence[Column], named: Sequence[Column]
) -> None:
    """Say plainly that a row has one label.

    Raises:
        DataError: labels are lists, joined as in `a|b`, or in columns of 0 and 1.
    """
    flags = [one for one in fitting if set(one.counts) == {"0", "1"} and not _called(one, ASIDE)]
    if len(flags) > 1 and not named:
        raise DataError(
            f"{look.file} has a column of 0 and 1 for each of several labels: "
            f"{listed(one.name for one in flags)}. {ONE_LABEL}",
            fix=f"choose one of them, --label {shlex.quote(flags[0].name)}, or write the class "
            "of each row in one column.",
        )
    lists = [one for one in left if one.kind == "lists" and one.name.lower() not in EVIDENCE]
    combined = [one for one in left if one.kind == "text" and _rank(one) is not None]
    for one in [] if fitting else [*lists, *combined]:
        _refuse_joined_labels(look, one)


def _refuse_joined_labels(look: Look, column: Column) -> None:
    """Refuse labels that are lists, or joined as in `a|b`.

    Raises:
        DataError: with one of them.
    """
    written = [*column.counts]
    several = written if column.kind == "lists" else list(several_labels(written))
    if several:
        raise DataError(
            f"{look.file} has several labels a row in {column.name!r}, such as "
            f"{max(several[:20], key=len)!r}. {ONE_LABEL}",
            fix="keep one label of each row, or name another column: --label COLUMN",
        )
