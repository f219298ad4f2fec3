"""The batches of an epoch: every example once, in an order that is a function of seed and epoch."""

import numpy as np


def epoch_batches(
    size: int,
    batch_size: int,
    seed: int,
    epoch: int,
    lengths: np.ndarray | None = None,
    in_order: bool = False,
) -> list[np.ndarray]:
    """Indices of the examples of each batch.

    lengths: (size,), to batch examples of similar length.  in_order: one after the other, not shuffled.
    """
    rng = np.random.default_rng([seed, epoch])
    order = np.arange(size) if in_order else rng.permutation(size)
    if lengths is not None:
        order = nearly_sorted(order, lengths, batch_size)
    batches = [order[start : start + batch_size] for start in range(0, size, batch_size)]
    if lengths is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


def nearly_sorted(order: np.ndarray, lengths: np.ndarray, batch_size: int, pool: int = 16) -> np.ndarray:
    """The order with every stretch of `pool` batches sorted by length."""
    stretch = pool * batch_size
    pools = (order[start : start + stretch] for start in range(0, len(order), stretch))
    return np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in pools])
