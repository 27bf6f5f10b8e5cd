"""What every file of parameters is made of: bounded values, frozen sections, clear errors."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.core.texts import unprintable
from pipeline.errors import ParamsError

# Names of folders, of DVC's stages and of MLflow's experiments, and words of a shell's command.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]

# Every number has bounds; `strict` refuses `true` and `"1"`, which are numbers to pydantic.
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]  # NumPy's and Keras's have 32 bits
Threads = Annotated[int, Field(strict=True, ge=1, le=1024)]  # no machine has more cores
Workers = Annotated[int, Field(strict=True, ge=1, le=1024)]  # each has a copy of the model
Count = Annotated[int, Field(strict=True, ge=1, le=100_000)]  # of passes, trials, groups, texts
Rows = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]  # all are held in memory
Steps = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]  # a step's states are kept
Width = Annotated[int, Field(strict=True, ge=1, le=16_384)]  # an LSTM has 8 · width² weights
Vocabulary = Annotated[int, Field(strict=True, ge=3, le=10_000_000)]  # an embedding for each
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
Part = Annotated[float, Field(strict=True, gt=0, lt=1)]  # a share that can't be empty
Size = Rows | Part
LearningRate = Annotated[float, Field(strict=True, gt=0, le=10)]  # Adam's steps are that large
Penalty = Annotated[float, Field(strict=True, ge=0, le=1000)]  # nothing else counts then
Resamples = Annotated[int, Field(strict=True, ge=100, le=1_000_000)]  # each is kept


def _expanded(path: str) -> str:
    """A path that the system takes, once `~` is replaced."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError("`~` names a user who has no folder on this machine") from None
    if not path or "\0" in path:
        raise ValueError("a path can't be empty or hold the character NUL")
    return path


UserPath = Annotated[str, AfterValidator(_expanded)]
Position = Literal["anywhere", "start", "middle", "end"]
ClassWeight = Literal["none", "balanced"]


def _clean(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each name once")
    if any(map(unprintable, names)):
        raise ValueError("no control characters in names")
    return names


def _single(column: object) -> object:
    if isinstance(column, list | tuple):
        raise ValueError("one column; several labels in a row are not supported")
    return column


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_clean)]
Classes = Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_clean)]
LabelColumn = Annotated[str, BeforeValidator(_single)]


class Section(pydantic.BaseModel):
    """Base of every section: frozen, and unknown keys are errors."""

    model_config = pydantic.ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        use_attribute_docstrings=True,  # shown in docs/parameters.md
    )


T = TypeVar("T", bound=Section)


def read_yaml(path: Path) -> object:
    """Read YAML 1.2, as DVC does: `1e-3` is a number, `on` a string.

    Raises:
        ParamsError: the file is missing or is not YAML.
    """
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"There is no {path.name} in {path.parent}.",
            fix="run the command from the project's folder, or restore the file: "
            f"git checkout -- {path.name}",
        ) from None
    except RecursionError:
        raise ParamsError(
            f"{path.name} is nested too deeply, hundreds of levels: a bracket is never closed, "
            "perhaps.",
            fix=f"close it, or restore the file: git checkout -- {path.name}",
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        reason = ", ".join(filter(None, [error.context, error.problem]))
        raise ParamsError(
            f"{path.name} is not valid YAML, at line {line}: {reason}.",
            fix="fix that line, or the one before it.",
        ) from None
    except (YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ParamsError(
            f"{path.name} is not valid YAML: {reason}", fix="correct that, and save it in UTF-8."
        ) from None


def validate(section: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Validate values as a section.

    Raises:
        ParamsError: a key is missing or unknown, or a value is not allowed.
    """
    try:
        return section.model_validate(values)
    except pydantic.ValidationError as error:
        # A misspelled key may be missing too: the misspelling says more.
        first, *others = error.errors()
        if first["type"] == "missing":
            first = next((one for one in others if one["type"] == "extra_forbidden"), first)
        keys = _keys(first["loc"], values, missing=first["type"] == "missing")
        key = ".".join(keys)
        if first["type"] == "extra_forbidden":
            known = _known_keys(section, values, keys[:-1])
            raise ParamsError(
                f"{where}: unknown key `{key}`{suggestion(keys[-1], known)}.",
                fix="correct or remove it; docs/parameters.md lists every key.",
            ) from None
        if first["type"] == "missing":
            raise ParamsError(
                f"{where}: the key `{key}` is missing.",
                fix="add it; docs/parameters.md lists every key.",
            ) from None
        fix = "correct the value; docs/parameters.md says what each key may be."
        if first["type"] == "string_type" and isinstance(first["input"], int | float | date):
            fix = "if that is a name, put it in quotes, as you wrote it."
        raise ParamsError(
            f"{where}: `{key}`: {first['msg'].removeprefix('Value error, ')}. "
            f"Received: {_shown(first['input'])}.",
            fix=fix,
        ) from None


def _shown(value: object, most: int = 200) -> str:
    """A value in one line, the end of a long one left out."""
    line = repr(value)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _keys(location: tuple[int | str, ...], values: Any, *, missing: bool) -> list[str]:
    """The path of keys in the file, without the tags that pydantic adds for unions."""
    keys = []
    for part in location:
        named = isinstance(values, Mapping) and part in values
        listed = isinstance(values, list | tuple) and part in range(len(values))
        if named or listed:
            values = values[part]
            keys.append(str(part))
    return [*keys, str(location[-1])] if missing else keys


def _known_keys(section: type[Section], values: object, path: list[str]) -> list[str]:
    """The keys that are probably allowed where an unknown one was found."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    sections = [section, *Section.__subclasses__()]
    given = set(values) if isinstance(values, Mapping) else set()
    best = max(sections, key=lambda candidate: len(given & set(candidate.model_fields)))
    return list(best.model_fields)


def suggestion(word: str, known: Iterable[object]) -> str:
    """The known word that is meant, perhaps: a part of a message, or nothing."""
    matches = difflib.get_close_matches(word, [str(item) for item in known], n=1)
    return f" (did you mean `{matches[0]}`?)" if matches else ""
