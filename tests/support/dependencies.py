"""Which code a pipeline's stages depend on, by dvc.yaml and by the imports."""

from collections.abc import Collection

from pipeline import fingerprint
from tests.support.paths import PROJECT


def unlisted_and_unused(module: str, listed: Collection[str]) -> tuple[set[str], set[str]]:
    """Imported files that no listed path covers, and listed paths that cover no imported file.

    Args:
        module: the stage's, such as `pipeline.stages.train`.
        listed: files and folders, relative to the project.
    """
    imported = {str(path.relative_to(PROJECT)) for path in fingerprint.modules(module)}
    covered = {
        path: {name for name in imported if name == path or name.startswith(f"{path}/")}
        for path in listed
    }
    return imported - set().union(*covered.values()), {p for p in listed if not covered[p]}
