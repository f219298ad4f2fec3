"""The stand-in itself: it must refuse what CuPy refuses, and count what CuPy does."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from strict_cupy import StrictArray, StrictError, counting, recorded, xp
from strict_cupy.backend import to_device, to_host

A = np.arange(6, dtype=np.float32).reshape(2, 3)


def device(values, dtype=None):
    return to_device(np.asarray(values, dtype))


REFUSED = {
    "a NumPy array on the right": lambda a: a + A,
    "a NumPy array on the left": lambda a: A + a,
    "a NumPy array in a function": lambda a: xp.add(a, A),
    "a NumPy array in a list": lambda a: xp.concatenate([a, A]),
    "a NumPy array in place": lambda a: a.__iadd__(A),
    "a NumPy array assigned": lambda a: a.__setitem__(0, A[0]),
    "a list assigned": lambda a: a.__setitem__(0, [1, 2, 3]),
    "a list in a function": lambda a: xp.exp([1.0, 2.0]),
    "a number for an array": lambda a: xp.sum(1.0),
    "a Python condition": lambda a: xp.where(True, a, a),
    "becoming a NumPy array": lambda a: np.asarray(a),
    "a NumPy element-wise function": lambda a: np.exp(a),
    "a NumPy function": lambda a: np.concatenate([a, a]),
    "a NumPy reduction": lambda a: np.add.reduce(a),
    "a loop": lambda a: list(a),
    "unpacking": lambda a: max(*a),
    "a host array as an index": lambda a: a[np.array([0])],
    "a list as an index": lambda a: a[[0, 1]],
    "an index out of range": lambda a: a[device([2])],
    "an index out of range in the second axis": lambda a: a[..., device([3])],
    "an index out of range behind a new axis": lambda a: a[None, :, device([-4])],
    "floats as an index": lambda a: a[a],
    "a mask beside another array": lambda a: a[device([True, False]), device([0])],
    "an index out of range in take": lambda a: xp.take(a, device([3]), axis=1),
    "an index out of range in take_along_axis": lambda a: xp.take_along_axis(a, device([[2]]), axis=0),
    "an entry assigned twice": lambda a: a.__setitem__(device([1, 1]), 0),
    "an entry assigned twice, from both ends": lambda a: a.__setitem__(device([1, -1]), 0),
    "an entry assigned twice by two indices": lambda a: a.__setitem__((device([0, 0]), device([2, 2])), 0),
    "where in a reduction": lambda a: xp.sum(a, where=a > 0),
    "where in a method": lambda a: a.sum(where=a > 0),
    "where in an element-wise function": lambda a: xp.exp(a, where=a > 0),
    "initial in a reduction": lambda a: a.max(initial=0),
    "a mode that take lacks": lambda a: xp.take(a, device([0]), mode="clip"),
    "reduce of an element-wise function": lambda a: xp.maximum.reduce(a),
    "maximum.at": lambda a: xp.maximum.at(a, device([0]), 1),
    "a function nobody looked at": lambda a: xp.kron(a, a),
    "an attribute nobody looked at": lambda a: a.flat,
    "NaN as an integer": lambda a: (a * np.float32(np.nan)).astype(np.int32),
    "a negative number as an unsigned integer": lambda a: (a - 9).astype(np.uint8),
    "NaN assigned to an integer": lambda a: device([1, 2]).__setitem__(0, float("nan")),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_refuses(call):
    with pytest.raises(StrictError):
        call(device(A))


@pytest.mark.parametrize("name", ["insert", "errstate", "no_such_function"])
def test_a_name_that_cupy_lacks_is_missing(name):
    assert not hasattr(xp, name)
    with pytest.raises(AttributeError, match=rf"CuPy {recorded.VERSION} has no '{name}'"):
        getattr(xp, name)


def test_an_attribute_that_cupy_lacks_is_missing():
    with pytest.raises(AttributeError, match="has no attribute 'setflags'"):
        device(A).setflags()


COSTS = {
    "a sum": (lambda a: a.sum(), dict(launches=1)),
    "an operator": (lambda a: 2 * a, dict(launches=1)),
    "a NumPy scalar on the left": (lambda a: np.float32(2) * a, dict(launches=1)),
    "a view": (lambda a: a[:, 1:].T.reshape(2, 2).swapaxes(0, 1)[0, None].squeeze(), dict()),
    "a reshape that copies": (lambda a: a.T.reshape(-1), dict(launches=1, hidden_copies=1)),
    "new zeros": (lambda a: xp.zeros(3), dict(launches=1)),
    "new memory": (lambda a: xp.empty(3), dict()),
    "a number of a sum": (lambda a: float(a.sum()), dict(launches=1, syncs=1)),
    "a branch": (lambda a: 1 if (a > 0).any() else 0, dict(launches=2, syncs=1)),
    "an array as a bound": (lambda a: a[: device(1)], dict(to_device=1, syncs=1)),
    "a mask as an index": (lambda a: a[a > 0], dict(launches=2, syncs=1)),
    "an assignment by a mask": (
        lambda a: a.__setitem__(a > 0, 0),
        dict(launches=2, syncs=1, to_device=1),
    ),
    "an assignment": (lambda a: a.__setitem__(0, 0), dict(launches=1)),
    "a number assigned by an array": (
        lambda a: a.__setitem__(device([0]), 0),
        dict(launches=1, to_device=2),
    ),
    "nonzero": (lambda a: xp.nonzero(a), dict(launches=1, syncs=1)),
    "where with a condition only": (lambda a: xp.where(a > 0), dict(launches=2, syncs=1)),
    "a copy to the host": (to_host, dict(to_host=1)),
    "a list": (lambda a: a.tolist(), dict(to_host=1)),
    "a list to the device": (lambda a: xp.asarray([1, 2]), dict(to_device=1)),
    "asarray of what is there": (lambda a: xp.asarray(a), dict()),
    "another order": (lambda a: xp.ascontiguousarray(a.T), dict(launches=1)),
    "astype": (lambda a: a.astype(np.float64), dict(launches=1)),
    "astype without need": (lambda a: a.astype(np.float32, copy=False), dict()),
    "a product": (lambda a: a @ a.T, dict(launches=1)),
    "a product of every other column": (
        lambda a: a[:, ::2] @ a[:, ::2].T,
        dict(launches=3, hidden_copies=2),
    ),
    "adding floats where indices may meet": (
        lambda a: xp.add.at(a, device([0, 0]), 1),
        dict(launches=1, nondeterministic=1, to_device=1),
    ),
    "a weighted histogram": (
        lambda a: xp.bincount(device([0, 1]), device([0.5, 1])),
        dict(launches=1, syncs=1, to_device=2, nondeterministic=1),
    ),
}


@pytest.mark.parametrize(("call", "expected"), COSTS.values(), ids=COSTS)
def test_costs(call, expected):
    a = device(A)
    with counting() as counts:
        call(a)
    assert {name: number for name, number in vars(counts).items() if number} == expected


def test_nobody_counts_outside_the_block():
    with counting() as outer:
        device(A)
        with counting() as inner:
            device(A)
    device(A)
    assert (outer.to_device, inner.to_device) == (2, 1)
    assert outer.stalls == {"to_device": 2}


def test_results_are_numpys():
    a = device(A)
    index = device([1, 0, 1])
    for got, expected in [
        (a.sum(axis=1, keepdims=True), A.sum(axis=1, keepdims=True)),
        (1 - a / 2, 1 - A / 2),
        (a < 5, A < 5),
        (-(a**2) % 3, -(A**2) % 3),
        (a[index], A[[1, 0, 1]]),
        (a[index, ..., None], A[[1, 0, 1], ..., None]),
        (a[:, index][a[:, index] > 1], A[:, [1, 0, 1]][A[:, [1, 0, 1]] > 1]),
        (a[device([0, 1]), device([2, 0])], A[[0, 1], [2, 0]]),
        (xp.where(a > 2, a, 0), np.where(A > 2, A, 0)),
        (xp.lib.stride_tricks.as_strided(a, (2, 2), (4, 4)), [[0, 1], [1, 2]]),
        (xp.argsort(-a, axis=1, kind="stable"), np.argsort(-A, axis=1)),
        (xp.pad(a, ((1, 0), (0, 0))), np.pad(A, ((1, 0), (0, 0)))),
    ]:
        np.testing.assert_array_equal(to_host(got), expected)


def test_writing_into_a_view_writes_into_the_array():
    a = device(A)
    a[:, 1:][0] = 9
    a[device([1]), 0] = device([7.0], np.float32)
    a -= 1
    np.testing.assert_array_equal(to_host(a), [[-1, 8, 8], [6, 3, 4]])


def test_what_numpy_makes_a_scalar_stays_an_array():
    a = device(A)
    for result in (a.sum(), a[0, 0], a[0][1], xp.max(a), a[0, 0] + a[1, 1], a[device(0), 1]):
        assert isinstance(result, StrictArray)
        assert result.shape == ()


def test_dtypes_follow_nep_50():
    a = device(A)
    assert (2.0 * a).dtype == np.float32
    assert (np.float64(2) * a).dtype == np.float64
    assert (a * a.sum(dtype=np.float64)).dtype == np.float64  # a 0-d array counts in full
    assert ((a > 0) * 0.5).dtype == np.float64
    assert (a.astype(np.int8) + 1).dtype == np.int8
    assert xp.where(a > 0, a, 0.5).dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "sentinel"),
    [(np.float32, np.nan), (np.complex128, np.nan), (np.int64, 2**63 - 1), (np.uint8, 255), (bool, True)],
)
def test_new_memory_shows_when_it_is_read_unwritten(dtype, sentinel):
    for memory in (xp.empty((2, 3), dtype=dtype), xp.empty_like(device(A).astype(dtype))):
        assert memory.dtype == dtype
        np.testing.assert_array_equal(to_host(memory), np.full((2, 3), sentinel, dtype))


def test_moving_copies_in_both_directions():
    host = A.copy()
    moved = to_device(host)
    host[:] = 0
    back = to_host(moved)
    back[:] = 0
    np.testing.assert_array_equal(to_host(moved), A)


def test_the_array_offers_nothing_that_cupys_lacks():
    public = {name for name in dir(StrictArray) if not name.startswith("_")}
    assert public <= recorded.ARRAY_ATTRIBUTES


def test_the_record_is_what_this_cupy_offers():
    cupy = pytest.importorskip("cupy", reason="CuPy is what was recorded")
    if cupy.__version__ != recorded.VERSION:
        pytest.skip(f"the record is of CuPy {recorded.VERSION}, here is {cupy.__version__}")
    path = Path(__file__).parents[2] / "tools" / "record_cupy_api.py"
    spec = importlib.util.spec_from_file_location("record_cupy_api", path)
    recorder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorder)
    assert recorder.record() == recorded.API
