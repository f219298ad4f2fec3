import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from minicap.arrays import textbook
from minicap.arrays.random import RandomStream
from minicap.backend.host import blas
from minicap.captioning import ShowAndTell, ShowAndTellConfig
from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, ReLU, Sequential, Supervised
from minicap.training import sharded_loss
from minicap.training.shards import cut


def image_classifier(rng, rows=7):
    net = Sequential(Conv2d(2, 3, 3, pad=1), ReLU(), MaxPool2d(2), Dropout(0.4), Affine(48, 5), Dropout(0.2))
    batch = {"x": rng.normal(size=(rows, 2, 8, 8)), "y": rng.integers(0, 5, size=rows)}
    return Supervised(net).initialize(0, np.float64), batch


def captioner(rng, rows=7):
    model = ShowAndTell(ShowAndTellConfig("gru", 6, 8, dropout=0.4), 10, 12).initialize(0, np.float64)
    mask = (np.arange(5) < rng.integers(1, 6, size=(rows, 1))).astype(float)
    words, next_words = rng.integers(0, 12, size=(2, rows, 5))
    features = rng.normal(size=(rows, 10))
    return model, {"features": features, "words": words, "next_words": next_words, "mask": mask}


@pytest.mark.parametrize("make", [image_classifier, captioner])
@pytest.mark.parametrize("shards", [1, 2, 3, 4, 5, 7, 20])
def test_shards_add_up_to_the_batch_in_one_piece_dropout_included(make, shards, rng):
    model, batch = make(rng)
    stream = RandomStream(4)
    whole_loss, whole = model.loss(batch, rng=stream)
    loss, grads = sharded_loss(model, batch, stream, shards)
    np.testing.assert_allclose(loss, whole_loss, rtol=1e-12)
    assert set(grads) == set(whole)
    for name in whole:
        np.testing.assert_allclose(grads[name], whole[name], rtol=1e-12, atol=1e-13 * abs(whole[name]).max())


@pytest.mark.parametrize("shards", [2, 5])
def test_the_same_shards_give_the_same_bits_each_time(shards, rng):
    model, batch = image_classifier(rng, rows=40)
    loss, grads = sharded_loss(model, batch, RandomStream(4), shards)
    for _ in range(5):
        again_loss, again = sharded_loss(model, batch, RandomStream(4), shards)
        assert again_loss == loss
        assert all((again[name] == grads[name]).all() for name in grads)


def test_evaluation_is_sharded_too(rng):
    model, batch = image_classifier(rng)
    loss, grads = sharded_loss(model, batch, RandomStream(0), 3, train=False)
    np.testing.assert_allclose(loss, model.loss(batch, train=False)[0], rtol=1e-12)
    assert grads == {}


@settings(max_examples=50)
@given(rows=st.integers(1, 40), shards=st.integers(1, 60))
def test_a_cut_loses_no_row_and_makes_no_empty_part(rows, shards):
    batch = {"x": np.arange(rows), "y": np.arange(rows) * 2}
    parts = cut(batch, shards)
    assert len(parts) == min(rows, shards)
    assert [row for row, _ in parts] == [part["x"][0] for _, part in parts]
    np.testing.assert_array_equal(np.concatenate([part["x"] for _, part in parts]), batch["x"])
    np.testing.assert_array_equal(np.concatenate([part["y"] for _, part in parts]), batch["y"])
    sizes = [len(part["x"]) for _, part in parts]
    assert max(sizes) - min(sizes) <= 1


class Spy:
    """A model that looks around while it computes."""

    def __init__(self):
        self.threads, self.blas_threads, self.with_overrides = set(), set(), set()

    def count(self, batch):
        return len(batch["x"])

    def loss(self, batch, train=True, rng=None, count=None):
        self.threads.add(threading.current_thread().name)
        self.blas_threads |= {library.num_threads for library in blas().lib_controllers}  # NumPy's
        if (batch["x"] < 0).any():
            raise FloatingPointError("a shard's own error")
        return np.zeros(()), {"w": np.zeros(1)}


def test_every_shard_has_one_blas_thread_and_what_was_set_comes_back():
    before, spy = threadpool_info(), Spy()
    sharded_loss(spy, {"x": np.ones(4)}, RandomStream(0), 2)
    # Some libraries, Accelerate among them, do not say how many threads they have.
    assert spy.blas_threads == ({1} if blas().lib_controllers else set())
    assert threadpool_info() == before


def test_one_shard_runs_where_it_was_called_with_all_blas_threads():
    spy = Spy()
    with threadpool_limits(3, user_api="blas"):
        allowed = {library.num_threads for library in blas().lib_controllers}
        sharded_loss(spy, {"x": np.ones(4)}, RandomStream(0), 1)
    assert spy.threads == {threading.current_thread().name}
    assert spy.blas_threads == allowed


def test_several_shards_run_on_threads_of_their_own():
    spy = Spy()
    sharded_loss(spy, {"x": np.ones(4)}, RandomStream(0), 4)
    assert all(name.startswith("minicap-shard") for name in spy.threads)


def test_an_error_in_a_shard_reaches_the_caller_and_blas_gets_its_threads_back():
    before = threadpool_info()
    with pytest.raises(FloatingPointError, match="a shard's own error"):
        sharded_loss(Spy(), {"x": np.array([1.0, 1, 1, -1])}, RandomStream(0), 4)
    assert threadpool_info() == before


def test_shards_see_the_with_blocks_around_them(rng):
    model, batch = image_classifier(rng, rows=4)
    with textbook():
        inside = sharded_loss(model, batch, RandomStream(0), 2)
        whole = [model.loss(part, rng=RandomStream(0, row), count=4) for row, part in cut(batch, 2)]
    assert inside[0] == whole[0][0] + whole[1][0]
    assert (inside[1]["net.conv1.w"] == whole[0][1]["net.conv1.w"] + whole[1][1]["net.conv1.w"]).all()
