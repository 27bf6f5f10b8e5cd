"""Parts of a computation side by side in threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What `call` makes of each item, in their order, on as many threads as TensorFlow has.

    So Python works on one item while TensorFlow computes another. Results have the same bytes as
    one after the other, if `call` is traced before: which item traces it would be chance.
    """
    import tensorflow as tf  # the report reads results without it

    threads = tf.config.threading.get_inter_op_parallelism_threads()
    if threads < 2:
        return list(map(call, items))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, items))
