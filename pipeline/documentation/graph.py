"""The pipeline as a Mermaid graph: one node a stage, only the arrows that no path implies."""

from collections.abc import Mapping
from typing import Any


def mermaid(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """The graph of the `stages` of a `dvc.yaml`; a stage's matrix is one node."""
    outputs = {name: [_path(out) for out in _outputs(stage)] for name, stage in stages.items()}
    reads = {
        name: {
            other
            for other, outs in outputs.items()
            if other != name
            and any(_overlap(_path(dep), out) for dep in stage.get("deps", []) for out in outs)
        }
        for name, stage in stages.items()
    }
    labels = [
        f'  {name}["{name} ({" × ".join(stage["matrix"])})"]'
        for name, stage in stages.items()
        if "matrix" in stage
    ]
    arrows: list[str] = []
    for name in stages:
        sources = [
            source
            for source in stages
            if source in reads[name]
            and not any(source in _ancestors(other, reads) for other in reads[name])
        ]
        if sources and arrows and arrows[-1].endswith(f"> {' & '.join(sources)}"):
            arrows[-1] += f" --> {name}"
        elif sources:
            arrows.append(f"  {' & '.join(sources)} --> {name}")
    return "\n".join(["```mermaid", "flowchart LR", *labels, *arrows, "```"])


def _outputs(stage: Mapping[str, Any]) -> list[Any]:
    return [*stage.get("outs", []), *stage.get("metrics", [])]


def _path(entry: Any) -> str:
    """A path as it stands, or the key of one with options."""
    path: str = entry if isinstance(entry, str) else next(iter(entry))
    return path.partition("/${")[0]


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _ancestors(name: str, reads: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(reads[name])
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(reads[one])
    return found
