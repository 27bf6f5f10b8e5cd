"""An embedding for pairs of neighboring tokens."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


@keras.saving.register_keras_serializable(package="spotlight")
class Bigrams(keras.layers.Layer):
    """An embedding of each token together with the one after it.

    <int32>[batch, time_steps] -> (batch, time_steps, features). Pairs that are not known, and
    the last token, share the first row. All rows begin with 0, so that at first the words alone
    are heard.

    Args:
        count: how many pairs are known; which ones, the `pairs` say.
        features: of the embedding.
    """

    def __init__(self, count: int, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.features = count, features

    def build(self, input_shape: Any) -> None:
        """Make the embeddings and room for the pairs."""
        self._keys = self.add_weight(
            shape=(self.count,), dtype="int64", initializer="zeros", trainable=False, name="keys"
        )
        self.embeddings = self.add_weight(
            shape=(self.count + 1, self.features), initializer="zeros", name="embeddings"
        )
        self.built = True

    @property
    def pairs(self) -> NDArray[np.int32]:
        """<int32>[count, 2], the known pairs in the order of their ids."""
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
        """Real tokens, as `Embedding(mask_zero=True)` has it: a sum needs the mask of each part."""
        return ops.not_equal(tokens, 0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """A vector for each token."""
        return (*input_shape, self.features)

    def compute_output_spec(self, tokens: Any) -> Any:
        """As `compute_output_shape`, in the layer's precision."""
        return keras.KerasTensor((*tokens.shape, self.features), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "count": self.count, "features": self.features}
