import numpy as np
import pytest

from minicap.layers import layernorm_backward, layernorm_forward


def layer_normalised(x, gamma, beta):
    out, cache = layernorm_forward(x, gamma, beta)
    dout = np.random.default_rng(5).normal(size=x.shape).astype(x.dtype)
    return out, *layernorm_backward(dout, cache)


@pytest.mark.parametrize("shape", [(300, 257), (1200, 32), (20, 4096)])
@pytest.mark.parametrize("offset", [0, 0.25, 0.5, 1, 2, 10, 1000])
def test_layer_normalisation_in_float32_is_as_accurate_as_the_textbook(
    rng, hold_against_textbook, shape, offset
):
    def draw():
        x = (offset + rng.normal(size=shape)).astype(np.float32)
        return x, *rng.normal(size=(2, shape[-1])).astype(np.float32)

    # The same roundings of an entry; sums by BLAS, whose partial sums may be fewer and longer than NumPy's.
    hold_against_textbook(layer_normalised, [draw() for _ in range(5)], times=2)
