import numpy as np
import pytest

from minicap import layers
from minicap.gradcheck import check_model
from minicap.nn import AdditiveAttention, DotProductAttention, MultiHeadAttention, SoftAttention

# Each module, and the shapes of what it reads.
MODULES = [
    (AdditiveAttention(4, 3, 5), ((2, 6, 4), (2, 3))),
    (SoftAttention(4, 3, 5), ((2, 6, 4), (2, 3))),
    (DotProductAttention(), ((2, 3, 4), (2, 5, 4), (2, 5, 6))),
    (DotProductAttention(scaled=False), ((2, 3, 4),)),
    (MultiHeadAttention(4, heads=2), ((2, 3, 4), (2, 5, 4), (2, 5, 4))),
    (MultiHeadAttention(4, heads=2), ((2, 3, 4),)),
]
NAMES = [f"{module!r} of {len(shapes)}" for module, shapes in MODULES]


@pytest.mark.parametrize(("module", "shapes"), MODULES, ids=NAMES)
def test_gradients_of_all_that_is_read(module, shapes, rng):
    module.initialize(1, np.float64)
    arrays = [rng.normal(size=shape) for shape in shapes]
    x = tuple(arrays) if len(arrays) > 1 else arrays[0]
    dout = rng.normal(size=module(x).shape)

    def loss():
        out, cache = module.forward(x, train=True)
        dx, grads = module.backward(dout, cache)
        dxs = dx if len(arrays) > 1 else (dx,)
        return (out * dout).sum(), grads | {f"x{i}": d for i, d in enumerate(dxs)}

    report = check_model(loss, {**module.params, **{f"x{i}": a for i, a in enumerate(arrays)}})
    assert report.passed, str(report)
    nothing, grads = module.backward(dout, module.forward(x, train=True)[1], input_gradient=False)
    assert nothing is None
    assert set(grads) == set(module.params)


def test_nothing_is_looked_at_behind_the_mask(rng):
    module = SoftAttention(4, 3, 5).initialize(1, np.float64)
    x = rng.normal(size=(2, 6, 4)), rng.normal(size=(2, 3))
    mask = np.array([[1, 1, 0, 1, 0, 1], [1, 0, 0, 0, 0, 0]], np.float64)
    weights = module.weights(x, mask)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights[mask == 0] == 0).all()
    out, _, _ = layers.soft_attention_forward(*x, *(module[name] for name in module.declared), mask=mask)
    np.testing.assert_array_equal(module.forward(x, train=False, mask=mask)[0], out)


def test_causal_attention_sees_nothing_that_comes_later():
    attention = MultiHeadAttention(4, heads=2, causal=True).initialize(seed=1, dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    changed = x.copy()
    changed[:, 3:] += 1
    np.testing.assert_array_equal(attention(changed)[:, :3], attention(x)[:, :3])
    assert np.abs(attention(changed)[:, 3:] - attention(x)[:, 3:]).min() > 0
    mask = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 1, 1]])
    weights = attention.weights(x, mask)  # (N, heads, T, S)
    assert (weights > 0).tolist() == (np.tril(np.ones((5, 5)))[None, None] * mask[:, None, None] > 0).repeat(
        2, axis=1
    ).tolist()


def test_one_query_more_finds_what_it_finds_among_all():
    attention = MultiHeadAttention(4, heads=2, causal=True).initialize(seed=1, dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(3, 5, 4))
    keys, values = attention.keys_and_values(x)
    out, weights = attention.step(x[:, -1], keys, values)
    np.testing.assert_allclose(out, attention(x)[:, -1], rtol=1e-12)
    np.testing.assert_allclose(weights, attention.weights(x)[:, :, -1], rtol=1e-12)
