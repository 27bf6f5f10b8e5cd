"""Files as people bring them: what `data add` proposes for each, or what it asks."""

import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.guess import Guess, Wishes, guess_source
from pipeline.errors import DataError

WORDS = ("lamp", "kettle", "chair", "drawer", "weeks", "of", "use", "with", "a", "this")
START = datetime(2024, 12, 10, 17, tzinfo=UTC)


def text(number: int, words: int = 8) -> str:
    """A text of its own for each number."""
    return " ".join(WORDS[number // 10**place % 10] for place in range(words)) + f" n{number}"


def table(folder: Path, header: str, rows: Sequence[Sequence[Any]], mark: str = ",") -> Path:
    """A CSV file of these rows."""
    lines = [header, *(mark.join(map(str, row)) for row in rows)]
    (folder / "own.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "own.csv"


def columns(guessed: Guess) -> tuple[Any, Any]:
    """The text's and the label's column."""
    return guessed.source["text_column"], guessed.source["label_column"]


@pytest.mark.parametrize("names", [("neg", "pos"), (0, 1)])
def test_rows_sorted_by_class(names: tuple[Any, Any], tmp_path: Path) -> None:
    """The first 1,200 rows have one class alone."""
    rows = [(text(n), names[n // 1200]) for n in range(2400)]
    found = guess_source(table(tmp_path, "review,sentiment", rows))
    assert columns(found) == ("review", "sentiment")
    assert f"2 classes, {names[0]}, {names[1]}" in found.notes[0]


def test_a_class_that_may_be_a_missing_label_is_named(tmp_path: Path) -> None:
    """As pandas writes what is missing; a class that is only called like it stays one."""
    rows = [(text(n), ("good", "bad", "nan")[n % 3]) for n in range(60)]
    found = guess_source(table(tmp_path, "review,sentiment", rows))
    assert (
        found.notes[1] == "The class 'nan' may stand for a missing label: if so, remove its rows."
    )


def test_a_large_file_is_sampled_over_all_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last class is seen too, and the same rows are drawn each time."""
    monkeypatch.setattr("pipeline.data.look.CELLS", 0)
    path = table(tmp_path, "a,b", [(text(n), "xy"[n >= 8000]) for n in range(9000)])
    found, again = guess_source(path), guess_source(path)
    assert columns(found) == ("a", "b")
    assert (found.look.rows, found.look.seen) == (9000, 2000)
    assert found.look.places == again.look.places == sorted(found.look.places)


def test_stars_with_a_decimal_point_and_a_list_of_votes(tmp_path: Path) -> None:
    """5.0 is the class 5; two counts in a list are no sequence where there is a text."""
    rows = [
        {
            "reviewerID": f"U{n}",
            "helpful": [n % 3, 4],
            "reviewText": text(n),
            "overall": 1.0 + n % 5,
            "summary": text(n, 2),
            "verified": n % 2 == 0,
            "unixReviewTime": 1390000000 + n,
        }
        for n in range(100)
    ]
    path = tmp_path / "own.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = guess_source(path)
    assert columns(found) == ("reviewText", "overall")
    assert "5 classes, 1, 2, 3, 4, 5" in found.notes[0]


@pytest.mark.parametrize("name", ["intent_{:02d}", "{}"])
def test_77_classes(name: str, tmp_path: Path) -> None:
    """Classes need several rows each, whatever their number."""
    rows = [(text(n), name.format(n % 77)) for n in range(77 * 8)]
    assert columns(guess_source(table(tmp_path, "text,category", rows))) == ("text", "category")


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"id": "{n}", "user": "u{n:03d}", "split": "{half}", "verdict": "{third}"}, "verdict"),
        ({"verified": "{flag}", "star_rating": "{third}"}, "star_rating"),
        ({"v1": "{half}"}, "v1"),
        ({"label": "{third}", "sentiment_confidence": "{half}"}, "label"),
        ({"class_id": "{third}", "page": "{half}"}, "class_id"),
        ({"id": "{n}", "Language": "{third}"}, "Language"),
        ({"Date": "{n:02d}/12/2006", "price_range": "{dollars}"}, "price_range"),
        ({"label": "{sign}"}, "label"),
        ({"label": "{half}", "female": "{half}", "old": "{half}"}, "label"),
        ({"is_open": "{flag}", "mood": "{third}"}, "mood"),
        ({"intent_id": "{third}", "intent_name": "name{third}"}, "intent_name"),
    ],
)
def test_the_label_among_other_columns(
    others: dict[str, str], expected: str, tmp_path: Path
) -> None:
    """Named or looking like a label; never an id, a user, a split or a flag beside it."""
    rows = [
        (
            text(n),
            *(
                value.format(
                    n=n,
                    half=n % 2,
                    third=n % 3,
                    flag=n % 2 == 0,
                    dollars="$" * (1 + n % 3),
                    sign="+1" if n % 2 else "-1",
                )
                for value in others.values()
            ),
        )
        for n in range(1, 32)
    ]
    found = guess_source(table(tmp_path, ",".join(["body", *others]), rows))
    assert columns(found) == ("body", expected)


def test_dates_are_no_texts(tmp_path: Path) -> None:
    """Though they are distinct and, with a month in words, longer than a text."""
    for pattern in (
        "%Y-%m-%d %H:%M:%S",
        "%d/%m/%Y",
        "%d %B %Y",
        "%a %b %d %H:%M:%S PDT %Y",
        "%m/%d/%y",
    ):
        rows = [
            ((START + timedelta(days=n)).strftime(pattern), text(n, 2), "xy"[n % 2])
            for n in range(40)
        ]
        found = guess_source(table(tmp_path, "when,what,group", rows))
        assert columns(found) == ("what", "group"), pattern


@pytest.mark.parametrize(
    ("header", "cells", "words"),
    [
        ("text,mood,tone", ("{n}", "{half}", "{third}"), ["several columns", "mood", "--label"]),
        ("sentence1,sentence2,label", ("{n}", "{n}", "{half}"), ["several", "--text sentence1"]),
        ("text,user", ("{n}", "{id}"), ["no column of classes", "user"]),
        ("text,toxic,rude", ("{n}", "{half}", "{flag}"), ["0 and 1", "one label", "--label"]),
        ("text,genre", ("{n}", "{joined}"), ["several labels", "'genre'", "one label"]),
        ("text,genre", ("{n}", "a|b{id}"), ["several labels", "'genre'", "one label"]),
    ],
)
def test_what_is_not_clear_is_asked(
    header: str, cells: tuple[str, ...], words: list[str], tmp_path: Path
) -> None:
    """The candidates with examples, and the flag that names one."""
    values = {"half": [0, 1], "third": "abc", "flag": [0, 0, 1, 1]}
    rows = [
        [
            cell.format(
                n=text(n),
                id=n,
                joined=("drama", "drama|action", "action")[n % 3],
                **{name: found[n % len(found)] for name, found in values.items()},
            )
            for cell in cells
        ]
        for n in range(40)
    ]
    with pytest.raises(DataError) as error:
        guess_source(table(tmp_path, header, rows))
    for word in words:
        assert word in str(error.value)


def test_flags_are_obeyed_and_checked(tmp_path: Path) -> None:
    """What they name is taken; a wrong name, a wrong kind or a contradiction is said."""
    rows = [(text(n), text(n, 3), n % 3, n / 7) for n in range(40)]
    path = table(tmp_path, "body,title,mood,size", rows)
    found = guess_source(path, Wishes(text=["title"], label="mood"))
    assert columns(found) == ("title", "mood")
    found = guess_source(path, Wishes(target="size"))
    assert found.source["features"] == ["mood", "size"]
    assert "No time column" in found.notes[0]
    for wishes, words in (
        (Wishes(label="moods"), "--label: .*'moods'.*Did you mean 'mood'"),
        (Wishes(text=["size"]), "--text: the column 'size' .* holds numbers"),
        (Wishes(label="body"), "--label: the column 'body' .* 40 distinct"),
        (Wishes(target="title"), "--target: the column 'title' .* holds text"),
        (Wishes(features=["body"]), "--features: the column 'body'"),
        (Wishes(text=["body"], target="size"), "--text and --target don't go together"),
    ):
        with pytest.raises(DataError, match=words):
            guess_source(path, wishes)


def test_a_file_without_a_header(tmp_path: Path) -> None:
    """Its columns are numbered, or named by the user; no row is lost."""
    rows = [(n % 4 + 1, f"{text(n, 3)}", text(n, 12)) for n in range(40)]
    path = table(tmp_path, "4,a title of its own,the very first of all rows that are here", rows)
    found = guess_source(path)
    assert columns(found) == ("column_3", "column_1")
    assert found.source["columns"] == ["column_1", "column_2", "column_3"]
    assert "without a header" in found.notes[0]
    assert found.look.rows == 41
    names = ["class", "title", "description"]
    found = guess_source(path, Wishes(text=["title", "description"]), names=names)
    assert columns(found) == (["title", "description"], "class")
    assert found.source["columns"] == names
    assert len(found.notes) == 1


def test_numbers_without_a_header(tmp_path: Path) -> None:
    """A series is read so too; pandas' own numbers of columns are a header."""
    rows = [(f"2024-01-{1 + n // 24:02d} {n % 24:02d}:00", n / 8) for n in range(100)]
    found = guess_source(table(tmp_path, "2023-12-31 23:00,7.5", rows))
    assert found.source["columns"] == ["column_1", "column_2"]
    assert found.source["time_column"] == "column_1"
    long = "How would you describe the load of the whole building at this hour?"
    found = guess_source(table(tmp_path, f"when,{long}", rows))
    assert found.source["features"] == [long]
    found = guess_source(table(tmp_path, "0,1", rows))
    assert (found.source["time_column"], "columns" in found.source) == ("0", False)


def test_quotation_marks_that_enclose_nothing(tmp_path: Path) -> None:
    """All rows arrive, and the entry says how."""
    lines = ["tweet\tlabel", *(f"{text(n)}\t{'xy'[n % 2]}" for n in range(40))]
    lines[11] = f'"{lines[11]}'
    path = tmp_path / "own.tsv"
    path.write_text("\n".join(lines) + "\n")
    found = guess_source(path)
    assert (found.source["quoting"], found.look.rows) == ("none", 40)


def test_files_in_an_archive(tmp_path: Path) -> None:
    """As if they were unpacked, with nested fields by their path."""
    lines = "".join(
        json.dumps({"content": {"body": text(n)}, "meta": {"label": "xy"[n % 2]}}) + "\n"
        for n in range(40)
    )
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        archive.writestr("own.jsonl", lines)
    found = guess_source(tmp_path / "own.zip")
    assert columns(found) == ("content.body", "meta.label")


@pytest.mark.parametrize("mark", [".", ","])
def test_half_stars_are_classes_where_they_are_named_so(mark: str, tmp_path: Path) -> None:
    """4.5 of a rating, or 4,5, but not of a size."""
    rows = [
        (text(n), *(str(size).replace(".", mark) for size in (1 + n % 9 / 2, n % 9 / 2)))
        for n in range(90)
    ]
    found = guess_source(table(tmp_path, "text;size;rating", rows, mark=";"))
    assert columns(found) == ("text", "rating")
    assert f"9 classes, 0{mark}0, 0{mark}5" in " ".join(found.notes)


# ── series ───────────────────────────────────────────────────────────────────────────────


def series(folder: Path, header: str, pattern: str, mark: str = ",", **step: float) -> Path:
    """A time in this pattern, a number and a whole number in each row."""
    rows = [
        ((START + n * timedelta(**step)).strftime(pattern), 5 + n / 8, n % 7) for n in range(400)
    ]
    return table(folder, header, rows, mark)


@pytest.mark.parametrize(
    ("header", "pattern", "unit", "expected"),
    [
        ("Date;Time;Load;W", "%d/%m/%Y;%H:%M:%S", "minutes",
         (["Date", "Time"], "%d/%m/%Y %H:%M:%S")),
        ("Date;Hour;Load;W", "%d/%m/%Y;%H", "hours", (["Date", "Hour"], "%d/%m/%Y %H")),
        ("Date;Load;W", "%m/%d/%Y", "days", ("Date", "%m/%d/%Y")),
        ("Date;Load;W", "%d.%m.%Y %H:%M", "hours", ("Date", "%d.%m.%Y %H:%M")),
        ("at;Load;W", "%Y-%m-%d %H:%M:%S", "hours", ("at", None)),
        ("at;Load;W", "%Y-%m-%dT%H:%M:%SZ", "hours", ("at", None)),
        ("day;Load;W", "%Y%m%d", "days", ("day", "%Y%m%d")),
        ("year;month;day;hour;Load;W", "%Y;%m;%d;%H", "hours",
         (["year", "month", "day", "hour"], "%Y %m %d %H")),
        ("timestamp;Load;W", "%s", "hours", ("timestamp", None)),
        ("Day;Load;W", "%d-%b-%y", "days", ("Day", "%d-%b-%y")),
        ("Day;Time;Load;W", "%m/%d/%y;%I:%M %p", "hours", (["Day", "Time"], "%m/%d/%y %I:%M %p")),
    ],
)  # fmt: skip
def test_times_are_recognized(
    header: str, pattern: str, unit: str, expected: tuple[Any, Any], tmp_path: Path
) -> None:
    """In one column or in several, in the formats that people use."""
    found = guess_source(series(tmp_path, header, pattern, ";", **{unit: 1})).source
    assert (found["kind"], found["target"]) == ("series", "Load")
    assert (found["time_column"], found.get("time_format")) == expected
    assert found["features"] == ["Load", "W"]


def test_a_day_that_may_be_a_month_is_decided_by_the_order(tmp_path: Path) -> None:
    """Twelve rows of January first fit both; even steps decide, and it is said."""
    rows = [(f"01/{day:02d}/2020", day / 3) for day in range(1, 13)]
    found = guess_source(table(tmp_path, "when,load", rows))
    assert found.source["time_format"] == "%m/%d/%Y"
    assert "check `time_format`" in found.notes[0]


def test_missing_values_and_decimal_commas(tmp_path: Path) -> None:
    """The entry fills gaps with the value before, and says where the first one is."""
    rows = [
        (f"2024-01-01 {n % 24:02d}:{n // 24:02d}", f"{n},5", "?" if n == 7 else n)
        for n in range(24)
    ]
    found = guess_source(table(tmp_path, "at;load;heat", rows, ";"))
    assert (found.source["decimal"], found.source["missing"]) == (",", "ffill")
    assert "'heat', first in row 8" in found.notes[0]


@pytest.mark.parametrize("by_day", [True, False])
def test_several_series_in_one_file(by_day: bool, tmp_path: Path) -> None:
    """By shop or by day: times repeat, and the shop explains it; a holiday doesn't."""
    rows = [
        (f"2023-01-{1 + day:02d}", shop, round(shop * 9 + day / 7, 2), int(day % 7 == 0))
        for day in range(30)
        for shop in range(1, 6)
    ]
    if not by_day:
        rows.sort(key=lambda row: row[1])
    found = guess_source(table(tmp_path, "Date,Store,Sales,Holiday", rows))
    assert found.source["series_column"] == "Store"
    assert (found.source["features"], found.source["target"]) == (["Sales", "Holiday"], "Sales")
    assert found.rows == 30
    assert "5 series" in found.notes[0]


def test_two_columns_may_tell_series_apart(tmp_path: Path) -> None:
    """A shop and an item; without any such column, it is asked."""
    rows = [
        (f"2023-01-{day:02d}", shop, item, day / 7)
        for shop in "ab"
        for item in "xyz"
        for day in range(1, 31)
    ]
    found = guess_source(table(tmp_path, "date,store,item,sales", rows))
    assert found.source["series_column"] == ["store", "item"]
    path = table(
        tmp_path, "date,slot,sales", [(row[0], n // 30, row[3]) for n, row in enumerate(rows)]
    )
    with pytest.raises(DataError, match=r"6 rows of the time '2023-01-01'.*\n.*--series COLUMN"):
        guess_source(path)
    with pytest.raises(DataError, match="rows of 'slot', 'date' '0 2023-01-0"):
        guess_source(
            table(tmp_path, "date,slot,sales", [(row[0], 0, row[3]) for row in rows]),
            Wishes(series=["slot"]),
        )


def test_a_wide_file_is_seen_in_seconds(tmp_path: Path) -> None:
    """600 features; the row's number is none of them."""
    header = ",".join(["id", "t", *(f"f{n}" for n in range(600))])
    rows = [[n, n * 2, *(n / 3 + k for k in range(600))] for n in range(100)]
    found = guess_source(table(tmp_path, header, rows)).source
    assert (found["time_column"], len(found["features"])) == ("t", 600)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ('"1,2{n:02d}"', "a comma separates thousands"),
        ("{n}.5 kW", "a unit is beside each"),
        ("-{n} °C", "a unit is beside each"),
        ("€{n}", "a unit is beside each"),
    ],
)
def test_numbers_that_can_t_be_read_are_named_with_the_reason(
    number: str, why: str, tmp_path: Path
) -> None:
    """As a refusal, or beside other numbers as a note; names such as 1B aren't taken for them."""
    rooms = [f"{n}{'ABCDEF'[n % 6]}" for n in range(24)]
    days = [(f"2024-01-01 {n:02d}:00", number.format(n=n), rooms[n], n) for n in range(24)]
    with pytest.raises(DataError, match=f"no numbers that can be read, because {why}") as caught:
        guess_source(table(tmp_path, "day,x,room", [row[:3] for row in days]))
    assert caught.value.fix == "write plain numbers in 'x', such as 1234.5."
    found = guess_source(table(tmp_path, "day,x,room,load", days))
    assert f"Not read, because {why}: 'x'." in found.notes
