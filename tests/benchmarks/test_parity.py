import numpy as np
import pytest

from benchmarks.parity import difference, disagreement, sketch


def test_equal_arrays_do_not_differ(rng):
    x = rng.normal(size=(50, 70))
    assert difference(sketch(x), sketch(x.copy())) == 0


@pytest.mark.parametrize("size", [5, 200_000])
def test_the_difference_is_relative(rng, size):
    x = 1e-3 * rng.normal(size=size)
    assert difference(sketch(x), sketch(x * 1.01)) == pytest.approx(0.01, rel=0.1)


def test_one_wrong_entry_of_a_small_array_is_seen(rng):
    x = rng.normal(size=(20, 20))
    wrong = x.copy()
    wrong[7, 7] += 1
    assert difference(sketch(x), sketch(wrong)) > 0.01


def test_memory_order_makes_no_difference(rng):
    x = rng.normal(size=(30, 40, 50))
    assert difference(sketch(x), sketch(np.asfortranarray(x))) == 0


def test_a_transposed_square_differs(rng):
    x = rng.normal(size=(60, 60))
    assert difference(sketch(x), sketch(x.T)) > 0.5


def test_other_shapes_and_nan_differ_without_bound(rng):
    x = rng.normal(size=(3, 4))
    assert difference(sketch(x), sketch(x.T)) == np.inf
    assert difference(sketch(x), sketch(np.full_like(x, np.nan))) == np.inf


def test_two_arrays_of_zeros_agree():
    assert difference(sketch(np.zeros(4)), sketch(np.zeros(4))) == 0
    assert difference(sketch(np.zeros(4)), sketch(np.ones(4))) == 1


def test_names_what_differs_most():
    ours = {"dx": sketch(np.ones(4)), "dw": sketch(np.ones(4))}
    theirs = {"dx": sketch(np.ones(4)), "dw": sketch(2 * np.ones(4))}
    assert disagreement(ours, theirs, 1e-3).startswith("dw differs by 5.0e-01")
    assert disagreement(ours, ours, 1e-3) == ""


def test_nothing_in_common_is_no_agreement():
    assert disagreement({"a": sketch(1.0)}, {"b": sketch(1.0)}, 1e-3) == "nothing to compare"
