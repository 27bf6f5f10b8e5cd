"""An embedding for pairs of neighboring tokens."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


@keras.saving.register_keras_serializable(package="spotlight")
class Bigrams(keras.layers.Layer):
    """An embedding of each token together with the one after it.

    <int32>[batch, time_steps] -> (batch, time_steps, features). Unknown pairs and the last token
    share the first row. All rows start at 0, so that at first only the words count.

    Args:
        count: number of known pairs, which `pairs` sets.
        features: features of the embedding.
    """

    def __init__(self, count: int, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.features = count, features

    def build(self, input_shape: Any) -> None:
        """Create the embeddings and the array of known pairs."""
        self._keys = self.add_weight(
            shape=(self.count,), dtype="int64", initializer="zeros", trainable=False, name="keys"
        )
        self.embeddings = self.add_weight(
            shape=(self.count + 1, self.features), initializer="zeros", name="embeddings"
        )
        self.built = True

    @property
    def pairs(self) -> NDArray[np.int32]:
        """<int32>[count, 2], the known pairs, sorted by their ids."""
        keys = ops.convert_to_numpy(self._keys)
        return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)

    @pairs.setter
    def pairs(self, pairs: NDArray[np.int32]) -> None:
        first, second = pairs.astype(np.int64).T
        self._keys.assign(np.sort(first << 32 | second))

    def call(self, tokens: Any) -> Any:
        """Look up each pair among the sorted keys."""
        tokens = ops.cast(tokens, "int64")
        following = ops.pad(tokens[:, 1:], [[0, 0], [0, 1]])
        wanted = tokens * 2**32 + following
        keys = ops.convert_to_tensor(self._keys)
        place = ops.searchsorted(keys, ops.reshape(wanted, (-1,)))
        place = ops.minimum(ops.reshape(place, ops.shape(wanted)), self.count - 1)
        row = ops.where(ops.take(keys, place) == wanted, place + 1, 0)
        return ops.take(self.embeddings, row, axis=0)

    def compute_mask(self, tokens: Any, mask: Any = None) -> Any:
        """Mask padding as `Embedding(mask_zero=True)` does; `Add` needs a mask from each input."""
        return ops.not_equal(tokens, 0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Add the axis of features."""
        return (*input_shape, self.features)

    def compute_output_spec(self, tokens: Any) -> Any:
        """The output's shape, and the layer's dtype."""
        return keras.KerasTensor((*tokens.shape, self.features), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "count": self.count, "features": self.features}
