"""The packages that the project names, each with its license as the package states it."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from pipeline.documentation.tables import markdown

# What packages without an expression say of themselves, as SPDX has it.
_KNOWN = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}


def table(project: Path) -> str:
    """A row for each package that a pyproject.toml names: the pipeline's, and the extras'.

    Raises:
        importlib.metadata.PackageNotFoundError: one is not installed.
    """
    content = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    named = {"the pipeline": content["dependencies"]}
    named |= {
        f"extra `{extra}`": needs for extra, needs in content["optional-dependencies"].items()
    }
    rows = [
        [f"`{name}`", license_of(name), use]
        for use, needs in named.items()
        for name in sorted(re.split(r"[^\w.-]", need)[0] for need in needs)
    ]
    return markdown(["package", "license", "for"], rows)


def license_of(package: str) -> str:
    """The license of an installed package: its expression, else its classifiers, else its words."""
    told = metadata.metadata(package)
    classified = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    fields = [key for key in ("License-Expression", "License") if key in told]
    found = told[fields[0]] if "License-Expression" in fields else " or ".join(classified)
    found = found or "".join(told[key] for key in fields)
    return _KNOWN.get(found, found)
