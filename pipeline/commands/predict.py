"""`predict`: ask a model about a text, a file of texts, or the last window of a series."""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline import progress
from pipeline.commands import Subparsers
from pipeline.core.runtime import quiet_imports
from pipeline.errors import DataError, SpotlightError
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.serving.answers import Sink
    from pipeline.serving.model import LoadedParts
    from pipeline.serving.questions import Question

T = TypeVar("T")
CHUNK = 256  # rows in memory at once
OUT, HTML = (".csv", ".jsonl", ".parquet"), (".html", ".htm")


class UsageError(SpotlightError):
    """The arguments don't fit together."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Request:
    """The command's arguments; see `add_parser`."""

    text: Sequence[str]
    file: str | None
    column: str | None
    model: Sequence[str] | None
    explain: bool
    out: Path | None
    html: Path | None
    json: bool


def add_parser(commands: Subparsers) -> None:
    """Add the command and its arguments."""
    about = "ask a model: a text or a file in, labels with their reasons out"
    parser = commands.add_parser("predict", description=about)
    parser.add_argument("text", nargs="*", metavar="TEXT", help="a text, in quotes")
    parser.add_argument(
        "--file", metavar="FILE", help="CSV, TSV, JSON lines, parquet or .txt; -: standard input"
    )
    parser.add_argument("--column", metavar="NAME", help="of the texts (default: text)")
    parser.add_argument(
        "--model",
        action="append",
        metavar="MODEL",
        help="models:/NAME@ALIAS, a run's id, or results/models/MODEL-SEED (default: the "
        "champion); more than once: side by side",
    )
    parser.add_argument(
        "--explain", action="store_true", help="show which words the attention falls on"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"write a file: {', '.join(OUT)}")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the weights")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.set_defaults(run=run)


def run(workspace: Workspace, **given: Any) -> None:
    """Answer every row, a chunk at a time: memory does not grow with the file.

    Raises:
        UsageError: the arguments don't fit together.
        DataError: the file can't be read, or a row of it is no valid input.
        ArtifactError: there is no such model.
        TrackingError: MLflow can't be reached or used.
    """
    request = Request(**given)
    check(request)  # before any library is imported
    if isinstance(sys.stdout, io.TextIOWrapper):  # not every terminal knows every letter
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _run(workspace, request)
        sys.stdout.flush()
    except BrokenPipeError:  # of `| head`; what is still in the buffer goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def check(request: Request) -> None:
    """Refuse arguments that don't fit together, and files that can't be read or written.

    Raises:
        UsageError, DataError: with what to give instead.
    """
    from pipeline.serving.questions import check_file

    text, file = request.text, request.file
    if bool(text) == (file is not None):
        raise UsageError(
            "Give a text or a file" + (", not both." if text else "."),
            fix='python -m pipeline predict "a text", or python -m pipeline predict --file FILE',
        )
    if len(text) > 1:
        raise UsageError(
            f"{len(text)} texts were given, the first of them {text[0]!r}.",
            fix="put a text with spaces in quotes; for several texts use --file.",
        )
    if request.column is not None and (file in {None, "-"} or str(file).lower().endswith(".txt")):
        raise UsageError(
            "--column names a column of a file; here there is none.",
            fix="leave it out, or name a CSV, JSON lines or parquet file with --file.",
        )
    if request.json and request.out is not None:
        raise UsageError("--json prints what --out writes.", fix="use one of them.")
    if request.model is not None and len(set(request.model)) < len(request.model):
        raise UsageError("The same --model is given twice.", fix="name two different ones.")
    for path, suffixes in ((request.out, OUT), (request.html, HTML)):
        if path is not None:
            _check_output(path, suffixes, file)
    if file is not None:
        check_file(file)


def _check_output(path: Path, suffixes: Sequence[str], file: str | None) -> None:
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{path} can't be written.", fix=f"end it in {', '.join(suffixes)}.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        fault = "it is a folder" if path.is_dir() else "its folder does not exist"
        raise UsageError(
            f"{path} can't be written: {fault}.", fix="name a file in a folder that exists."
        )
    if file is not None and path.resolve() == Path(file).resolve():
        raise UsageError(f"{path} would be overwritten.", fix="write to another file.")


def _run(workspace: Workspace, request: Request) -> None:
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        folders = find(workspace, request.model, Path(scratch))
        asked, total = _questions(request, folders)
        models = load(folders)
        sinks = _sinks(stack, request, models)
        rows = answer(asked, total, models, sinks, explain=request.explain or bool(request.html))
    if written := [str(path) for path in (request.out, request.html) if path is not None]:
        # Standard output may be JSON lines.
        print(f"{rows:,} row{'s' * (rows != 1)} → {', '.join(written)}", file=sys.stderr)


def find(workspace: Workspace, given: Sequence[str] | None, scratch: Path) -> dict[str, Path]:
    """Address → the folder of the model's parts; of none, the champion.

    Raises:
        ArtifactError: there is no such model.
        TrackingError: MLflow can't be reached or used.
    """
    from pipeline.core.params import load_params

    dataset = "" if given else load_params(workspace.params).dataset
    with quiet_imports():
        from pipeline.serving import addresses

    found: dict[str, Path] = {}
    for number, address in enumerate(given or [addresses.champion(dataset)]):
        found[address] = addresses.find_parts(workspace, address, scratch / str(number))
        if changed := addresses.changed_code(found[address]):
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            print(
                f"note: {address} was packed with other code than the project's ({changed[0]}"
                f"{more}), which answers here. `make repro` brings it up to date.",
                file=sys.stderr,
            )
    return found


def _questions(
    request: Request, folders: Mapping[str, Path]
) -> "tuple[Iterator[Question], int | None]":
    """The questions, and how many there are; None if they can be read only once."""
    from pipeline.core.files import read_json
    from pipeline.serving import inputs, questions

    cards = [read_json(folder / "model.json") for folder in folders.values()]
    shapes = {(card["kind"], *card.get("features", ()), card.get("time_steps")) for card in cards}
    if len(shapes) > 1:
        raise UsageError(
            "The models read different inputs.", fix="choose models of the same dataset."
        )
    card, file = cards[0], request.file
    if file is None:
        if card["kind"] != "text":
            raise UsageError(
                f"The model reads a series of {', '.join(card['features'])}, not a text.",
                fix=f"--file FILE, with a row for each of the last {card['time_steps']} steps.",
            )
        if fault := inputs.text_fault(request.text[0]):
            raise DataError(
                f"The text holds {fault} instead of a text.",
                fix="give at least one word, in UTF-8.",
            )
        return iter([questions.Question("the text", request.text[0])]), 1

    def read() -> "Iterator[Question]":
        if card["kind"] == "text":
            return questions.texts(file, request.column or "text")
        return questions.windows(file, card["features"], card["time_steps"])

    if file == questions.STANDARD_INPUT:
        return read(), None
    # Once to the end, so that a bad row is told before thousands of others are answered.
    return read(), sum(1 for _ in read())


def load(folders: Mapping[str, Path]) -> "dict[str, LoadedParts]":
    """Address → model, of their folders."""
    with quiet_imports():
        import keras

        from pipeline.serving.model import LoadedParts

    assert keras  # what `LoadedParts` imports, while standard error is quiet
    return {address: LoadedParts(folder) for address, folder in folders.items()}


def title(model: "LoadedParts") -> str:
    """What a model is."""
    return f"{model.card.get('model', 'model')}, seed {model.card.get('seed', '–')}"


def _sinks(
    stack: contextlib.ExitStack, request: Request, models: "Mapping[str, LoadedParts]"
) -> "list[Sink]":
    """Where the answers go: files, else the terminal."""
    from pipeline.serving import terminal, writers

    titles = {address: title(one) for address, one in models.items()}
    sinks: list[Sink] = []
    features = next(iter(models.values())).card.get("features", ())
    if request.html is not None:
        sinks.append(stack.enter_context(writers.page(request.html, titles, features)))
    if request.out is not None:
        write = writers.FILES[request.out.suffix.lower()]
        sinks.append(stack.enter_context(write(request.out, request.explain)))
    if request.json:
        sinks.append(terminal.json_lines(request.explain))
    elif not sinks:
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        colored = sys.stdout.isatty() and not plain
        shown: dict[str, bool] = {"explain": request.explain, "colored": colored}
        if request.file is None:
            sinks.append(terminal.blocks(titles, **shown))
        else:
            sinks.append(terminal.lines(titles, **shown, series=bool(features)))
    return sinks


def answer(
    asked: "Iterator[Question]",
    total: int | None,
    models: "Mapping[str, LoadedParts]",
    sinks: "Sequence[Sink]",
    *,
    explain: bool,
) -> int:
    """Answer all questions, a chunk at a time; returns how many there were.

    Args:
        asked: the questions.
        total: how many they are, for the progress bar; None if that isn't known.
        models: address → model.
        sinks: get the answers to each chunk.
        explain: whether they need the weights.
    """
    from pipeline.serving.answers import Answered, ask

    rows = asked if total == 1 else progress.bar(asked, what="answering", total=total, unit="row")
    # Who types wants an answer to every line.
    size = 1 if total is None and sys.stdin.isatty() else CHUNK
    numbers = count(1)
    done = 0
    for chunk in chunks(rows, size):
        said = [ask(one, chunk, explain=explain) for one in models.values()]
        answered = [
            Answered(next(numbers), question, dict(zip(models, of_row, strict=True)))
            for question, *of_row in zip(chunk, *said, strict=True)
        ]
        for sink in sinks:
            sink(answered)
        done += len(chunk)
    return done


def chunks(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    """The rows in lists of at most `size`."""
    while chunk := list(islice(rows, size)):
        yield chunk
