import io
import pickle

import numpy as np
import pytest

from minicap.errors import FormatError
from minicap.formats.pickled_arrays import PICKLED_ARRAYS, PickledArray
from minicap.formats.restricted_pickle import load_restricted


def read(value, protocol=2):
    return load_restricted(io.BytesIO(pickle.dumps(value, protocol)), PICKLED_ARRAYS, "FILE")


@pytest.mark.parametrize("protocol", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8", "u1"])
def test_arrays_come_back(dtype, protocol):
    array = np.arange(12).reshape(3, 2, 2).astype(dtype)
    back = read({"a": array}, protocol)["a"].array("FILE")
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


def test_an_array_in_fortrans_order_keeps_its_entries():
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(read(array).array("FILE"), array)


@pytest.mark.parametrize(
    "array",
    [np.array(["text"]), np.array([{}], dtype=object), np.zeros(2, [("a", "f4")]), np.array([1j])],
    ids=["text", "objects", "records", "complex"],
)
def test_only_plain_numbers_are_read(array):
    with pytest.raises(FormatError, match="FILE: an array is described in a way that NumPy does not"):
        read(array).array("FILE")


@pytest.mark.parametrize(
    "change", [{0: (4, 2)}, {0: (-3, -2)}, {3: b""}, {3: "text"}, {2: 7}, {0: (3.0, 2)}, {0: (6, *[1] * 70)}]
)
def test_a_description_that_does_not_fit_its_bytes_is_refused(change):
    pickled = read(np.zeros((3, 2), np.float32))
    state = list(pickled.state)
    for place, value in change.items():
        state[place + 1] = value
    pickled.__setstate__(tuple(state))
    with pytest.raises(FormatError, match="in a way that NumPy does not"):
        pickled.array("FILE")


def test_an_array_that_never_got_its_content_is_refused():
    with pytest.raises(FormatError, match="FILE"):
        PickledArray().array("FILE")
