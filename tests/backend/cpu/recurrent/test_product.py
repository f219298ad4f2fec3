import numpy as np
import pytest

from minicap.backend.cpu import tuning
from minicap.backend.cpu.gemm import SMALL_PRODUCT
from minicap.backend.cpu.recurrent.product import _panel_shape, step_product


def expected(W, h, out, scale=1):
    return out + scale * np.einsum("inm,iomk->onk", h, W)


@pytest.fixture(params=["panels", "whole"])
def way(request, monkeypatch):
    monkeypatch.setattr(tuning, "choose", lambda question, names, candidates: request.param)
    return request.param


@pytest.mark.parametrize(
    "shape",
    [(1, 4, 128, 128), (1, 1, 512, 64), (1, 3, 384, 96), (4, 1, 1024, 32), (3, 2, 100, 64), (2, 1, 5, 3)],
    ids=str,
)
@pytest.mark.parametrize("rows", [1, 4, 40])
def test_the_product_is_added_to_what_is_there(way, shape, rows, rng):
    I, O, K, M = shape
    W, h = rng.normal(size=shape), rng.normal(size=(I, rows, K))
    start = rng.normal(size=(O, rows, M))
    out, add = start.copy(), step_product(W, rows)
    add(h, out)
    np.testing.assert_allclose(out, expected(W, h, start), rtol=0, atol=1e-10)
    add(h, out)
    np.testing.assert_allclose(out, expected(W, h, expected(W, h, start)), rtol=0, atol=1e-10)


def test_the_matrix_and_what_is_multiplied_may_lie_in_any_order(way, rng):
    W, h = rng.normal(size=(2, 1, 64, 512)).swapaxes(2, 3), rng.normal(size=(2, 3, 8, 600))[:, 1, :, 50:562]
    gates = np.zeros((1, 3, 8, 64))
    step_product(W, 8)(h, gates[:, 1])
    np.testing.assert_allclose(gates[:, 1], expected(W, h, 0), rtol=0, atol=1e-10)
    assert not gates[:, [0, 2]].any()


def test_every_block_that_comes_out_has_a_scale(way, rng):
    W, h, scale = rng.normal(size=(2, 3, 128, 64)), rng.normal(size=(2, 8, 128)), np.array([0.5, 1, -2])
    out = np.zeros((3, 8, 64))
    step_product(W, 8, scale)(h, out)
    np.testing.assert_allclose(out, expected(W, h, 0, scale[:, None, None]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("rows", [4, 16, 64, 128, 244])
def test_panels_suit_the_kernel_and_fill_the_matrix(rows):
    depth, width = _panel_shape(2048, 512, rows)
    assert rows * depth * width <= SMALL_PRODUCT
    assert (2048 % depth, 512 % width) == (0, 0)


@pytest.mark.parametrize(
    ("K", "M", "rows"), [(2048, 512, 1), (2048, 500, 32), (64, 64, 32), (2048, 512, 999)]
)
def test_there_are_no_panels_where_they_would_not_fit_or_not_pay(K, M, rows):
    assert _panel_shape(K, M, rows) is None
