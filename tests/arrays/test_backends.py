import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import SimpleNamespace

import numpy as np
import pytest

from minicap.arrays import (
    Backend,
    BackendMismatch,
    BackendMissing,
    available_backends,
    backend_of,
    current_backend,
    get_backend,
    register_backend,
    to_device,
    to_host,
    use_backend,
)
from minicap.arrays.backends import NUMPY
from minicap.errors import InputError
from minicap.layers import affine_forward


class SubclassedArray(np.ndarray):
    """Somebody's own kind of NumPy array."""


def test_the_arrays_decide(backend: Backend):
    x, w = to_device(np.zeros(3)), to_device(np.zeros(4))
    assert backend_of(x=x, w=w) is backend


def test_an_argument_that_was_not_given_is_passed_over(strict_cupy: Backend):
    assert backend_of(x=to_device(np.zeros(3), strict_cupy), b=None) is strict_cupy


def test_without_any_array_the_current_backend_answers(strict_cupy: Backend):
    assert backend_of(x=None) is NUMPY
    with use_backend("strict-cupy"):
        assert backend_of(x=None) is strict_cupy


def test_a_subclass_of_an_array_belongs_to_its_backend():
    assert backend_of(x=np.zeros(3).view(SubclassedArray)) is NUMPY


def test_mixing_backends_names_both_arguments_and_what_to_do(strict_cupy: Backend):
    with pytest.raises(BackendMismatch, match=r"^x is a NumPy array, w is a strict-cupy array; .*to_device"):
        backend_of(x=np.zeros(3), w=to_device(np.zeros(3), strict_cupy))


def test_a_layer_refuses_mixed_arguments_by_their_names(strict_cupy: Backend):
    x, w, b = np.zeros((2, 3)), to_device(np.zeros((3, 4)), strict_cupy), np.zeros(4)
    with pytest.raises(BackendMismatch, match="x is a NumPy array, w is a strict-cupy array"):
        affine_forward(x, w, b)


@pytest.mark.parametrize("value", [[1.0, 2.0], 1.0, "x", (1,), np.float32(1)], ids=str)
def test_what_is_no_array_is_refused_by_name(value):
    with pytest.raises(
        BackendMismatch, match=rf"^w is a {type(value).__name__}, not an array; make one with"
    ):
        backend_of(x=np.zeros(3), w=value)


def test_blocks_nest_and_the_innermost_counts(strict_cupy: Backend):
    with use_backend("strict-cupy") as outer:
        assert outer is strict_cupy
        with use_backend("numpy") as inner:
            assert current_backend() is inner is NUMPY
        assert current_backend() is strict_cupy
    assert current_backend() is NUMPY


def test_an_error_ends_a_block_too(strict_cupy: Backend):
    with pytest.raises(ZeroDivisionError), use_backend("strict-cupy"):
        raise ZeroDivisionError
    assert current_backend() is NUMPY


def test_arrays_stay_where_they_are_inside_a_block(strict_cupy: Backend):
    x = np.zeros(3)
    with use_backend("strict-cupy"):
        assert backend_of(x=x) is NUMPY


def test_the_environment_chooses_where_no_block_does(strict_cupy: Backend, monkeypatch):
    monkeypatch.setenv("MINICAP_BACKEND", "strict-cupy")
    assert current_backend() is strict_cupy
    with use_backend("numpy"):
        assert current_backend() is NUMPY
    monkeypatch.setenv("MINICAP_BACKEND", "")
    assert current_backend() is NUMPY


def test_an_unknown_name_is_answered_with_the_known_ones(monkeypatch):
    with pytest.raises(InputError, match="unknown backend 'cuda'; choose one of cupy, numpy"):
        get_backend("cuda")
    monkeypatch.setenv("MINICAP_BACKEND", "tpu")
    with pytest.raises(InputError, match="unknown backend 'tpu'"):
        current_backend()


def test_cupy_is_offered_whether_or_not_it_is_there():
    assert {"numpy", "cupy"} <= set(available_backends())


def test_without_cupy_the_message_says_what_to_install(own_backends, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it now fails
    with pytest.raises(BackendMissing, match=r'pip install "minicap\[gpu-cuda12\]"'), use_backend("cupy"):
        pass
    assert current_backend() is NUMPY


def test_without_a_device_the_message_says_so(own_backends, monkeypatch):
    runtime = dict.fromkeys(("driverGetVersion", "runtimeGetVersion"), lambda: 13020)
    runtime["getDeviceCount"] = lambda: 0
    cupy = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: False, runtime=SimpleNamespace(**runtime))
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(BackendMissing, match="no CUDA device"):
        get_backend("cupy")


def test_cupy_is_loaded_on_first_use_and_known_by_its_arrays(own_backends, monkeypatch):
    ndarray = type("ndarray", (), {"__module__": "cupy"})
    nvrtc = SimpleNamespace(getVersion=lambda: (13, 0))
    cupy = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: True, nvrtc=nvrtc),
        ndarray=ndarray,
        asarray=lambda host: ndarray(),
        asnumpy=lambda array: np.zeros(2),
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy.cublas", SimpleNamespace())
    monkeypatch.setenv("CUPY_CACHE_IN_MEMORY", "1")
    found = backend_of(x=ndarray())
    assert found.name == "cupy"
    assert found.xp is cupy
    assert found is get_backend("cupy")
    assert isinstance(to_device(np.zeros(2), "cupy"), ndarray)
    with pytest.raises(BackendMismatch, match="x is a NumPy array, w is a CuPy array"):
        backend_of(x=np.zeros(2), w=ndarray())


def test_a_registered_backend_is_found_by_name_and_array(own_backends):
    class Box:
        """An array of some library."""

    mine = Backend("mine", np, Box, lambda host: Box(), lambda box: np.zeros(1))
    register_backend(mine)
    assert get_backend("mine") is mine
    assert backend_of(x=Box()) is mine
    assert "mine" in available_backends()


def test_moving_there_and_back_keeps_values_and_dtype(backend: Backend, rng):
    for dtype in (np.float32, np.float64, np.int64, bool):
        host = rng.normal(size=(2, 3)).astype(dtype)
        moved = to_device(host)
        assert isinstance(moved, backend.array_type)
        assert moved.dtype == dtype
        np.testing.assert_array_equal(to_host(moved), host)


def test_an_array_that_is_there_already_stays_the_same_object(backend: Backend):
    x = to_device(np.zeros(3))
    assert to_device(x) is x
    assert to_device(x, backend) is x
    assert to_device(x, backend.name) is x
    host = to_host(x)
    assert to_host(host) is host


def test_arrays_move_between_any_two_backends(strict_cupy: Backend):
    x = to_device(np.arange(3.0), strict_cupy)
    with use_backend("strict-cupy"):
        back = to_device(x, "numpy")
    assert isinstance(back, np.ndarray)
    np.testing.assert_array_equal(back, [0, 1, 2])


def test_lists_and_numbers_can_be_moved_too(backend: Backend):
    assert isinstance(to_device([1.0, 2.0]), backend.array_type)
    np.testing.assert_array_equal(to_host([1.0, 2.0]), [1, 2])


def test_a_block_holds_in_threads_that_take_their_context_along(strict_cupy: Backend):
    with ThreadPoolExecutor(1) as pool, use_backend("strict-cupy"):
        assert pool.submit(copy_context().run, current_backend).result() is strict_cupy
        assert pool.submit(current_backend).result() is NUMPY


def test_a_block_in_one_thread_leaves_others_alone(strict_cupy: Backend):
    def choose() -> Backend:
        with use_backend("strict-cupy"):
            return current_backend()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(choose).result() is strict_cupy
        assert pool.submit(current_backend).result() is NUMPY
    assert current_backend() is NUMPY
