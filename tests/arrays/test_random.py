from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minicap.arrays import Backend
from minicap.arrays.random import RandomStream, as_stream, philox_words, random_uint16
from minicap.errors import InputError

# Any namespace that is not NumPy itself makes random_uint16 take the array form.
ARRAY_FORM = Backend(
    "array form",
    SimpleNamespace(zeros=np.zeros, arange=np.arange, stack=np.stack),
    np.ndarray,
    np.asarray,
    np.asarray,
)

KEYS = st.integers(0, 2**64 - 1)


@settings(max_examples=60)
@given(key=KEYS, first=st.integers(0, 2**60), counters=st.integers(1, 9))
@example(key=2**64 - 1, first=0, counters=3)
@example(key=2**64 - 2, first=2**60, counters=3)
@example(key=2**63, first=2**32 - 2, counters=5)  # a carry from the low half of the counter
@example(key=0, first=0, counters=1)
def test_the_array_form_of_philox_equals_numpy_bit_for_bit(key, first, counters):
    expected = np.random.Philox(key=key, counter=first).random_raw(4 * counters)
    words = philox_words(np, key, first, counters)
    assert words.dtype == np.uint64
    np.testing.assert_array_equal(words, expected)


@settings(max_examples=40)
@given(
    key=KEYS,
    row=st.integers(0, 2**40),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple),
)
def test_a_backend_without_numpys_generator_gives_the_same_numbers(key, row, shape):
    stream = RandomStream(key, row)
    numbers = random_uint16(stream, shape)
    assert numbers.shape == shape
    assert numbers.dtype == np.uint16
    np.testing.assert_array_equal(random_uint16(stream, shape, ARRAY_FORM), numbers)


@settings(max_examples=40)
@given(
    key=KEYS,
    row=st.integers(0, 10**6),
    sample=st.lists(st.integers(1, 7), max_size=3),
    cuts=st.sets(st.integers(1, 11)),
)
def test_a_batch_cut_into_shards_draws_the_numbers_of_the_whole(key, row, sample, cuts):
    whole = random_uint16(RandomStream(key, row), (12, *sample))
    edges = [0, *sorted(cuts), 12]
    shards = [
        random_uint16(RandomStream(key, row + start), (stop - start, *sample))
        for start, stop in pairwise(edges)
    ]
    np.testing.assert_array_equal(np.concatenate(shards), whole)


def test_the_numbers_of_a_known_stream_stay_what_they_are():
    # A checkpoint resumes bit for bit only as long as these never change.
    numbers = random_uint16(RandomStream(1, row=2), (2, 3))
    np.testing.assert_array_equal(numbers, [[64003, 55620, 3378], [30470, 29413, 10232]])


def test_numbers_are_uniform_over_sixteen_bits():
    counts = np.bincount(random_uint16(RandomStream(5), (1000, 1000)).ravel() >> 8, minlength=256)
    assert len(counts) == 256
    chi_squared = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert 150 < chi_squared < 380  # 255 degrees of freedom: five standard deviations either way


def test_streams_of_different_keys_are_unrelated():
    a, b = (random_uint16(RandomStream(key), (500, 200)).ravel().astype(float) for key in (1, 2))
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(a.size)


def test_no_two_streams_of_a_tree_share_a_key():
    roots = [RandomStream(key) for key in (*range(50), 2**63, 2**64 - 1)]
    children = [root.child(i) for root in roots for i in range(50)]
    grandchildren = [child.child(i) for child in children for i in range(20)]
    keys = [stream.key for stream in (*roots, *children, *grandchildren)]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**64 for key in keys)


def test_a_child_keeps_the_row_of_its_parent():
    assert RandomStream(3, 17).child(2) == RandomStream(RandomStream(3).child(2).key, 17)


def test_a_stream_comes_from_a_stream_a_seed_or_a_generator():
    stream = RandomStream(3, 4)
    assert as_stream(stream) is stream
    assert as_stream(7) == as_stream(np.int64(7)) == RandomStream(7)
    assert as_stream(-1) == RandomStream(2**64 - 1)


def test_a_generator_moves_on_by_one_draw():
    generator, twin = np.random.default_rng(0), np.random.default_rng(0)
    assert as_stream(generator) == RandomStream(int(twin.integers(1 << 63)))
    assert generator.integers(1 << 63) == twin.integers(1 << 63)


@pytest.mark.parametrize(("rng", "what"), [(None, "missing"), ("7", "a str"), (0.5, "a float")])
def test_a_stream_is_never_made_of_nothing(rng, what):
    with pytest.raises(
        InputError, match=f"rng is {what}: pass a numpy Generator, a RandomStream or an integer"
    ):
        as_stream(rng)
