"""Pairs of neighboring tokens."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from pipeline.core.sequences import pack_pairs, unpack_pairs


@keras.saving.register_keras_serializable(package="spotlight")
class Bigrams(keras.layers.Layer):
    """Looks up each token together with the one after it, or, of bigrams' numbers, trigrams.

    <int32>[batch, time_steps] -> <int32>[batch, time_steps], the pair's number among the sorted
    known ones, from 1; 0 for unknown pairs and the last token.

    Args:
        count: number of known pairs, which `pairs` sets.
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape: Any) -> None:
        """Create the array of known pairs."""
        self._keys = self.add_weight(
            shape=(self.count,), dtype="int64", initializer="zeros", trainable=False, name="keys"
        )
        self.built = True

    @property
    def pairs(self) -> NDArray[np.int32]:
        """<int32>[count, 2], the known pairs, sorted by their ids."""
        keys = ops.convert_to_numpy(self._keys)
        return np.stack(unpack_pairs(keys), axis=1).astype(np.int32)

    @pairs.setter
    def pairs(self, pairs: NDArray[np.int32]) -> None:
        self._keys.assign(np.sort(pack_pairs(*pairs.astype(np.int64).T)))

    def call(self, tokens: Any) -> Any:
        """Look up each pair among the sorted keys."""
        tokens = ops.cast(tokens, "int64")
        following = ops.pad(tokens[:, 1:], [[0, 0], [0, 1]])
        wanted = pack_pairs(tokens, following)
        keys = ops.convert_to_tensor(self._keys)
        place = ops.searchsorted(keys, ops.reshape(wanted, (-1,)))
        place = ops.minimum(ops.reshape(place, ops.shape(wanted)), self.count - 1)
        return ops.where(ops.take(keys, place) == wanted, ops.cast(place + 1, "int32"), 0)

    def compute_output_spec(self, tokens: Any) -> Any:
        """One number a step."""
        return keras.KerasTensor(tokens.shape, "int32")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "count": self.count}
