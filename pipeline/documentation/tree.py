"""The package's folders, each with what its docstring says and its modules."""

import ast
from pathlib import Path

from pipeline.documentation.tables import markdown

# From the commands down to what all share; between them in the order of the pipeline.
ORDER = (
    *("commands", "studies", "stages"),
    *("data", "encoding", "pretraining", "models", "training", "baselines", "evaluation"),
    *("explanation", "report", "tracking", "serving", "export", "demo", "documentation"),
    "core",
)


def table(package: Path) -> str:
    """A row for each folder of the package, the loose modules last."""
    initializers = sorted(
        package.glob("*/__init__.py"),
        key=lambda path: ORDER.index(path.parent.name),
    )
    rows = [
        [f"`{path.parent.name}/`", _summary(path), _modules(path.parent)] for path in initializers
    ]
    rows.append(["loose modules", "What never changes a result.", _modules(package)])
    return markdown(["folder", "what it is", "modules"], rows)


def _modules(folder: Path) -> str:
    """The names of a folder's modules, and of the folders of modules in it."""
    nested = [] if folder.name == "pipeline" else sorted(folder.glob("*/__init__.py"))
    names = sorted(path.stem for path in folder.glob("*.py") if path.name != "__init__.py")
    shown = [f"`{path.parent.name}/`" for path in nested] + [f"`{name}`" for name in names]
    return ", ".join(shown)


def _summary(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_bytes())) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")
