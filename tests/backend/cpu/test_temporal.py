import tracemalloc

import numpy as np

from minicap.arrays import textbook
from minicap.arrays.random import RandomStream
from minicap.captioning import ShowAndTell, ShowAndTellConfig
from minicap.layers import temporal_affine_softmax_loss

V = 5000


def peak_of(function):
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_the_scores_of_a_vocabulary_are_held_once(rng):
    x, y = rng.normal(size=(16, 64, 32)).astype(np.float32), rng.integers(V, size=(16, 64))
    w, b = rng.normal(size=(32, V)).astype(np.float32), np.zeros(V, np.float32)
    scores, gradients = 4 * y.size * V, x.nbytes + w.nbytes + b.nbytes
    assert peak_of(lambda: temporal_affine_softmax_loss(x, w, b, y)) < 1.1 * scores + gradients
    assert peak_of(lambda: temporal_affine_softmax_loss(x, w, b, y, gradients=False)) < 0.4 * scores
    with textbook():
        assert peak_of(lambda: temporal_affine_softmax_loss(x, w, b, y)) > 2 * scores


def test_a_step_of_a_captioner_holds_the_scores_once(rng):
    model = ShowAndTell(ShowAndTellConfig("lstm", 8, 16), 10, V).initialize(0)
    words, next_words = rng.integers(V, size=(2, 16, 12))
    features, mask = rng.normal(size=(16, 10)).astype(np.float32), np.ones((16, 12), np.float32)
    batch = {"features": features, "words": words, "next_words": next_words, "mask": mask}
    model.loss(batch, rng=RandomStream(0))
    scores, gradients = 4 * words.size * V, sum(w.nbytes for w in model.params.values())
    assert peak_of(lambda: model.loss(batch, rng=RandomStream(0))) < 1.3 * scores + gradients


def test_many_rows_of_scores_are_worked_on_piece_by_piece(rng):
    x, y = rng.normal(size=(3, 200, 8)), rng.integers(V, size=(3, 200))
    w, b = rng.normal(size=(8, V)), rng.normal(size=V)
    mask = rng.integers(2, size=y.shape).astype(bool)
    with textbook():
        expected = temporal_affine_softmax_loss(x, w, b, y, mask, "words", 0.1)
    ours = temporal_affine_softmax_loss(x, w, b, y, mask, "words", 0.1)
    for gradient, of_textbook in zip(ours, expected, strict=True):
        np.testing.assert_allclose(gradient, of_textbook, rtol=0, atol=1e-12)
    alone, *nothing = temporal_affine_softmax_loss(x, w, b, y, mask, "words", 0.1, gradients=False)
    np.testing.assert_allclose(alone, expected[0], rtol=1e-12)
    assert nothing == [None, None, None]
