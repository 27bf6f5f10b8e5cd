"""Files of answers, written as the answers come: each is there whole, or not at all."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import csv_text, doing, shown, temporary_folder
from pipeline.serving.answers import Answered, Sink, as_json, record


@contextlib.contextmanager
def csv_file(path: Path, explain: bool) -> Iterator[Sink]:
    """Write answers as CSV for people: lists are written as JSON, and no text is a formula."""
    with _replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:

        def write(answered: Sequence[Answered]) -> None:
            rows = [
                {
                    name: json.dumps(value, ensure_ascii=False)
                    if isinstance(value, list)
                    else value
                    for name, value in record(row, explain=explain).items()
                }
                for row in answered
            ]
            file.write(csv_text(rows, header=answered[0].number == 1))

        yield write


@contextlib.contextmanager
def json_lines_file(path: Path, explain: bool) -> Iterator[Sink]:
    """Write answers as JSON lines."""
    with _replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield lambda answered: file.writelines(
            f"{as_json(record(row, explain=explain))}\n" for row in answered
        )


@contextlib.contextmanager
def parquet_file(path: Path, explain: bool) -> Iterator[Sink]:
    """Write answers as parquet, each call a row group."""
    with _replacing(path) as temporary, contextlib.ExitStack() as stack:
        writers: list[pq.ParquetWriter] = []

        def write(answered: Sequence[Answered]) -> None:
            table = pa.Table.from_pylist(
                [record(row, explain=explain) for row in answered],
                schema=writers[0].schema if writers else None,
            )
            if not writers:
                writer = pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writers.append(stack.enter_context(writer))
            writers[0].write_table(table)

        yield write
        stack.close()  # before it is renamed


@contextlib.contextmanager
def page(path: Path, titles: Mapping[str, str], features: Sequence[str]) -> Iterator[Sink]:
    """Write an HTML page with the attention page's colors.

    Args:
        path: the file.
        titles: model's address → what it is.
        features: of a series; empty for texts.
    """
    from pipeline.explanation.page import environment

    # The macros of a template have no types.
    parts: Any = environment(__package__ or "").get_template("answers.html").module
    with _replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(parts.head(titles, bool(features)))
        yield lambda answered: file.writelines(
            parts.row(row.number, row.answers, titles, features) for row in answered
        )
        file.write(parts.foot())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place if the block succeeds."""
    with doing(f"writing {shown(path)}"), temporary_folder(path) as scratch:
        temporary = scratch / path.name
        yield temporary
        temporary.replace(path)


FILES = {".csv": csv_file, ".jsonl": json_lines_file, ".parquet": parquet_file}
