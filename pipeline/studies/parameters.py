"""Reading a study's own `params.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pipeline.core import params, schema
from pipeline.core.files import read_json
from pipeline.core.schema import Section
from pipeline.data import readers
from pipeline.errors import ParamsError
from pipeline.workspace import Workspace

T = TypeVar("T", bound=Section)


def read_study(section: type[T], path: Path) -> T:
    """Read and validate `studies/NAME/params.yaml`.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    document = schema.read_yaml(path)
    values = document if isinstance(document, Mapping) else {}
    return schema.validate(section, values, where=name_in_project(path))


def name_in_project(path: Path) -> str:
    """`studies/NAME/params.yaml`, as messages show it."""
    return "/".join(path.parts[-3:])


def own_files(
    workspace: Workspace, source: Mapping[str, Any], path: str | None
) -> list[dict[str, str]]:
    """The digests of the user's files by name: a study's results depend on them, too.

    Args:
        workspace: the project's files.
        source: the dataset's in `params.yaml`.
        path: of a local copy, which is what `params.yaml` names.

    Returns:
        One mapping. None of what isn't the user's or isn't there, so that cells which git carries
        count on machines without a copy.
    """
    if path or source["kind"] == "hub" or "path" not in source:
        return []
    place = workspace.home / Path(source["path"]).expanduser()
    return [readers.file_hashes(place)] if place.exists() else []


def read_encoded(workspace: Workspace, part: Workspace, dataset: str) -> params.Params:
    """Read the project's parameters, whose dataset must be the study's, and encoded.

    Args:
        workspace: the project's files.
        part: the study's.
        dataset: the one that it names.

    Raises:
        ParamsError: another dataset is selected or encoded.
    """
    settings = params.load_params(workspace.params)
    about: dict[str, Any] = read_json(workspace.encoded / "encoding.json")
    if not settings.dataset == about["dataset"] == dataset:
        raise ParamsError(
            f"{part.part}/params.yaml names '{dataset}', params.yaml selects "
            f"'{settings.dataset}', and data/encoded holds '{about['dataset']}'.",
            fix=f"set `dataset: {dataset}` in params.yaml, then: dvc repro pretrain",
        )
    return settings
