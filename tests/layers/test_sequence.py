"""What holds for rnn, lstm and gru alike."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap import layers
from minicap.arrays import textbook
from minicap.errors import BackendMismatch, DtypeError, ShapeError


class Kind(NamedTuple):
    """One of the recurrent layers, in one of its variants."""

    layer: str
    gates: int
    options: dict
    torch_class: str | None  # None where PyTorch has no such layer
    torch_order: tuple[int, ...]  # which of our blocks stands at each place of PyTorch's
    torch_options: dict


KINDS = {
    "rnn tanh": Kind("rnn", 1, {}, "RNN", (0,), {"nonlinearity": "tanh"}),
    "rnn relu": Kind("rnn", 1, {"activation": "relu"}, "RNN", (0,), {"nonlinearity": "relu"}),
    "lstm": Kind("lstm", 4, {}, "LSTM", (0, 1, 3, 2), {}),
    "gru": Kind("gru", 3, {}, "GRU", (0, 1, 2), {}),
    "gru, reset before": Kind("gru", 3, {"reset_after": False}, None, (), {}),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
pytorch_kinds = pytest.mark.parametrize(
    "kind", [k for k in KINDS.values() if k.torch_class], ids=[n for n, k in KINDS.items() if k.torch_class]
)


def function(kind, ending):
    return getattr(layers, f"{kind.layer}_{ending}")


def draw_arrays(kind, N, T, D, H, seed=0, c0=False):
    """The float arrays of the sequence form, in the order of its signature."""
    rng = np.random.default_rng(seed)
    G = kind.gates * H
    arrays = {
        "x": rng.normal(size=(N, T, D)),
        "h0": rng.normal(size=(N, H)),
        "Wx": rng.normal(size=(D, G)),
        "Wh": rng.normal(size=(H, G)),
        "b": rng.normal(size=G),
    }
    if kind.layer == "gru":
        arrays["bh"] = rng.normal(size=G)
    if kind.layer == "lstm" and c0:
        arrays["c0"] = rng.normal(size=(N, H))
    return arrays


def forward_and_backward(kind, arrays, dh, **options):
    h, cache = function(kind, "forward")(**arrays, **kind.options, **options)
    return h, function(kind, "backward")(dh, cache)


def mask_of(lengths, T):
    return np.arange(T) < np.asarray(lengths)[:, None]


def close(ours, theirs):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-9 * max(1e-8, np.abs(theirs).max())


@pytorch_kinds
@settings(max_examples=25)
@given(data=st.data())
def test_sequences_of_any_length_equal_pytorch(kind, data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    N, T, D, H = (data.draw(st.integers(1, 5), label=name) for name in "NTDH")
    packed, c0 = data.draw(st.booleans(), label="packed"), data.draw(st.booleans(), label="c0")
    arrays = draw_arrays(kind, N, T, D, H, seed=data.draw(st.integers(0, 99)), c0=c0)
    # pack_padded_sequence wants one sequence to be T long, and none empty.
    lengths = [T, *(data.draw(st.integers(1, T)) for _ in range(N - 1))] if packed else [T] * N
    mask = mask_of(lengths, T)
    rng = np.random.default_rng(1)
    dh, dlast = rng.normal(size=(N, T, H)) * mask[:, :, None], rng.normal(size=(N, H))

    # The last state of a short sequence is carried to the end, so its gradient enters there.
    dh_ours = dh.copy()
    dh_ours[:, -1] += dlast
    h, gradients = forward_and_backward(kind, arrays, dh_ours, **({"mask": mask} if packed else {}))

    if kind.layer == "lstm" and not c0:
        arrays["c0"] = np.zeros((N, H))
    ours = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    module = getattr(torch.nn, kind.torch_class)(D, H, batch_first=True, **kind.torch_options).double()
    zeros = torch.zeros(kind.gates * H, dtype=torch.float64)

    def reordered(a):  # our last axis to PyTorch's first
        blocks = a.movedim(-1, 0).reshape(kind.gates, H, *a.shape[:-1])
        return blocks[list(kind.torch_order)].reshape(kind.gates * H, *a.shape[:-1])

    theirs = {"weight_ih": ours["Wx"], "weight_hh": ours["Wh"], "bias_ih": ours["b"]}
    theirs["bias_hh"] = ours.get("bh", zeros)
    weights = {f"{name}_l0": reordered(a) for name, a in theirs.items()}
    states = ours["h0"][None]
    if kind.layer == "lstm":
        states = (states, ours["c0"][None])
    x = ours["x"]
    if packed:
        x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    out, last = torch.func.functional_call(module, weights, (x, states))
    if packed:
        out, _ = torch.nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
    last = (last[0] if kind.layer == "lstm" else last)[0]
    ((out * torch.tensor(dh)).sum() + (last * torch.tensor(dlast)).sum()).backward()

    close(h * mask[:, :, None], out.detach())
    close(h[:, -1], last.detach())
    assert len(gradients) == len(ours)
    for gradient, array in zip(gradients, ours.values(), strict=True):
        close(gradient, array.grad)


@every_kind
def test_the_sequence_form_is_the_step_form_repeated(kind):
    N, T, D, H = 3, 4, 5, 2
    arrays = draw_arrays(kind, N, T, D, H, c0=True)
    x, states = arrays.pop("x"), [arrays.pop(name) for name in ("h0", "c0") if name in arrays]
    dh = np.random.default_rng(1).normal(size=(N, T, H))
    h, gradients = forward_and_backward(kind, draw_arrays(kind, N, T, D, H, c0=True), dh)

    caches = []
    for t in range(T):
        *states, cache = function(kind, "step_forward")(x[:, t], *states, **arrays, **kind.options)
        close(h[:, t], states[0])
        caches.append(cache)

    dstates, dweights, dx = [np.zeros((N, H)) for _ in states], [0] * len(arrays), np.empty_like(x)
    for t in reversed(range(T)):
        dstates[0] = dstates[0] + dh[:, t]
        dx[:, t], *rest = function(kind, "step_backward")(*dstates, caches[t])
        dstates = rest[: len(states)]
        dweights = [total + new for total, new in zip(dweights, rest[len(states) :], strict=True)]
    for ours, expected in zip(gradients, [dx, dstates[0], *dweights, *dstates[1:]], strict=True):
        close(ours, expected)


@every_kind
def test_a_masked_step_changes_no_state_and_sends_no_gradient_to_its_input(kind):
    mask = np.array([[1, 0, 1, 0], [0, 1, 1, 1]], dtype=bool)
    arrays = draw_arrays(kind, 2, 4, 3, 5)
    h, (dx, *_) = forward_and_backward(kind, arrays, np.ones((2, 4, 5)), mask=mask)
    np.testing.assert_array_equal(h[0, 1], h[0, 0])
    np.testing.assert_array_equal(h[0, 3], h[0, 2])
    np.testing.assert_array_equal(h[1, 0], arrays["h0"][1])
    assert (dx[~mask] == 0).all()
    assert (dx[mask] != 0).any()


@every_kind
def test_what_stands_on_the_padding_does_not_matter(kind):
    mask = mask_of([4, 1, 3], 4)
    arrays, dh = draw_arrays(kind, 3, 4, 2, 5), np.random.default_rng(1).normal(size=(3, 4, 5))
    h, gradients = forward_and_backward(kind, arrays, dh, mask=mask)
    arrays["x"][~mask] = 1e3
    h_other, gradients_other = forward_and_backward(kind, arrays, dh, mask=mask)
    np.testing.assert_array_equal(h_other, h)
    for one, other in zip(gradients, gradients_other, strict=True):
        np.testing.assert_array_equal(one, other)


@every_kind
def test_a_mask_of_ones_changes_nothing(kind):
    arrays, dh = draw_arrays(kind, 3, 4, 2, 5), np.random.default_rng(1).normal(size=(3, 4, 5))
    with textbook():  # a faster pair may take the call without a mask, and differ by rounding
        h, gradients = forward_and_backward(kind, arrays, dh)
    for ones in (np.ones((3, 4)), np.ones((3, 4), dtype=bool)):
        h_masked, gradients_masked = forward_and_backward(kind, arrays, dh, mask=ones)
        np.testing.assert_array_equal(h_masked, h)
        for one, other in zip(gradients, gradients_masked, strict=True):
            np.testing.assert_array_equal(one, other)


@every_kind
@pytest.mark.parametrize("mask", [None, np.array([[1, 1, 0], [1, 1, 1]], dtype=bool)])
def test_float32_stays_float32_and_agrees_with_float64(kind, mask):
    arrays, dh = draw_arrays(kind, 2, 3, 4, 5, c0=True), np.ones((2, 3, 5))
    h64, gradients64 = forward_and_backward(kind, arrays, dh, mask=mask)
    arrays32 = {name: a.astype(np.float32) for name, a in arrays.items()}
    h32, gradients32 = forward_and_backward(kind, arrays32, dh.astype(np.float32), mask=mask)
    for single, double in zip((h32, *gradients32), (h64, *gradients64), strict=True):
        assert (single.dtype, double.dtype) == (np.float32, np.float64)
        np.testing.assert_allclose(single, double, rtol=1e-3, atol=2e-5 * np.abs(double).max())


@every_kind
def test_strides_do_not_change_the_result(kind):
    arrays, dh = draw_arrays(kind, 2, 3, 4, 5, c0=True), np.ones((2, 3, 5))
    odd = {name: np.repeat(np.asfortranarray(a), 2, axis=-1)[..., ::2] for name, a in arrays.items()}
    dh_odd = np.broadcast_to(1.0, dh.shape)
    h, gradients = forward_and_backward(kind, arrays, dh)
    h_odd, gradients_odd = forward_and_backward(kind, odd, dh_odd)
    for one, other in zip((h, *gradients), (h_odd, *gradients_odd), strict=True):
        close(one, other)


@every_kind
def test_sequences_of_one_step_and_batches_of_one_keep_their_axes(kind):
    arrays = draw_arrays(kind, 1, 1, 1, 1, c0=True)
    h, gradients = forward_and_backward(kind, arrays, np.ones((1, 1, 1)))
    assert h.shape == (1, 1, 1)
    assert [g.shape for g in gradients] == [a.shape for a in arrays.values()]


ERRORS = [
    ({"x": np.ones((3, 4))}, ShapeError, r"x has 2 axes \(3, 4\) but must be \(N T D\)"),
    ({"x": np.ones((3, 0, 4))}, ShapeError, r"x is empty \(3, 0, 4\)"),
    ({"x": np.ones((3, 2, 4), dtype=int)}, DtypeError, "x is int64 but must be float32 or float64"),
    ({"x": np.ones((3, 2, 4), dtype=np.float16)}, DtypeError, "x is float16"),
    ({"h0": np.ones((4, 5))}, ShapeError, "h0 does not fit x: N is 3 in x .* but 4 in h0"),
    ({"h0": np.ones((3, 5), dtype=np.float32)}, DtypeError, "x is float64 but h0 is float32"),
    ({"h0": [[0.0]]}, BackendMismatch, "h0 is a list"),
    ({"mask": np.ones((2, 3))}, ShapeError, r"mask is \(2, 3\) but must be \(3, 2\)"),
    ({"mask": np.ones((3, 2), dtype=int)}, DtypeError, "mask is int64"),
]


@every_kind
@pytest.mark.parametrize(("change", "error", "message"), ERRORS)
def test_arrays_that_do_not_fit_are_refused(kind, change, error, message):
    arrays = draw_arrays(kind, 3, 2, 4, 5) | change
    name = "" if error is BackendMismatch else f"{kind.layer}_forward: "
    with pytest.raises(error, match=name + message):
        function(kind, "forward")(**arrays, **kind.options)


@every_kind
def test_recurrent_weights_with_another_number_of_blocks_are_refused(kind):
    arrays = draw_arrays(kind, 3, 2, 4, 5)
    for name in ("Wx", "Wh", "b", "bh"):
        if name in arrays:
            arrays[name] = arrays[name][..., 1:]
    if kind.layer == "rnn":
        arrays["b"] = np.ones(5)  # whose letter is H
        arrays["Wx"] = np.ones((4, 5))
    message = (
        rf"{kind.layer}_forward: Wh must be \(5, {5 * kind.gates}\): H rows and {kind.gates} x H columns"
    )
    with pytest.raises(ShapeError, match=message):
        function(kind, "forward")(**arrays, **kind.options)


@every_kind
def test_upstream_gradients_of_another_shape_are_refused(kind):
    arrays = draw_arrays(kind, 3, 2, 4, 5)
    with pytest.raises(ShapeError, match=rf"{kind.layer}_backward: dh is \(2, 3, 5\) but .* \(3, 2, 5\)"):
        forward_and_backward(kind, arrays, np.ones((2, 3, 5)))

    x, h0 = arrays.pop("x"), arrays.pop("h0")
    states = [h0, h0] if kind.layer == "lstm" else [h0]
    *outs, cache = function(kind, "step_forward")(x[:, 0], *states, **arrays, **kind.options)
    for wrong in range(len(outs)):
        douts = [np.ones((5, 3)) if k == wrong else out for k, out in enumerate(outs)]
        with pytest.raises(ShapeError, match=rf"step_backward: dnext_{'hc'[wrong]} is \(5, 3\)"):
            function(kind, "step_backward")(*douts, cache)


@every_kind
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": np.ones((3, 2, 4))}, ShapeError, r"x has 3 axes .* must be \(N D\)"),
        ({"prev_h": np.ones((2, 5))}, ShapeError, "prev_h does not fit x"),
        ({"Wh": np.ones((5, 2))}, ShapeError, "Wh"),
        ({"b": np.ones(5, dtype=np.float32)}, DtypeError, "float64 but b is float32"),
    ],
)
def test_a_step_refuses_arrays_that_do_not_fit(kind, change, error, message):
    arrays = draw_arrays(kind, 3, 2, 4, 5)
    arrays["x"], arrays["prev_h"] = arrays["x"][:, 0], arrays.pop("h0")
    if kind.layer == "lstm":
        arrays["prev_c"] = np.ones((3, 5))
    with pytest.raises(error, match=f"{kind.layer}_step_forward: .*{message}"):
        function(kind, "step_forward")(**arrays | change, **kind.options)
