import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import InputError, ShapeError
from minicap.layers.soft_attention import (
    doubly_stochastic_loss,
    soft_attention_backward,
    soft_attention_forward,
    soft_attention_step_backward,
    soft_attention_step_forward,
)


def draw_arrays(N=2, L=4, gated=True, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"features": (N, L, 3), "h": (N, 6), "Wf": (3, 5), "Wh": (6, 5), "b": (5,), "v": (5,)}
    gate = {"w_beta": (6, 1), "b_beta": (1,)} if gated else {}
    return {name: rng.normal(size=shape) for name, shape in (shapes | gate).items()}


def close(ours, theirs):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-9 * max(1, np.abs(theirs).max())


def test_a_gate_that_is_shut_hides_the_image():
    arrays = draw_arrays()
    arrays["w_beta"][:], arrays["b_beta"][:] = 0, -1e3
    context, weights, _ = soft_attention_forward(**arrays)
    assert (context == 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_a_half_open_gate_halves_the_context_and_is_opened_by_what_it_holds_back():
    arrays = draw_arrays()
    arrays["w_beta"][:], arrays["b_beta"][:] = 0, 0
    gated, _, cache = soft_attention_forward(**arrays)
    plain = {name: array for name, array in arrays.items() if "beta" not in name}
    context, _, plain_cache = soft_attention_forward(**plain)
    close(gated, context / 2)
    *gradients, dw_beta, db_beta = soft_attention_backward(np.ones((2, 3)), None, cache)
    *plain_gradients, _, _ = soft_attention_backward(np.full((2, 3), 0.5), None, plain_cache)
    for gradient, expected in zip(gradients, plain_gradients, strict=True):
        close(gradient, expected)
    da = context.sum(axis=1, keepdims=True) / 4  # the sigmoid's slope at zero is 1/4
    close(dw_beta, arrays["h"].T @ da)
    close(db_beta, da.sum(axis=0))


@settings(max_examples=40)
@given(data=st.data())
def test_soft_attention_equals_its_equations_in_pytorch(data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    N, L, gated = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5)), data.draw(st.booleans())
    arrays = draw_arrays(N, L, gated, seed=data.draw(st.integers(0, 99)))
    mask = np.arange(L) < data.draw(st.integers(1, L))
    mask = np.broadcast_to(mask, (N, L)) if data.draw(st.booleans()) else None
    rng = np.random.default_rng(1)
    dcontext, dweights = rng.normal(size=(N, 3)), rng.normal(size=(N, L))
    context, weights, cache = soft_attention_forward(**arrays, mask=mask)

    ours = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    features, h, Wf, Wh, b, v, *gate = ours.values()
    e = torch.stack([torch.tanh(features[:, i] @ Wf + h @ Wh + b) @ v for i in range(L)], dim=1)
    if mask is not None:
        e = e.masked_fill(~torch.tensor(mask.copy()), -torch.inf)
    alpha = torch.softmax(e, dim=1)
    z = torch.einsum("nl,nld->nd", alpha, features)
    if gated:
        z = torch.sigmoid(h @ gate[0] + gate[1]) * z
    ((z * torch.tensor(dcontext)).sum() + (alpha * torch.tensor(dweights)).sum()).backward()

    close(context, z.detach())
    close(weights, alpha.detach())
    gradients = soft_attention_backward(dcontext, dweights, cache)
    assert len(gradients) == 8
    assert gated or gradients[6:] == (None, None)
    for gradient, array in zip(gradients, ours.values(), strict=False):
        close(gradient, array.grad)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("mask", [None, np.array([[1, 1, 1, 0], [1, 0, 1, 1]], dtype=bool)])
def test_a_step_with_the_keys_given_is_soft_attention(gated, mask):
    arrays, rng = draw_arrays(gated=gated), np.random.default_rng(1)
    dcontext, dweights = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    context, weights, cache = soft_attention_forward(**arrays, mask=mask)
    dfeatures, dh, dWf, *others = soft_attention_backward(dcontext, dweights, cache)

    features, Wf = arrays["features"], arrays.pop("Wf")
    step_context, step_weights, step_cache = soft_attention_step_forward(
        **arrays, keys=features @ Wf, mask=mask
    )
    dseen, dkeys, dquery, *step_others = soft_attention_step_backward(dcontext, dweights, step_cache)
    close(step_context, context)
    close(step_weights, weights)
    close(dseen + dkeys @ Wf.T, dfeatures)
    close(features.reshape(-1, 3).T @ dkeys.reshape(-1, 5), dWf)
    close(dquery, dh)
    for ours, theirs in zip(step_others, others, strict=True):
        assert ours is theirs is None or not np.abs(ours - theirs).max() > 1e-12
    unseen, *rest = soft_attention_step_backward(dcontext, dweights, step_cache, input_gradient=False)
    assert unseen is None
    close(rest[0], dkeys)


@pytest.mark.parametrize("gated", [True, False])
def test_float32_stays_float32(gated):
    arrays = {name: a.astype(np.float32) for name, a in draw_arrays(gated=gated).items()}
    context, weights, cache = soft_attention_forward(**arrays, mask=np.ones((2, 4), dtype=bool))
    gradients = soft_attention_backward(context, weights, cache)
    loss, dweights = doubly_stochastic_loss(np.ones((2, 3, 4), dtype=np.float32), np.ones((2, 3), dtype=bool))
    gradients = [gradient for gradient in gradients if gradient is not None]
    assert {a.dtype for a in (context, weights, *gradients, loss, dweights)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.ones((2, 4, 2))}, "Wf does not fit features: D is 2"),
        ({"h": np.ones((3, 6))}, "h does not fit features: N is 2"),
        ({"w_beta": np.ones((6, 2)), "b_beta": np.ones(2)}, r"the gate needs w_beta \(H, 1\)"),
        ({"b_beta": None}, r"the gate needs w_beta \(H, 1\) and b_beta \(1,\), or neither"),
        ({"w_beta": np.ones((5, 1))}, "w_beta does not fit h: H is 6"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ShapeError, match=f"soft_attention_forward: {message}"):
        soft_attention_forward(**draw_arrays() | change)


def test_keys_and_gates_that_do_not_fit_a_step_are_refused():
    arrays = {name: array for name, array in draw_arrays().items() if name != "Wf"}
    with pytest.raises(ShapeError, match="soft_attention_step_forward: keys does not fit features: L is 4"):
        soft_attention_step_forward(**arrays, keys=np.ones((2, 3, 5)))
    with pytest.raises(ShapeError, match="soft_attention_step_forward: the gate needs"):
        soft_attention_step_forward(**arrays | {"b_beta": None}, keys=np.ones((2, 4, 5)))


def test_an_upstream_gradient_of_another_shape_is_refused():
    _, weights, cache = soft_attention_forward(**draw_arrays())
    with pytest.raises(ShapeError, match=r"soft_attention_backward: dcontext is \(3, 2\) but .* \(2, 3\)"):
        soft_attention_backward(np.ones((3, 2)), weights, cache)


def test_the_penalty_vanishes_when_every_place_is_looked_at_once():
    loss, dweights = doubly_stochastic_loss(np.full((2, 4, 4), 0.25))
    assert loss == 0
    assert (dweights == 0).all()


def test_the_penalty_on_hand_computed_numbers():
    weights = np.array([[[1.0, 0], [0.5, 0.5]], [[0.25, 0.75], [9, 9]]])
    mask = np.array([[1, 1], [1, 0]], dtype=bool)
    losses, dweights = doubly_stochastic_loss(weights, mask, reduction="none")
    np.testing.assert_array_equal(losses, [0.5**2 + 0.5**2, 0.75**2 + 0.25**2])
    np.testing.assert_array_equal(dweights, [[[1, -1], [1, -1]], [[-1.5, -0.5], [0, 0]]])


def test_the_mean_is_over_the_batch():
    weights = np.random.default_rng(0).uniform(size=(3, 2, 4))
    losses, gradient = doubly_stochastic_loss(weights, reduction="none")
    for reduction, scale in (("sum", 1), ("mean", 1 / 3)):
        loss, dweights = doubly_stochastic_loss(weights, reduction=reduction)
        np.testing.assert_allclose(loss, scale * losses.sum(), rtol=1e-14)
        np.testing.assert_allclose(dweights, scale * gradient, rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones((2, 3)),), ShapeError, r"weights has 2 axes \(2, 3\) but must be \(N T L\)"),
        ((np.ones((2, 3, 4)), np.ones((2, 4))), ShapeError, r"mask is \(2, 4\) but must be \(2, 3\)"),
        ((np.ones((2, 3, 4)), None, "max"), InputError, "reduction is 'max'"),
    ],
)
def test_a_penalty_that_cannot_be_computed_is_refused(arguments, error, message):
    with pytest.raises(error, match=f"doubly_stochastic_loss: {message}"):
        doubly_stochastic_loss(*arguments)
