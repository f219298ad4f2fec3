"""What the tests of networks share: sizes, and gradients beside PyTorch's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minicap.gradcheck import check_model
from minicap.nn import Module, Supervised


def parameter_count(model: Module) -> int:
    """Of a network that need not be initialised."""
    return sum(int(np.prod(p.shape)) for module in model.modules() for p in module.declared.values())


def draw_vectors(model: Module, rng: np.random.Generator) -> None:
    """Biases, scales and shifts that are neither 0 nor 1, so that none can be forgotten."""
    for name, array in model.params.items():
        if array.ndim == 1:
            array[...] = rng.uniform(0.1, 0.3, size=array.shape) + name.endswith("gamma")


def check_gradients(net: Module, x: np.ndarray, rng: np.random.Generator) -> None:
    """Every parameter of a small network in float64 against central differences.

    With thousands of ReLUs some activation is always close to its kink: a small step passes fewer of them,
    and what rounding adds to its differences asks for a tolerance above it.
    """
    model = Supervised(net).initialize(1, np.float64)
    draw_vectors(model, rng)
    batch = {"x": x, "y": np.arange(len(x)) % 3}
    report = check_model(lambda: model.loss(batch, rng=3), model.params, entries=3, step=3e-7, tolerance=1e-6)
    assert len(report) == len(model.params)
    assert report.passed, str(report)


def check_beside_torch(
    net: Module, x: np.ndarray, theirs: Callable[[Any, dict[str, Any], Any], Any], rng: np.random.Generator
) -> None:
    """Scores in training mode and every gradient equal those of theirs(torch, params, x) in float64."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    net.initialize(1, np.float64)
    draw_vectors(net, rng)
    params = {name: torch.tensor(array, requires_grad=True) for name, array in net.params.items()}
    image = torch.tensor(x, requires_grad=True)
    expected = theirs(torch, params, image)
    out, cache = net.forward(x, train=True)
    np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-9, atol=1e-11)
    dout = rng.normal(size=out.shape)
    expected.backward(torch.tensor(dout))
    dx, grads = net.backward(dout, cache)
    assert set(grads) == set(params)
    for name, tensor in (params | {"x": image}).items():
        ours, wanted = (dx if name == "x" else grads[name]), tensor.grad.numpy()
        # A bias in front of batch normalisation has a gradient of rounding errors, small beside the others.
        np.testing.assert_allclose(
            ours, wanted, rtol=1e-6, atol=1e-9 * max(1, np.abs(dout).max()), err_msg=name
        )
