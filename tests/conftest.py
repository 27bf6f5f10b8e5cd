"""What every test shares."""

import os

import hypothesis

from pipeline import runtime

# Before any test module imports a library: no telemetry from the tests either.
os.environ |= runtime.QUIET

# These machines are noisy: how long an example takes says nothing.
hypothesis.settings.register_profile("spotlight", deadline=None, max_examples=50)
hypothesis.settings.load_profile("spotlight")
