import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays.rows import scatter_add_rows, sum_segments_by_doubling


def by_doubling(ids, rows, num_rows):
    order = np.argsort(ids, kind="stable")
    return sum_segments_by_doubling(np, ids[order], rows[order], num_rows)


both_forms = pytest.mark.parametrize("scatter", [scatter_add_rows, by_doubling])


@both_forms
def test_rows_with_the_same_index_add_up_and_the_others_are_zero(scatter):
    rows = np.array([[1.0, 10], [2, 20], [4, 40], [8, 80]])
    out = scatter(np.array([3, 0, 3, 3]), rows, 5)
    np.testing.assert_array_equal(out, [[2, 20], [0, 0], [0, 0], [13, 130], [0, 0]])


@both_forms
@settings(max_examples=50)
@given(data=st.data())
def test_the_sums_are_those_of_a_plain_loop(scatter, data):
    num_rows = data.draw(st.integers(1, 9))
    ids = np.array(data.draw(st.lists(st.integers(0, num_rows - 1), min_size=1, max_size=40)))
    ids = ids.astype(data.draw(st.sampled_from(["int64", "int32", "uint8"])))
    rows = np.random.default_rng(len(ids)).integers(-50, 50, size=(len(ids), 3)).astype(float)
    expected = np.zeros((num_rows, 3))
    for index, row in zip(ids, rows, strict=True):
        expected[index] += row
    np.testing.assert_array_equal(scatter(ids, rows, num_rows), expected)


@both_forms
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_the_dtype_is_kept(scatter, dtype):
    assert scatter(np.array([1, 1]), np.ones((2, 3), dtype=dtype), 2).dtype == dtype


@both_forms
def test_an_infinite_row_stays_where_it_belongs(scatter):
    rows = np.array([[1.0], [np.inf], [2.0], [np.nan]])
    np.testing.assert_array_equal(
        scatter(np.array([0, 1, 2, 3]), rows, 5), [[1], [np.inf], [2], [np.nan], [0]]
    )


@both_forms
def test_small_sums_are_not_lost_beside_large_ones(scatter, rng):
    ids = np.repeat([0, 1], 500)
    rows = np.concatenate((np.full((500, 1), 1e6), rng.uniform(size=(500, 1)))).astype(np.float32)
    small = scatter(ids, rows, 2)[1, 0]
    assert small == pytest.approx(rows[500:].astype(np.float64).sum(), rel=1e-6)
