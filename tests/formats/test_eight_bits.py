import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minicap.errors import FormatError
from minicap.formats import load_safetensors, save_safetensors
from minicap.formats.eight_bits import from_eight_bits, to_eight_bits


def test_a_matrix_is_scaled_column_by_column():
    packed = to_eight_bits({"w": np.array([[1.0, -20.0], [-0.5, 10.0]], np.float32)})
    assert packed["w"].tolist() == [[127, -127], [-64, 64]]  # 63.5 is rounded to even
    np.testing.assert_allclose(packed["w.scale"], [[1 / 127, 20 / 127]])


def test_filters_are_scaled_filter_by_filter():
    w = np.ones((2, 3, 2, 2), np.float32)
    w[1] *= 5
    packed = to_eight_bits({"w": w})
    assert packed["w"].dtype == np.int8
    assert packed["w.scale"].shape == (2, 1, 1, 1)
    np.testing.assert_array_equal(from_eight_bits(packed)["w"], w)


def test_vectors_and_names_stay(rng):
    given = {"b": rng.normal(size=3).astype(np.float32), "odd.scale": np.ones(2, np.float32)}
    again = from_eight_bits(to_eight_bits(given))
    np.testing.assert_equal(again, given)


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=5) | array_shapes(min_dims=4, max_dims=4, max_side=3),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_no_weight_is_off_by_more_than_half_a_step(w):
    packed = to_eight_bits({"w": w})
    again = from_eight_bits(packed)["w"]
    rounding = 4 * np.finfo(np.float32).eps * np.abs(w)
    assert (np.abs(again - w) <= 0.5 * packed["w.scale"] + rounding).all()


def test_a_file_holds_a_quarter(tmp_path, rng):
    given = {"w": rng.normal(size=(64, 32, 3, 3)).astype(np.float32)}
    save_safetensors(tmp_path / "a", to_eight_bits(given))
    assert (tmp_path / "a").stat().st_size < 0.3 * given["w"].nbytes
    packed, _ = load_safetensors(tmp_path / "a")
    np.testing.assert_allclose(from_eight_bits(packed)["w"], given["w"], atol=0.03)


def test_what_does_not_fit_together_is_named():
    with pytest.raises(FormatError, match="w is in 8 bits but has no scales"):
        from_eight_bits({"w": np.zeros((2, 3), np.int8)})
    with pytest.raises(FormatError, match=r"w is \(2, 3\), which scales \(4, 1\) do not fit"):
        from_eight_bits({"w": np.zeros((2, 3), np.int8), "w.scale": np.ones((4, 1), np.float32)})
