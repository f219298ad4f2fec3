import threading

import numpy as np
import pytest

from minicap.backend.cpu import pieces
from minicap.backend.cpu.pieces import ENTRIES, by_pieces


def calls_of(*arrays):
    """The pieces of every call, and by_pieces done."""
    seen, lock = [], threading.Lock()

    def work(*some):
        with lock:
            seen.append(some)

    by_pieces(work, *arrays)
    return seen


def test_every_entry_is_worked_on_once(rng):
    w, dw = rng.normal(size=(2, 3, ENTRIES + 7))
    expected = w + 2 * dw

    def add_twice(w, dw):
        w += 2 * dw

    by_pieces(add_twice, w, dw)
    np.testing.assert_array_equal(w, expected)


def test_the_pieces_of_large_arrays_are_small_and_match(rng):
    w = rng.normal(size=(7, ENTRIES)).T  # not in C order, but dense
    seen = calls_of(w, w)
    assert len(seen) == 7
    for first, second in seen:
        assert first.shape == (ENTRIES,)
        assert np.shares_memory(first, w)
        assert first.ctypes.data == second.ctypes.data


@pytest.mark.parametrize(
    "arrays",
    [
        (np.zeros((2, 3)), np.zeros((2, 3))),
        (np.zeros((2, ENTRIES)), np.zeros((ENTRIES, 2)).T),
        (np.zeros((2, 2 * ENTRIES))[:, ::2], np.zeros((2, ENTRIES))),
        (np.zeros((2, ENTRIES)), np.zeros(())),
    ],
    ids=["small", "another order", "gaps", "another shape"],
)
def test_other_arrays_come_as_they_are(arrays):
    (seen,) = calls_of(*arrays)
    assert all(one is other for one, other in zip(seen, arrays, strict=True))


def test_an_error_in_a_piece_is_raised():
    def fail(w):
        raise RuntimeError("in a piece")

    with pytest.raises(RuntimeError, match="in a piece"):
        by_pieces(fail, np.zeros(4 * ENTRIES))


def test_one_core_or_many_give_the_same_bits(monkeypatch, rng):
    w, dw = rng.normal(size=(2, 5 * ENTRIES))
    several, one = w.copy(), w.copy()

    def step(w, dw):
        w -= 0.1 * dw / (np.sqrt(dw**2) + 1e-8)

    by_pieces(step, several, dw)
    monkeypatch.setattr(pieces, "in_parts", lambda work, length, products: work(slice(0, length)))
    by_pieces(step, one, dw)
    np.testing.assert_array_equal(several, one)
