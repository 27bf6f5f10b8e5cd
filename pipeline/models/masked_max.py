"""Maximum pooling over the real steps of a sequence."""

from typing import Any

import keras

from pipeline.models.attention import largest_state


@keras.saving.register_keras_serializable(package="spotlight")
class MaskedMax(keras.layers.Layer):
    """The maximum of each feature over the real steps; Keras's layer doesn't support masks.

    (batch, time_steps, features) -> (batch, features); 0 for a row without real steps.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the maxima: (batch, features)."""
        return largest_state(inputs, mask)

    def compute_mask(self, *_: Any) -> None:
        """Stop the mask: the result has no time axis."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Drop the time axis."""
        batch, _, features = input_shape
        return batch, features
