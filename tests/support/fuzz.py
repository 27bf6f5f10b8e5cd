"""How many examples a fuzz test draws, and how files are damaged.

FUZZ=long python -m pytest tests/fuzz
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "fuzz", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.register_profile(
    "fuzz-long", max_examples=3000, deadline=None, suppress_health_check=_SLOW, print_blob=True
)
FUZZED = settings.get_profile("fuzz-long" if os.environ.get("FUZZ") == "long" else "fuzz")


@st.composite
def damaged(draw, content):
    """The bytes, but some are others, or the end or a part is missing, or stands twice."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(made) - 1, 0)))
        length = draw(st.integers(1, 64))
        match draw(st.sampled_from(["flip", "write", "cut", "drop", "repeat"])):
            case "flip":
                made[place : place + 1] = bytes(
                    byte ^ 1 << draw(st.integers(0, 7)) for byte in made[place : place + 1]
                )
            case "write":
                made[place : place + length] = draw(st.binary(max_size=length))
            case "cut":
                del made[place:]
            case "drop":
                del made[place : place + length]
            case "repeat":
                made[place:place] = made[place : place + length]
    return bytes(made)
