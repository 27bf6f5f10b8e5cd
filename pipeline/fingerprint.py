"""What a result is a function of: its data, its parameters, and the code that can change it."""

import ast
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

PACKAGE = Path(__file__).parent

# Packages that never touch an output's bytes. Neither do the modules that lie loose at the top
# of ours: a reworded message must not retrain every model.
EXEMPT_PACKAGES = frozenset({"commands", "tracking"})


def modules(entry: str) -> list[Path]:
    """The files of ours that a module imports, itself included, exempt ones left out.

    A package's templates count as imported with any of its modules.

    Args:
        entry: the module's full name, its `__name__`.

    Raises:
        ValueError: there is no such module, so its code would be part of no identity.
    """
    start = entry.removeprefix(f"{PACKAGE.name}.")
    if _file(start) is None:
        raise ValueError(f"{entry!r} is no module of {PACKAGE.name!r}: pass its __name__.")
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None or path in found or _exempt(path):
            continue
        found.add(path)
        found.update((path.parent / "templates").glob("*"))
        waiting.extend(_imports(path))
    return sorted(found)


def digest(files: Iterable[Path], values: object) -> str:
    """SHA-256 over files' contents, in the order given, and JSON-able values."""
    total = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in files:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def configuration(entry: str, data: Sequence[Path], libraries: Path, values: object) -> str:
    """What a stage's output is a function of.

    Args:
        entry: the stage's module, its `__name__`.
        data: the files that it reads.
        libraries: their lock file.
        values: its parameters.
    """
    return digest([*data, *modules(entry), libraries], values)


def _exempt(path: Path) -> bool:
    """Whether a module can't change a result: it lies loose at the top, or in such a package."""
    place = path.relative_to(PACKAGE)
    return len(place.parts) == 1 or place.parts[0] in EXEMPT_PACKAGES


def _file(name: str) -> Path | None:
    path = PACKAGE.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    initializer = path / "__init__.py"
    return initializer if initializer.is_file() and _has_code(initializer) else None


def _has_code(path: Path) -> bool:
    """Whether a file holds more than a docstring."""
    body = ast.parse(path.read_bytes()).body
    return any(not isinstance(node, ast.Expr) for node in body)


def _imports(path: Path) -> list[str]:
    """Names below the package that a file imports, wherever in the file it does so."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    prefix = f"{PACKAGE.name}."
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
