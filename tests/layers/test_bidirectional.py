import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import InputError, ShapeError
from minicap.layers.bidirectional import bidirectional_backward, bidirectional_forward
from minicap.layers.gru import gru_forward
from minicap.layers.lstm import lstm_forward
from minicap.layers.rnn import rnn_forward

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
every_layer = pytest.mark.parametrize("layer", GATES)


def draw_arrays(layer, N=3, T=4, D=5, H=2, seed=0):
    rng, G = np.random.default_rng(seed), GATES[layer] * H
    arrays = {
        "x": rng.normal(size=(N, T, D)),
        "h0": rng.normal(size=(2, N, H)),
        "Wx": rng.normal(size=(2, D, G)),
        "Wh": rng.normal(size=(2, H, G)),
        "b": rng.normal(size=(2, G)),
    }
    if layer == "gru":
        arrays["bh"] = rng.normal(size=(2, G))
    if layer == "lstm":
        arrays["c0"] = rng.normal(size=(2, N, H))
    return arrays


@every_layer
def test_a_short_sequence_is_read_backwards_from_its_own_end(layer):
    forward = {"rnn": rnn_forward, "lstm": lstm_forward, "gru": gru_forward}[layer]
    arrays, lengths = draw_arrays(layer), [4, 1, 3]
    out, _ = bidirectional_forward(**arrays, layer=layer, mask=np.arange(4) < np.array(lengths)[:, None])
    x = arrays.pop("x")
    for n, length in enumerate(lengths):
        for k, steps in enumerate((slice(None, length), slice(length - 1, None, -1))):
            own = {name: a[k, n : n + 1] if name in ("h0", "c0") else a[k] for name, a in arrays.items()}
            h, _ = forward(x[n : n + 1, steps], **own)
            expected = h[0] if k == 0 else h[0, ::-1]
            np.testing.assert_allclose(out[n, :length, 2 * k : 2 * k + 2], expected, rtol=1e-12)
            state_on_padding = h[0, -1] if k == 0 else arrays["h0"][1, n]
            np.testing.assert_allclose(
                out[n, length:, 2 * k : 2 * k + 2],
                np.broadcast_to(state_on_padding, (4 - length, 2)),
                rtol=1e-12,
            )


@every_layer
@settings(max_examples=25)
@given(data=st.data())
def test_bidirectional_layers_equal_pytorch(layer, data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    N, T, D, H = (data.draw(st.integers(1, 4)) for _ in range(4))
    arrays = draw_arrays(layer, N, T, D, H, seed=data.draw(st.integers(0, 99)))
    lengths = [T, *(data.draw(st.integers(1, T)) for _ in range(N - 1))]
    mask = np.arange(T) < np.array(lengths)[:, None]
    dout = np.random.default_rng(1).normal(size=(N, T, 2 * H)) * mask[:, :, None]
    out, cache = bidirectional_forward(**arrays, layer=layer, mask=mask)
    gradients = bidirectional_backward(dout, cache)

    ours = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    order = {"rnn": [0], "lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}[layer]

    def reordered(a):  # our last axis to PyTorch's first
        blocks = a.movedim(-1, 0).reshape(len(order), H, *a.shape[:-1])
        return blocks[order].reshape(len(order) * H, *a.shape[:-1])

    zeros = torch.zeros((2, GATES[layer] * H), dtype=torch.float64)
    weights = {}
    for k, ending in enumerate(("l0", "l0_reverse")):
        weights |= {f"weight_ih_{ending}": reordered(ours["Wx"][k]),
                    f"weight_hh_{ending}": reordered(ours["Wh"][k]),
                    f"bias_ih_{ending}": reordered(ours["b"][k]),
                    f"bias_hh_{ending}": reordered(ours.get("bh", zeros)[k])}  # fmt: skip
    module = getattr(torch.nn, layer.upper())(D, H, batch_first=True, bidirectional=True).double()
    states = (ours["h0"], ours["c0"]) if layer == "lstm" else ours["h0"]
    x = torch.nn.utils.rnn.pack_padded_sequence(ours["x"], lengths, batch_first=True, enforce_sorted=False)
    packed, _ = torch.func.functional_call(module, weights, (x, states))
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    expected.backward(torch.tensor(dout))

    np.testing.assert_allclose(out * mask[:, :, None], expected.detach(), rtol=0, atol=1e-12)
    given = [gradient for gradient in gradients if gradient is not None]
    assert len(gradients) == 7
    for gradient, array in zip(given, ours.values(), strict=True):
        assert gradient.shape == array.shape
        np.testing.assert_allclose(
            gradient, array.grad, rtol=0, atol=1e-9 * max(1e-8, float(array.grad.abs().max()))
        )


def test_the_options_of_the_layer_are_passed_on():
    arrays = draw_arrays("gru")
    after, _ = bidirectional_forward(**arrays, layer="gru")
    before, _ = bidirectional_forward(**arrays, layer="gru", reset_after=False)
    assert np.abs(after - before).max() > 1e-3


@every_layer
def test_float32_stays_float32(layer):
    arrays = {name: a.astype(np.float32) for name, a in draw_arrays(layer).items()}
    out, cache = bidirectional_forward(**arrays, layer=layer)
    gradients = [gradient for gradient in bidirectional_backward(out, cache) if gradient is not None]
    assert {a.dtype for a in (out, *gradients)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("layer", "change", "error", "message"),
    [
        (
            "lstm",
            {"layer": "transformer"},
            InputError,
            "layer is 'transformer' but must be one of rnn, lstm, gru",
        ),
        ("gru", {"bh": None}, InputError, 'layer "gru" does not go with these arrays: a GRU needs bh'),
        ("lstm", {"bh": np.ones((2, 8))}, InputError, 'layer "lstm" does not go with these arrays'),
        ("rnn", {"c0": np.ones((2, 3, 2))}, InputError, 'layer "rnn" does not go with these arrays'),
        ("rnn", {"h0": np.ones((3, 2))}, ShapeError, r"h0 has 2 axes \(3, 2\) but must be \(2 N H\)"),
        ("rnn", {"b": np.ones((1, 2))}, ShapeError, "b does not fit h0: 2 is 2 in h0"),
        ("rnn", {"mask": np.ones((4, 3))}, ShapeError, r"mask is \(4, 3\) but must be \(3, 4\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(layer, change, error, message):
    with pytest.raises(error, match=message):
        bidirectional_forward(**draw_arrays(layer) | {"layer": layer} | change)


def test_arrays_for_another_number_of_directions_are_refused():
    arrays = {name: a if name == "x" else a[:1] for name, a in draw_arrays("rnn").items()}
    with pytest.raises(ShapeError, match=r"bidirectional_forward: the first axis must be 2.*h0 \(1, 3, 2\)"):
        bidirectional_forward(**arrays, layer="rnn")


def test_an_upstream_gradient_of_another_shape_is_refused():
    out, cache = bidirectional_forward(**draw_arrays("rnn"), layer="rnn")
    with pytest.raises(ShapeError, match=r"bidirectional_backward: dout is \(3, 4, 2\) but .* \(3, 4, 4\)"):
        bidirectional_backward(out[:, :, :2], cache)
