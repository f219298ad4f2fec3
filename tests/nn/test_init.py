import numpy as np
import pytest

from minicap.errors import InputError
from minicap.layers import conv1d_forward, conv_forward
from minicap.nn.init import (
    fan_in_uniform,
    fans,
    glorot_uniform,
    he_normal,
    identity,
    normal,
    ones,
    orthogonal,
    stacked,
    uniform,
    zeros,
)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((7, 5), (7, 5)), ((8, 3, 5, 2), (3 * 10, 8 * 10)), ((6, 1, 3, 3), (9, 54)), ((3, 7, 5), (21, 15))],
)
def test_fans_of_matrices_and_filters(shape, expected):
    assert fans(shape) == expected


@pytest.mark.parametrize("shape", [(200, 500), (64, 32, 7, 7)])
def test_he_normal_has_variance_two_over_fan_in(shape, rng):
    w = he_normal(rng, shape)
    assert w.shape == shape
    assert w.var() == pytest.approx(2 / fans(shape)[0], rel=0.03)
    assert abs(w.mean()) < 4 * np.sqrt(w.var() / w.size)


def test_he_normal_keeps_the_scale_of_a_convolution_over_time(rng):
    x = rng.normal(size=(4, 50, 64))
    out, _ = conv1d_forward(x, he_normal(rng, (5, 64, 256)), None)
    assert (out[:, 4:] ** 2).mean() == pytest.approx(2, rel=0.05)  # halved by the ReLU behind it


def test_he_normal_keeps_the_scale_through_relus(rng):
    x = rng.normal(size=(100, 400))
    for _ in range(10):
        x = np.maximum(x @ he_normal(rng, (400, 400)), 0)
    assert 0.5 < (x**2).mean() < 2


@pytest.mark.parametrize("shape", [(200, 500), (64, 32, 7, 7)])
def test_glorot_uniform_has_its_variance_and_fills_its_range(shape, rng):
    w, bound = glorot_uniform(rng, shape), np.sqrt(6 / sum(fans(shape)))
    assert w.var() == pytest.approx(2 / sum(fans(shape)), rel=0.03)
    assert 0.99 * bound < np.abs(w).max() <= bound


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (6, 6)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape, rng):
    w = orthogonal(rng, shape)
    assert w.shape == shape
    short = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(short, np.eye(min(shape)), atol=1e-12)


def test_orthogonal_matrices_are_drawn_evenly_from_rotations_and_reflections(rng):
    # Without the signs of R's diagonal, QR favours some orientations (Mezzadri 2007).
    determinants = [np.linalg.det(orthogonal(rng, (3, 3))) for _ in range(400)]
    assert 140 < sum(d > 0 for d in determinants) < 260
    assert abs(np.mean([orthogonal(rng, (3, 3))[0, 0] for _ in range(400)])) < 0.12


def test_identity_filters_pass_their_channels_on(rng):
    x = rng.normal(size=(2, 3, 5, 4))
    out, _ = conv_forward(x, identity()(rng, (5, 3, 3, 3)), np.zeros(5), stride=1, pad=1)
    np.testing.assert_array_equal(out[:, :3], x)
    np.testing.assert_array_equal(out[:, 3:], 0)


def test_filters_beyond_the_channels_are_drawn_by_the_rest(rng):
    w = identity(he_normal)(rng, (64, 32, 3, 3))
    np.testing.assert_array_equal(w[:32], identity()(rng, (32, 32, 3, 3)))
    assert w[32:].var() == pytest.approx(2 / fans(w.shape)[0], rel=0.1)


@pytest.mark.parametrize("shape", [(5, 2, 3, 5), (2, 5, 2, 2), (3, 3, 1, 1)])
def test_identity_equals_pytorchs_dirac(shape, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    np.testing.assert_array_equal(identity()(rng, shape), torch.nn.init.dirac_(torch.empty(shape)).numpy())


@pytest.mark.parametrize("shape", [(3, 3), (3, 4, 4)], ids=["a matrix", "filters over time"])
def test_identity_is_for_filters_over_images(shape, rng):
    with pytest.raises(InputError, match=r"identity: \(3, .*\) is not a shape of filters, \(F, C, HH, WW\)"):
        identity()(rng, shape)


def test_stacked_blocks_have_the_fans_of_one_gate(rng):
    w = stacked(glorot_uniform, 4)(rng, (50, 400))
    bound = np.sqrt(6 / (50 + 100))
    assert w.shape == (50, 400)
    assert 0.99 * bound < np.abs(w).max() <= bound
    blocks = np.split(w, 4, axis=1)
    assert not any((blocks[0] == block).any() for block in blocks[1:])


def test_the_plain_ones(rng):
    assert (zeros(rng, (2, 3)) == np.zeros((2, 3))).all()
    assert (ones(rng, (2, 3)) == np.ones((2, 3))).all()
    assert normal(0.1)(rng, (300, 300)).std() == pytest.approx(0.1, rel=0.02)
    drawn = uniform(0.5)(rng, (300, 300))
    assert 0.49 < drawn.max() <= 0.5
    assert -0.5 <= drawn.min() < -0.49


def test_uniform_by_fan_in_has_a_third_of_its_inverse_as_variance(rng):
    w = fan_in_uniform(rng, (500, 4, 5, 5))
    assert abs(w).max() <= 1 / np.sqrt(100)
    assert w.var() == pytest.approx(1 / 300, rel=0.02)
