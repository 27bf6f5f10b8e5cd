"""Where the project and the real data are."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
REAL_DATA = PROJECT.parent / "shared" / "data"
PARAMS = PROJECT / "tests" / "support" / "params.yaml"  # not the project's: users edit that one
