"""Reading a study's own `params.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pipeline.core import schema
from pipeline.core.schema import Section

T = TypeVar("T", bound=Section)


def read_study(section: type[T], path: Path) -> T:
    """Read and validate `studies/NAME/params.yaml`.

    Raises:
        ParamsError: it is missing, is not YAML, or is not valid.
    """
    document = schema.read_yaml(path)
    values = document if isinstance(document, Mapping) else {}
    return schema.validate(section, values, where="/".join(path.parts[-3:]))
