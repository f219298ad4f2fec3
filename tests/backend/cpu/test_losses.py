"""The memory that the faster losses take."""

import tracemalloc

import numpy as np

from minicap.layers import softmax_loss, temporal_softmax_loss


def test_the_softmax_loss_needs_only_one_array_as_large_as_the_scores(rng):
    x, y = rng.normal(size=(200, 5000)).astype(np.float32), rng.integers(5000, size=200)
    tracemalloc.start()
    softmax_loss(x, y, label_smoothing=0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.1 * x.nbytes


def test_a_large_vocabulary_needs_only_one_array_as_large_as_the_scores(rng):
    x, y = rng.normal(size=(16, 12, 5000)).astype(np.float32), rng.integers(5000, size=(16, 12))
    tracemalloc.start()
    temporal_softmax_loss(x, y, np.ones((16, 12), dtype=bool))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.1 * x.nbytes
