import numpy as np
import pytest

from minicap.backend.cpu import tuning
from minicap.backend.cpu.gemm import SMALL_PRODUCT
from minicap.backend.cpu.recurrent.product import _panel_shape, step_product


def expected(W, h, out):
    return out + np.stack([h @ w for w in W])


@pytest.fixture(params=["panels", "whole"])
def way(request, monkeypatch):
    monkeypatch.setattr(tuning, "choose", lambda question, names, candidates: request.param)
    return request.param


@pytest.mark.parametrize(
    "shape", [(4, 128, 128), (1, 512, 64), (3, 384, 96), (1, 1024, 32), (2, 100, 64), (1, 5, 3)], ids=str
)
@pytest.mark.parametrize("rows", [1, 4, 40])
def test_the_product_is_added_to_what_is_there(way, shape, rows, rng):
    W, h = rng.normal(size=shape), rng.normal(size=(rows, shape[1]))
    start = rng.normal(size=(shape[0], rows, shape[2]))
    out, add = start.copy(), step_product(W, rows)
    add(h, out)
    np.testing.assert_allclose(out, expected(W, h, start), rtol=0, atol=1e-10)
    add(h, out)
    np.testing.assert_allclose(out, expected(W, h, expected(W, h, start)), rtol=0, atol=1e-10)


def test_the_matrix_and_what_is_multiplied_may_lie_in_any_order(way, rng):
    W, h = rng.normal(size=(1, 64, 512)).swapaxes(1, 2), rng.normal(size=(8, 600))[:, 50:562]
    gates = np.zeros((1, 3, 8, 64))
    step_product(W, 8)(h, gates[:, 1])
    np.testing.assert_allclose(gates[:, 1], [h @ W[0]], rtol=0, atol=1e-10)
    assert not gates[:, [0, 2]].any()


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
