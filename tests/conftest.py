"""What every test shares."""

import hypothesis

# These machines are noisy: how long an example takes says nothing.
hypothesis.settings.register_profile("spotlight", deadline=None, max_examples=50)
hypothesis.settings.load_profile("spotlight")
