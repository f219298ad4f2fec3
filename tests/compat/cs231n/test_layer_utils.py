"""CS231n's sandwich layers: their gradients by differences, as its notebooks check them."""

import numpy as np
import pytest

from minicap.compat.cs231n import layer_utils
from minicap.compat.cs231n.gradient_check import eval_numerical_gradient_array

CONV, POOL = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}
AFFINE_SHAPES, CONV_SHAPES = [(4, 2, 3), (6, 5), (5,)], [(2, 2, 4, 6), (3, 2, 3, 3), (3,)]


def train():
    return {"mode": "train"}


@pytest.mark.parametrize(
    ("name", "shapes", "params"),
    [
        ("affine_relu", AFFINE_SHAPES, lambda: []),
        ("affine_bn_relu", [*AFFINE_SHAPES, (5,), (5,)], lambda: [train()]),
        ("affine_ln_relu", [*AFFINE_SHAPES, (5,), (5,)], lambda: [{"eps": 1e-3}]),
        ("conv_relu", CONV_SHAPES, lambda: [CONV]),
        ("conv_bn_relu", [*CONV_SHAPES, (3,), (3,)], lambda: [CONV, train()]),
        ("conv_relu_pool", CONV_SHAPES, lambda: [CONV, POOL]),
    ],
)
def test_every_sandwich_has_the_right_gradients(name, shapes, params):
    rng = np.random.default_rng(5)
    arrays = [rng.normal(size=shape) for shape in shapes]
    forward, backward = getattr(layer_utils, f"{name}_forward"), getattr(layer_utils, f"{name}_backward")
    out, cache = forward(*arrays, *params())
    dout = rng.normal(size=out.shape)
    gradients = backward(dout, cache)
    assert len(gradients) == len(arrays)
    for i, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        numeric = eval_numerical_gradient_array(lambda _: forward(*arrays, *params())[0], array, dout)
        np.testing.assert_allclose(gradient, numeric, atol=1e-6, err_msg=f"argument {i}")
