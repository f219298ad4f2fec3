"""A recurrent layer over all steps in one launch: on devices of several sizes, and where it does not fit."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import DEVICE, ORDERS, thread_order

from minicap.arrays import Backend, textbook, to_device, to_host
from minicap.backend.gpu import lstm, sequences
from minicap.layers import gru_backward, gru_forward, lstm_backward, lstm_forward, rnn_backward, rnn_forward

LAYERS = {
    "lstm": (lstm_forward, lstm_backward, 4),
    "gru": (gru_forward, gru_backward, 3),
    "rnn": (rnn_forward, rnn_backward, 1),
}
N, T, D, H = 70, 3, 5, 41


def draw(layer: str, rng: np.random.Generator, masked: bool = False) -> dict[str, Any]:
    G = LAYERS[layer][2] * H
    arrays = dict(x=rng.normal(size=(N, T, D)), h0=rng.normal(size=(N, H)))
    arrays |= dict(Wx=rng.normal(size=(D, G)), Wh=rng.normal(size=(H, G)) / 6, b=rng.normal(size=G))
    if masked:
        arrays["mask"] = rng.random((N, T)) < 0.6
    return arrays | (dict(bh=rng.normal(size=G)) if layer == "gru" else {})


def run(layer: str, arrays: dict[str, Any], dh: Any) -> tuple[Any, list[Any]]:
    forward, backward, _ = LAYERS[layer]
    out, cache = forward(**arrays)
    return cache, [out, *backward(dh, cache)]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("processors", "kilobytes", "units"),
    [(6, 227, 16), (1, 227, 16), (6, 24, 8), (3, 18, 4)],
    ids=["every group of samples a block", "several groups a block", "small", "smaller"],
)
def test_a_layer_is_right_on_devices_of_any_size(
    layer: str,
    order: str,
    processors: int,
    kilobytes: int,
    units: int,
    gpu: Backend,
    rng: np.random.Generator,
    monkeypatch,
):
    monkeypatch.setattr(DEVICE, "processors", processors)
    monkeypatch.setattr(DEVICE, "shared_bytes", kilobytes << 10)
    arrays, dh = draw(layer, rng), rng.normal(size=(N, T, H))
    with textbook():
        _, expected = run(layer, arrays, dh)
    with thread_order(order):
        device = {name: to_device(array) for name, array in arrays.items()}
        _cache, got = run(layer, device, to_device(dh))
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(to_host(ours), theirs, rtol=0, atol=1e-12 * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("kilobytes", [3, 40, 80, 227])
def test_the_plan_fits_the_device(kilobytes: int, gpu: Backend, monkeypatch):
    monkeypatch.setattr(DEVICE, "processors", 132)
    monkeypatch.setattr(DEVICE, "shared_bytes", kilobytes << 10)
    x, kernel = to_device(np.zeros((1, 1, 1), np.float32)), lstm._sequence
    for H in (1, 7, 16, 100, 512):
        for N in (1, 33, 300):
            plan = sequences.plan(kernel, x, dict(N=N, T=2, H=H), gates=4, states=1)
            if kilobytes == 3:
                assert plan is None
                continue
            assert plan.shared_bytes <= kilobytes << 10
            assert plan.blocks <= kernel.room_for(x, plan.shared_bytes)
            assert plan.across * plan.units >= H
            assert plan.blocks % plan.across == 0


@pytest.mark.parametrize(
    "sizes", [dict(N=5, T=1, H=8), dict(N=5, T=4, H=513)], ids=["a single step", "many units"]
)
def test_what_one_launch_is_not_for_goes_by_steps(sizes: dict[str, int], gpu: Backend):
    x = to_device(np.zeros((1, 1, 1), np.float32))
    assert sequences.plan(lstm._sequence, x, sizes, gates=4, states=1) is None


def test_all_steps_in_one_launch_can_be_switched_off(gpu: Backend, rng: np.random.Generator, monkeypatch):
    arrays = {name: to_device(array) for name, array in draw("lstm", rng).items()}
    assert lstm_forward(**arrays)[1].barriers is not None
    monkeypatch.setattr(sequences, "MOST_UNITS", 0)
    assert lstm_forward(**arrays)[1].barriers is None


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("fits", [True, False])
def test_a_masked_step_carries_the_state_on(
    layer: str, fits: bool, gpu: Backend, rng: np.random.Generator, monkeypatch
):
    monkeypatch.setattr(DEVICE, "cooperative", fits)
    arrays, dh = draw(layer, rng, masked=True), rng.normal(size=(N, T, H))
    with textbook():
        _, expected = run(layer, arrays, dh)
    cache, got = run(layer, {name: to_device(array) for name, array in arrays.items()}, to_device(dh))
    assert (cache.barriers is not None) == fits
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(to_host(ours), theirs, rtol=0, atol=1e-12 * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_forward_in_one_launch_has_a_backward_by_steps(layer: str, gpu: Backend, rng: np.random.Generator):
    arrays, dh = draw(layer, rng), to_device(rng.normal(size=(N, T, H)))
    forward, backward, _ = LAYERS[layer]
    _, cache = forward(**{name: to_device(array) for name, array in arrays.items()})
    assert cache.barriers is not None
    at_once = backward(dh, cache)
    for one, other in zip(at_once, backward(dh, cache._replace(barriers=None)), strict=True):
        np.testing.assert_allclose(to_host(one), to_host(other), rtol=0, atol=1e-11)


@pytest.mark.parametrize("layer", LAYERS)
def test_barriers_are_left_ready_for_the_next_launch(layer: str, gpu: Backend, rng: np.random.Generator):
    arrays, dh = draw(layer, rng), to_device(rng.normal(size=(N, T, H)))
    forward, backward, _ = LAYERS[layer]
    _, cache = forward(**{name: to_device(array) for name, array in arrays.items()})
    first, second = backward(dh, cache), backward(dh, cache)
    assert not (to_host(cache.barriers) & 0x7FFFFFFF).any()
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(to_host(one), to_host(other))
