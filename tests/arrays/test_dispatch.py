import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from minicap.arrays import (
    Backend,
    BackendMismatch,
    Override,
    accelerated,
    register_backend,
    textbook,
    to_device,
)
from minicap.arrays.backends import NUMPY
from minicap.arrays.dispatch import look_again, overrides_of
from minicap.errors import InputError
from minicap.layers import (
    affine_backward,
    affine_forward,
    affine_relu_dropout_backward,
    affine_relu_dropout_forward,
    conv_relu_backward,
    conv_relu_forward,
    relu_forward,
    softmax_loss,
)
from minicap.layers.affine import AffineCache


class DoubleCache(NamedTuple):
    x: object


class FastDoubleCache(NamedTuple):
    x: object


@accelerated
def double_forward(x, times=2):
    """Twice x."""
    return "textbook", DoubleCache(x)


@accelerated
def double_backward(dout, cache):
    return "textbook"


@accelerated
def double_loss(x, y):
    return "textbook"


def fast_forward(x, times=2):
    return "fast", FastDoubleCache(x)


def fast_backward(dout, cache):
    return "fast"


def supports_float32(x, times=2):
    return x.dtype == np.float32 and times == 2


PAIR = Override("double", fast_forward, supports_float32, FastDoubleCache, fast_backward)
SMALL = np.ones(2, np.float32)


@pytest.fixture
def override(own_backends, monkeypatch):
    """Makes NumPy's overrides those given, for the test."""

    def install(*listed: Override) -> None:
        module = ModuleType("overrides_of_a_test")
        module.OVERRIDES = listed
        monkeypatch.setitem(sys.modules, module.__name__, module)
        register_backend(replace(NUMPY, overrides=module.__name__))
        look_again()

    yield install
    look_again()


def test_without_a_faster_pair_the_textbook_runs(override):
    override()
    assert double_forward(SMALL)[0] == "textbook"


def test_a_faster_pair_takes_over_what_it_supports(override):
    override(PAIR)
    assert double_forward(SMALL)[0] == "fast"
    assert double_forward(x=SMALL, times=2)[0] == "fast"
    assert double_forward(SMALL, 3)[0] == "textbook"
    assert double_forward(SMALL.astype(np.float64))[0] == "textbook"


def test_the_first_that_supports_the_arguments_is_taken(override):
    class LastCache(NamedTuple):
        x: object

    last = Override("double", lambda x, times=2: ("last", LastCache(x)), lambda *a, **k: True, LastCache)
    override(PAIR, last)
    assert double_forward(SMALL)[0] == "fast"
    assert double_forward(SMALL, 3)[0] == "last"


def test_a_backward_goes_by_the_cache_it_is_handed(override):
    override(PAIR)
    assert double_backward(SMALL, FastDoubleCache(SMALL)) == "fast"
    assert double_backward(SMALL, cache=FastDoubleCache(SMALL)) == "fast"
    assert double_backward(SMALL, DoubleCache(SMALL)) == "textbook"


def test_inside_textbook_only_textbook_forwards_run(override):
    override(PAIR)
    with textbook():
        assert double_forward(SMALL)[0] == "textbook"
    assert double_forward(SMALL)[0] == "fast"


def test_a_fast_cache_finds_its_backward_inside_textbook_too(override):
    override(PAIR)
    _, cache = double_forward(SMALL)
    with textbook():
        assert double_backward(SMALL, cache) == "fast"


def test_textbook_ends_with_an_error(override):
    override(PAIR)
    with pytest.raises(ZeroDivisionError), textbook():
        raise ZeroDivisionError
    assert double_forward(SMALL)[0] == "fast"


def test_a_loss_is_replaced_by_its_full_name(override):
    override(Override("double_loss", lambda x, y: "fast", lambda x, y: True))
    assert double_loss(SMALL, None) == "fast"
    with textbook():
        assert double_loss(SMALL, None) == "textbook"


def test_overrides_belong_to_one_backend(override, strict_cupy: Backend):
    override(PAIR)
    assert double_forward(to_device(SMALL, strict_cupy))[0] == "textbook"


def test_textbook_holds_in_threads_that_take_their_context_along(override):
    override(PAIR)
    with ThreadPoolExecutor(1) as pool, textbook():
        assert pool.submit(copy_context().run, double_forward, SMALL).result()[0] == "textbook"
        assert pool.submit(double_forward, SMALL).result()[0] == "fast"


def test_the_textbook_body_stays_within_reach(override):
    override(PAIR)
    assert double_forward.textbook(SMALL)[0] == "textbook"
    assert double_forward.__name__ == "double_forward"
    assert double_forward.__doc__ == "Twice x."


def test_what_is_no_array_is_left_to_the_textbook_to_refuse():
    with pytest.raises(BackendMismatch, match="x is a list, not an array"):
        affine_forward([[1.0]], np.ones((1, 1)), np.ones(1))
    with pytest.raises(TypeError, match="missing 3 required positional arguments"):
        affine_forward()


def test_a_layer_of_the_library_can_be_replaced_and_put_back(override):
    def supports(x, w, b):
        return True

    def forward(x, w, b):
        return affine_forward.textbook(x, w, b)[0] + 100, AffineCache(x, w)

    x, w, b = np.ones((2, 3)), np.ones((3, 4)), np.zeros(4)
    override(Override("affine", forward, supports, None, None))
    assert affine_forward(x, w, b)[0].max() == 3  # an override without a cache type replaces no pair
    override(Override("affine", forward, supports, AffineCache, affine_backward.textbook))
    out, cache = affine_forward(x, w, b)
    assert out.max() == 103
    np.testing.assert_array_equal(affine_backward(out, cache)[1], affine_backward.textbook(out, cache)[1])


def test_every_listed_override_of_numpy_is_complete():
    caches = []
    for listed in overrides_of(NUMPY.overrides).values():
        for pair in listed:
            assert callable(pair.forward)
            assert callable(pair.supports)
            assert (pair.cache is None) == (pair.backward is None)
            caches += [pair.cache] if pair.cache else []
    assert len(set(caches)) == len(caches)


def test_a_loss_of_the_library_runs_its_textbook_where_nothing_replaces_it(override):
    override()
    x, y = np.zeros((2, 4)), np.array([0, 3])
    np.testing.assert_allclose(softmax_loss(x, y)[0], np.log(4))


def test_a_backward_finds_its_pair_wherever_its_cache_stands(override):
    @accelerated
    def triple_backward(dout, cache, input_gradient=True):
        return "textbook"

    def fast(dout, cache, input_gradient=True):
        return "fast", input_gradient

    override(Override("triple", fast_forward, supports_float32, FastDoubleCache, fast))
    cache = FastDoubleCache(SMALL)
    assert triple_backward(SMALL, cache, False) == ("fast", False)
    assert triple_backward(SMALL, cache, input_gradient=False) == ("fast", False)
    assert triple_backward(SMALL, input_gradient=False, cache=cache) == ("fast", False)
    assert triple_backward(SMALL, DoubleCache(SMALL), False) == "textbook"


@pytest.mark.parametrize(
    ("forward", "backward", "w"),
    [
        (conv_relu_forward, conv_relu_backward, (8, 8, 3, 3)),
        (affine_relu_dropout_forward, affine_relu_dropout_backward, (512, 10)),
    ],
)
@pytest.mark.parametrize("input_gradient", [True, False])
def test_the_layers_inside_a_sandwich_have_their_faster_pairs(forward, backward, w, input_gradient):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4, 8, 8, 8)), rng.normal(size=w)
    out, cache = forward(x, w, np.zeros(w.shape[0] if w.ndim == 4 else w.shape[1]))
    assert type(cache[0]).__module__.startswith("minicap.backend.cpu")
    grads = backward(out, cache, input_gradient)
    with textbook():
        expected = backward(out, forward(x, w, np.zeros(len(grads[-1])))[1], input_gradient)
    assert (grads[0] is None) == (expected[0] is None) == (not input_gradient)
    for one, other in zip(grads[not input_gradient :], expected[not input_gradient :], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_a_call_that_no_layer_takes_is_refused_in_the_layers_own_words():
    large = np.ones((64, 1024))
    with pytest.raises(TypeError, match=r"relu_forward\(\) takes 1 positional argument but 2 were given"):
        relu_forward(large, 3)
    with pytest.raises(InputError, match="softmax_loss: label_smoothing is 'little' but must lie in"):
        softmax_loss(large, np.zeros(64, int), label_smoothing="little")
