import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.arrays.windows import pair, window_over
from minicap.errors import InputError, ShapeError

small = st.integers(1, 4)


def layer() -> None:
    """Stands for the layer that an error message names."""


def test_one_number_stands_for_both_axes():
    assert pair(layer, "stride", 3) == (3, 3)
    assert pair(layer, "stride", [2, 3]) == (2, 3)


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, (1, 0), (1, 2, 3), ()])
def test_what_is_no_stride_is_refused_by_name(value):
    with pytest.raises(InputError, match=r"^layer: stride is .* but must be"):
        pair(layer, "stride", value)


@given(st.integers(1, 9), small, small, small, st.integers(0, 3), st.booleans())
def test_positions_are_those_found_by_walking(length, size, stride, dilation, pad, ceil_mode):
    reach = dilation * (size - 1) + 1
    if reach > length + 2 * pad:
        with pytest.raises(ShapeError, match="larger than the padded image"):
            window_over(layer, (length, 9), (size, 1), stride, pad, dilation)
        return
    window = window_over(layer, (length, 9), (size, 1), stride, pad, dilation, ceil_mode)
    starts = range(-pad, length + pad, stride)
    inside = [start for start in starts if start + reach <= length + pad]
    if ceil_mode and len(inside) < len(starts) and inside[-1] + reach < length + pad:
        inside += [start for start in starts[len(inside) : len(inside) + 1] if start < length]
    assert window.out[0] == len(inside)
    assert window.pad[0][1] == max(pad, inside[-1] + reach - length)


@given(st.integers(1, 9), small, small, small)
def test_same_padding_gives_one_position_for_every_stride(length, size, stride, dilation):
    window = window_over(layer, (length, length), (size, size), stride, "same", dilation)
    before, after = window.pad[0]
    assert window.out[0] == -(-length // stride)
    assert 0 <= after - before <= 1


def test_a_misspelt_padding_is_refused():
    with pytest.raises(InputError, match='must be an integer, a pair or "same"'):
        window_over(layer, (4, 4), (2, 2), 1, "SAME")
