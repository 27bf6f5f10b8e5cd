"""Fingerprints of results: digests of the data, parameters and code that determine them."""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent

# Packages that never change an output's bytes. Neither do the modules at the top level of the
# package: a reworded message must not retrain every model.
EXEMPT_PACKAGES = frozenset({"commands", "tracking"})


def modules(entry: str) -> list[Path]:
    """List the files of this package that a module imports, itself included, exempt ones excluded.

    Importing a module of a package also imports that package's templates.

    Args:
        entry: the module's full name, its `__name__`.

    Raises:
        ValueError: there is no such module, so the fingerprint would cover no code.
    """
    start = entry.removeprefix(f"{PACKAGE.name}.")
    if _file(start) is None:
        raise ValueError(f"{entry!r} is not a module of {PACKAGE.name!r}: pass its __name__.")
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
    """SHA-256 of the files' contents, in the order given, and of JSON-serializable values."""
    total = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in files:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def configuration(entry: str, data: Sequence[Path], libraries: Path, values: object) -> str:
    """Digest of everything that determines a stage's output.

    Args:
        entry: `__name__` of the stage's module.
        data: the files that it reads.
        libraries: the lock file of the libraries.
        values: its parameters.
    """
    return digest([*data, *modules(entry), libraries], values)


def _exempt(path: Path) -> bool:
    """Whether a module can't change a result: it is at the top level or in an exempt package."""
    place = path.relative_to(PACKAGE)
    return len(place.parts) == 1 or place.parts[0] in EXEMPT_PACKAGES


def _file(name: str) -> Path | None:
    path = PACKAGE.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    initializer = path / "__init__.py"
    return initializer if initializer.is_file() and _has_code(initializer) else None


def _has_code(path: Path) -> bool:
    """Whether a file contains more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse(path.read_bytes()).body)


def _imports(path: Path) -> list[str]:
    """Names within the package that a file imports, at any level of the file."""
    prefix = f"{PACKAGE.name}."
    names = _imported(path.read_bytes())
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


@cache  # a study asks for each of its runs
def _imported(code: bytes) -> list[str]:
    """Names that code imports, at any level."""
    names: list[str] = []
    for node in _statements(ast.parse(code).body):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def _statements(block: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The statements of a block, and those in them: an expression imports nothing."""
    for node in block:
        yield node
        for inner in ("body", "orelse", "handlers", "finalbody", "cases"):
            yield from _statements(getattr(node, inner, ()))
