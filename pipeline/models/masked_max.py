"""Maximum pooling over the real steps of a sequence."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="spotlight")
class MaskedMax(keras.layers.Layer):
    """The largest value of each feature over the real steps; Keras's own takes no mask.

    (batch, time_steps, features) -> (batch, features); 0 in a row without a real step.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the maxima: (batch, features)."""
        if mask is None:
            return ops.max(inputs, axis=1)
        mask = ops.cast(mask, "bool")[:, :, None]  # <bool>[batch, time_steps, 1]
        largest = ops.max(ops.where(mask, inputs, float("-inf")), axis=1)
        return ops.where(ops.any(mask, axis=1), largest, 0.0)

    def compute_mask(self, *_: Any) -> None:
        """End the mask here: the result has no time axis."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The time axis goes."""
        batch, _, features = input_shape
        return batch, features
