import numpy as np
import pytest

from minicap.arrays import textbook
from minicap.arrays.windows import window_over
from minicap.backend.cpu.conv import transforms, winograd
from minicap.backend.cpu.order import empty_images
from minicap.layers.conv import conv_backward, conv_forward


def by_winograd(x, w, b, dout, pad):
    window = window_over(conv_forward, x.shape[2:], w.shape[2:], 1, pad)
    out, dx = empty_images((len(x), len(w), *window.out), x.dtype), empty_images(x.shape, x.dtype)
    winograd.convolve(x, w, b, out, window)
    return out, dx, *winograd.gradients(dout, x, w, dx, window)


def by_textbook(x, w, b, pad):
    with textbook():
        out, cache = conv_forward(x, w, b, pad=pad)
        dout = np.random.default_rng(1).normal(size=out.shape).astype(x.dtype)
        return dout, (out, *conv_backward(dout, cache))


def draw(rng, N, C, H, W, F, taps, dtype=np.float64):
    shapes = (N, C, H, W), (F, C, taps, taps), (F,)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def worst_error(got, expected):
    return max(abs(g - e).max() / abs(e).max() for g, e in zip(got, expected, strict=True))


@pytest.mark.parametrize("taps", transforms.SIZES)
def test_the_matrices_convolve_one_tile(taps, rng):
    t = transforms.transforms(taps, np.dtype("float64"))
    d, g = rng.normal(size=len(t.BT)), rng.normal(size=taps)
    expected = np.correlate(d, g)
    assert len(expected) == t.m
    np.testing.assert_allclose(t.AT @ ((t.G @ g) * (t.BT @ d)), expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(t.AT[:, transforms.POINT_ONE], 1)


@pytest.mark.parametrize("taps", transforms.SIZES)
@pytest.mark.parametrize("pad", [0, 1, (3, 2)])
@pytest.mark.parametrize("image", [(5, 5), (5, 8), (6, 13), (12, 12), (11, 9)])
def test_every_size_has_its_edges_right(taps, pad, image, rng):
    x, w, b = draw(rng, 2, 3, *image, 4, taps)
    dout, expected = by_textbook(x, w, b, pad)
    assert worst_error(by_winograd(x, w, b, dout, pad), expected) < 1e-12


@pytest.mark.parametrize("taps", transforms.SIZES)
def test_blocks_and_parts_give_the_same(taps, rng, monkeypatch):
    x, w, b = draw(rng, 5, 40, 14, 17, 36, taps)
    dout, expected = by_textbook(x, w, b, 1)
    assert worst_error(by_winograd(x, w, b, dout, 1), expected) < 1e-12
    window = window_over(conv_forward, x.shape[2:], w.shape[2:], 1, 1)
    t = transforms.transforms(taps, x.dtype)
    for name in ("BLOCK_BYTES", "WHOLE_BYTES", "PART_BYTES", "LONG_ROW"):
        monkeypatch.setattr(winograd, name, 1)
    monkeypatch.setattr(winograd, "MIN_TILES", 3)
    assert len(list(winograd._blocks(window, t, 5, 40, 36, 8))) > 5
    assert len(winograd._parts(40, 8)) > 1
    assert worst_error(by_winograd(x, w, b, dout, 1), expected) < 1e-12


@pytest.mark.parametrize(("taps", "C", "bound"), [(3, 32, 4e-6), (3, 256, 8e-6), (5, 64, 1.5e-5)])
def test_float32_keeps_the_accuracy_that_is_promised(taps, C, bound, rng):
    x, w, b = draw(rng, 2, C, 16, 16, 32, taps)
    dout, expected = by_textbook(x, w, b, 1)
    single = [a.astype(np.float32) for a in (x, w, b, dout)]
    assert worst_error(by_winograd(*single, 1), expected) < bound


def test_it_fits_square_filters_at_stride_one_only():
    def fits(size, stride=1, dilation=1):
        return winograd.fits(window_over(conv_forward, (20, 20), size, stride, 1, dilation))

    assert fits((3, 3))
    assert fits((5, 5))
    assert not fits((3, 5))
    assert not fits((7, 7))
    assert not fits((3, 3), stride=2)
    assert not fits((3, 3), dilation=(1, 2))
