import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap import layers
from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers.attention import (
    additive_attention_backward,
    additive_attention_forward,
    dot_product_attention_backward,
    dot_product_attention_forward,
    multi_head_attention_backward,
    multi_head_attention_forward,
)

NAMES = ["additive_attention", "dot_product_attention", "multi_head_attention"]


def draw_arrays(name, N=2, T=3, S=4, heads=2, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {
        "additive_attention": {"h": (N, S, 3), "d": (N, 6), "W1": (3, 5), "W2": (6, 5), "b": (5,), "v": (5,)},
        "dot_product_attention": {"q": (N, T, 5), "k": (N, S, 5), "v": (N, S, 6)},
        "multi_head_attention": {
            "q": (N, T, 2 * heads), "k": (N, S, 5), "v": (N, S, 3), "Wq": (2 * heads, 2 * heads),
            "Wk": (5, 2 * heads), "Wv": (3, 2 * heads), "Wo": (2 * heads, 2 * heads),
        },
    }[name]  # fmt: skip
    options = {"heads": heads} if name == "multi_head_attention" else {}
    return {argument: rng.normal(size=shape) for argument, shape in shapes.items()}, options


def draw_mask(data, *shape):
    """A mask with at least one place to go in every row, or None."""
    if data.draw(st.booleans(), label="masked"):
        bits = data.draw(st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        mask = np.array(bits).reshape(shape)
        mask[..., 0] = True
        return mask
    return None


def close(ours, theirs, scale=1.0):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-9 * max(scale, np.abs(theirs).max())


def test_dot_product_attention_on_hand_computed_numbers():
    q, k = np.array([[[2.0]]]), np.array([[[0.0], [np.log(3) / 2]]])
    context, weights, _ = dot_product_attention_forward(q, k, np.array([[[10.0], [20.0]]]))
    np.testing.assert_allclose(weights, [[[0.25, 0.75]]])
    np.testing.assert_allclose(context, [[[17.5]]])


@pytest.mark.parametrize("multi_head", [False, True])
def test_dot_product_gradients_on_hand_computed_numbers(multi_head):
    log3, one = np.log(3), np.ones((1, 1))
    q, k, v = np.array([[[2.0]]]), np.array([[[0.0], [log3 / 2]]]), np.array([[[10.0], [20.0]]])
    if multi_head:  # one head, with projections by 1
        _, weights, cache = multi_head_attention_forward(q, k, v, one, one, one, one, heads=1)
        backward = multi_head_attention_backward
    else:
        _, weights, cache = dot_product_attention_forward(q, k, v)
        backward = dot_product_attention_backward
    # The weights are 1/4 and 3/4, their gradients v, so those of the scores 1/4 (10 - 17.5), 3/4 (20 - 17.5).
    dq, dk, dv, *_ = backward(np.ones((1, 1, 1)), None, cache)
    np.testing.assert_allclose(dq, [[[1.875 * log3 / 2]]])
    np.testing.assert_allclose(dk, [[[-1.875 * 2], [1.875 * 2]]])
    np.testing.assert_allclose(dv, [[[0.25], [0.75]]])
    # With a gradient of 1 at the first weight too, the scores get 1/4 (1 - 1/4) and 3/4 (0 - 1/4) more.
    dweights = np.array([1.0, 0.0]).reshape(weights.shape)
    _, dk, _, *_ = backward(np.ones((1, 1, 1)), dweights, cache)
    np.testing.assert_allclose(dk, [[[-1.6875 * 2], [1.6875 * 2]]])


def test_additive_attention_on_hand_computed_numbers():
    x, v, one = np.log(3) / 2, 2 * np.log(3), np.ones((1, 1))  # tanh(x) is 1/2, so the scores are 0 and log 3
    h, d = np.array([[[0.0], [x]]]), np.zeros((1, 1))
    context, weights, cache = additive_attention_forward(h, d, one, one, np.zeros(1), np.array([v]))
    np.testing.assert_allclose(weights, [[0.25, 0.75]])
    np.testing.assert_allclose(context, [[0.75 * x]])
    # dweights is h, so the scores get -3/16 x and 3/16 x; before tanh that is times v, and times 3/4 at 1/2.
    dh, dd, dW1, dW2, db, dv = additive_attention_backward(one, None, cache)
    np.testing.assert_allclose(dh, [[[0.25 - 3 / 16 * x * v], [0.75 + 9 / 64 * x * v]]])
    np.testing.assert_allclose(dd, [[-3 / 64 * x * v]])
    np.testing.assert_allclose(dW1, [[9 / 64 * x**2 * v]])
    np.testing.assert_allclose(dW2, [[0]])
    np.testing.assert_allclose(db, [-3 / 64 * x * v])
    np.testing.assert_allclose(dv, [3 / 32 * x])


def test_equal_scores_share_attention_equally_and_the_context_is_the_mean():
    arrays, _ = draw_arrays("additive_attention")
    arrays["v"][:] = 0
    context, weights, _ = additive_attention_forward(**arrays)
    np.testing.assert_allclose(weights, np.full((2, 4), 0.25))
    np.testing.assert_allclose(context, arrays["h"].mean(axis=1))


@settings(max_examples=40)
@given(data=st.data())
def test_additive_attention_equals_its_equations_in_pytorch(data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    N, S = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    arrays, _ = draw_arrays("additive_attention", N, S=S, seed=data.draw(st.integers(0, 99)))
    mask = draw_mask(data, N, S)
    rng = np.random.default_rng(1)
    dcontext, dweights = rng.normal(size=(N, 3)), rng.normal(size=(N, S))
    context, weights, cache = additive_attention_forward(**arrays, mask=mask)

    ours = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    h, d, W1, W2, b, v = ours.values()
    scores = torch.stack([torch.tanh(h[:, i] @ W1 + d @ W2 + b) @ v for i in range(S)], dim=1)
    if mask is not None:
        scores = scores.masked_fill(~torch.tensor(mask), -torch.inf)
    a = torch.softmax(scores, dim=1)
    c = sum(a[:, i, None] * h[:, i] for i in range(S))
    ((c * torch.tensor(dcontext)).sum() + (a * torch.tensor(dweights)).sum()).backward()

    close(context, c.detach())
    close(weights, a.detach())
    for gradient, array in zip(
        additive_attention_backward(dcontext, dweights, cache), ours.values(), strict=True
    ):
        close(gradient, array.grad)


@settings(max_examples=40)
@given(data=st.data())
def test_dot_product_attention_equals_pytorch(data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    N, T, S = (data.draw(st.integers(1, 4)) for _ in range(3))
    arrays, _ = draw_arrays("dot_product_attention", N, T, S, seed=data.draw(st.integers(0, 99)))
    scaled, over_keys = data.draw(st.booleans()), data.draw(st.booleans())
    mask = draw_mask(data, N, S) if over_keys else draw_mask(data, N, T, S)
    dcontext = np.random.default_rng(1).normal(size=(N, T, 6))
    context, _, cache = dot_product_attention_forward(**arrays, mask=mask, scaled=scaled)

    ours = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    theirs_mask = None if mask is None else torch.tensor(mask[:, None] if over_keys else mask)
    expected = torch.nn.functional.scaled_dot_product_attention(
        *ours.values(), attn_mask=theirs_mask, scale=None if scaled else 1.0
    )
    expected.backward(torch.tensor(dcontext))

    close(context, expected.detach())
    for gradient, array in zip(
        dot_product_attention_backward(dcontext, None, cache), ours.values(), strict=True
    ):
        close(gradient, array.grad)


@settings(max_examples=40)
@given(data=st.data())
def test_multi_head_attention_equals_pytorch(data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    N, T, S, heads = (data.draw(st.integers(1, 4)) for _ in range(4))
    arrays, _ = draw_arrays("multi_head_attention", N, T, S, heads, seed=data.draw(st.integers(0, 99)))
    mask = draw_mask(data, N, T, S)
    rng = np.random.default_rng(1)
    dout, dweights = rng.normal(size=(N, T, 2 * heads)), rng.normal(size=(N, heads, T, S))
    out, weights, cache = multi_head_attention_forward(**arrays, heads=heads, mask=mask)

    ours = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    module = torch.nn.MultiheadAttention(
        2 * heads, heads, bias=False, kdim=5, vdim=3, batch_first=True, dtype=torch.float64
    )
    # PyTorch stores weights (out, in), and its mask says where attention must not go, once for every head.
    places = {"q_proj_weight": "Wq", "k_proj_weight": "Wk", "v_proj_weight": "Wv", "out_proj.weight": "Wo"}
    forbidden = None if mask is None else ~torch.tensor(mask).repeat_interleave(heads, dim=0)
    expected, a = torch.func.functional_call(
        module,
        {theirs: ours[name].T for theirs, name in places.items()},
        (ours["q"], ours["k"], ours["v"]),
        {"attn_mask": forbidden, "average_attn_weights": False},
    )
    ((expected * torch.tensor(dout)).sum() + (a * torch.tensor(dweights)).sum()).backward()

    close(out, expected.detach())
    close(weights, a.detach())
    for gradient, array in zip(
        multi_head_attention_backward(dout, dweights, cache), ours.values(), strict=True
    ):
        close(gradient, array.grad)


def run(name, arrays, options):
    """Outputs and gradients for upstream gradients of ones and twos."""
    out, weights, cache = getattr(layers, f"{name}_forward")(**arrays, **options)
    backward = getattr(layers, f"{name}_backward")
    return out, weights, *backward(np.ones_like(out), 2 * np.ones_like(weights) * weights, cache)


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_through_the_weights_is_the_same_as_a_zero_one(name):
    arrays, options = draw_arrays(name)
    out, weights, cache = getattr(layers, f"{name}_forward")(**arrays, **options)
    backward = getattr(layers, f"{name}_backward")
    given = backward(out, np.zeros_like(weights), cache)
    for one, other in zip(backward(out, None, cache), given, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_masked_places_get_no_weight_and_leave_no_trace(name):
    arrays, options = draw_arrays(name)
    options["mask"] = np.array([[1, 1, 0, 1], [0, 1, 0, 0]], dtype=bool)
    _, weights, *gradients = before = run(name, arrays, options)
    hidden = np.broadcast_to(~options["mask"][:, None], (2, 3, 4)) if weights.ndim > 2 else ~options["mask"]
    hidden = np.broadcast_to(hidden[:, None], weights.shape) if weights.ndim == 4 else hidden
    assert (weights[hidden] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-12)

    keys = ("h",) if name == "additive_attention" else ("k", "v")
    for key, gradient in zip(arrays, gradients, strict=True):
        if key in keys:
            assert (gradient[~options["mask"]] == 0).all()
            arrays[key] = arrays[key] + 1e3 * ~options["mask"][:, :, None]
    for one, other in zip(run(name, arrays, options), before, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_where_attention_may_go_nowhere_everything_is_zero_and_nothing_is_nan(name):
    arrays, options = draw_arrays(name)
    out, weights, *gradients = run(name, arrays, options | {"mask": np.zeros((2, 4))})
    assert (out == 0).all()
    assert (weights == 0).all()
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_large_scores_do_not_overflow(name):
    arrays, options = draw_arrays(name)
    scaled = {key: 1e4 * a for key, a in arrays.items()}
    for mask in (None, np.array([[1, 1, 0, 1], [0, 1, 0, 0]], dtype=bool)):
        assert all(np.isfinite(a).all() for a in run(name, scaled, options | {"mask": mask}))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mask", [None, np.array([[1, 1, 0, 1], [0, 1, 0, 0]], dtype=bool)])
def test_float32_stays_float32_and_agrees_with_float64(name, mask):
    arrays, options = draw_arrays(name)
    options["mask"] = mask
    double = run(name, arrays, options)
    single = run(name, {key: a.astype(np.float32) for key, a in arrays.items()}, options)
    for a32, a64 in zip(single, double, strict=True):
        assert (a32.dtype, a64.dtype) == (np.float32, np.float64)
        np.testing.assert_allclose(a32, a64, rtol=1e-4, atol=1e-5 * np.abs(double[2]).max())


@pytest.mark.parametrize("name", NAMES)
def test_strides_do_not_change_the_result(name):
    arrays, options = draw_arrays(name)
    odd = {key: np.repeat(np.asfortranarray(a), 2, axis=0)[::2] for key, a in arrays.items()}
    for one, other in zip(run(name, odd, options), run(name, arrays, options), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "change", "error", "message"),
    [
        ("additive_attention", {"h": np.ones((2, 3))}, ShapeError, r"h has 2 axes \(2, 3\)"),
        ("additive_attention", {"d": np.ones((3, 6))}, ShapeError, "d does not fit h: N is 2"),
        ("additive_attention", {"W2": np.ones((6, 4))}, ShapeError, "W2 does not fit W1: A is 5"),
        ("additive_attention", {"mask": np.ones((4, 2))}, ShapeError, r"mask is \(4, 2\) .* \(2, 4\)"),
        ("additive_attention", {"mask": np.ones((2, 4), int)}, DtypeError, "mask is int64"),
        ("dot_product_attention", {"k": np.ones((2, 4, 6))}, ShapeError, "k does not fit q: D is 5"),
        ("dot_product_attention", {"v": np.ones((2, 3, 6))}, ShapeError, "v does not fit k: S is 4"),
        (
            "dot_product_attention",
            {"q": np.ones((2, 3, 5), "f")},
            DtypeError,
            "q is float32 but k is float64",
        ),
        ("dot_product_attention", {"mask": np.ones((3, 4))}, ShapeError, r"mask is \(3, 4\) .* \(2, 4\)"),
        ("dot_product_attention", {"mask": np.ones((2, 4, 3))}, ShapeError, r"mask is .* \(2, 3, 4\)"),
        ("multi_head_attention", {"Wk": np.ones((4, 4))}, ShapeError, "Wk does not fit k: K is 5"),
        ("multi_head_attention", {"Wo": np.ones((3, 4))}, ShapeError, "Wo does not fit Wv: P is 4"),
        ("multi_head_attention", {"heads": 3}, ShapeError, r"heads must divide the columns \(heads 3"),
        ("multi_head_attention", {"heads": 0}, InputError, "heads is 0 but must be an integer of at least 1"),
        ("multi_head_attention", {"v": np.ones((2, 0, 3))}, ShapeError, "v does not fit k: S is 4"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, change, error, message):
    arrays, options = draw_arrays(name)
    with pytest.raises(error, match=f"{name}_forward: {message}"):
        getattr(layers, f"{name}_forward")(**arrays | options | change)


@pytest.mark.parametrize("name", NAMES)
def test_upstream_gradients_of_another_shape_are_refused(name):
    arrays, options = draw_arrays(name)
    out, weights, cache = getattr(layers, f"{name}_forward")(**arrays, **options)
    backward = getattr(layers, f"{name}_backward")
    with pytest.raises(ShapeError, match=rf"{name}_backward: (dcontext|dout) is \(1, 1\)"):
        backward(np.ones((1, 1)), weights, cache)
    with pytest.raises(ShapeError, match=rf"{name}_backward: dweights is \(1, 1\)"):
        backward(out, np.ones((1, 1)), cache)
