import numpy as np
import pytest

from minicap.backend.cpu import gemm, threads


@pytest.mark.parametrize("shape", [(3, 40, 70), (70, 40, 3), (1, 40, 1)], ids=["wide", "tall", "a number"])
def test_a_product_on_threads_is_the_product(rng, monkeypatch, shape):
    monkeypatch.setattr(threads, "LEAST_PRODUCTS", 1)
    N, K, M = shape
    A, B = rng.normal(size=(N, K)), rng.normal(size=(K, M))
    np.testing.assert_allclose(gemm.product(A, B), A @ B, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("piece", [0, 32])
def test_rows_in_pieces_and_the_rest_are_the_product(rng, monkeypatch, piece, turned):
    monkeypatch.setattr(gemm, "rows_of_a_piece", lambda *_: piece)
    A, B = rng.normal(size=(100, 7)), rng.normal(size=(5, 7)).T if turned else rng.normal(size=(7, 5))
    out = np.empty((100, 5))
    gemm.times(A, B, out)
    np.testing.assert_allclose(out, A @ B, rtol=1e-12, atol=1e-12)
