import numpy as np
import pytest

from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.gradcheck import check_model
from minicap.layers import softmax_loss
from minicap.nn import Affine, Dropout, Module, ReLU, Sequential, Supervised, WithHeads


def net(**options):
    trunk = Sequential(fc1=Affine(3, 5), act=ReLU(), fc2=Affine(5, 4), out=Affine(4, 2))
    return WithHeads(trunk, {"act": Affine(5, 2), "fc2": Affine(4, 2)}, **options)


def batch(rng):
    return {"x": rng.normal(size=(6, 3)), "y": np.arange(6) % 2}


def test_training_gives_the_scores_of_the_trunk_and_then_of_each_head(rng):
    model = net().initialize()
    x = rng.normal(size=(6, 3)).astype(np.float32)
    out, _ = model.forward(x, train=True)
    inner = model.trunk.act(model.trunk.fc1(x))
    assert out.shape == (3, 6, 2)
    np.testing.assert_allclose(out[0], model(x), rtol=1e-5)
    np.testing.assert_allclose(out[1], model.heads["act"](inner), rtol=1e-5)
    np.testing.assert_allclose(out[2], model.heads["fc2"](model.trunk.fc2(inner)), rtol=1e-5)


def test_evaluation_knows_the_trunk_alone(rng):
    model = net().initialize()
    x = rng.normal(size=(6, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(x), model.trunk(x))
    np.testing.assert_allclose(model.forward(x, train=False)[0], model.trunk(x), rtol=1e-6)


def test_without_heads_it_is_the_trunk(rng):
    model = WithHeads(Sequential(fc=Affine(3, 2))).initialize()
    x = rng.normal(size=(6, 3)).astype(np.float32)
    out, cache = model.forward(x, train=True)
    np.testing.assert_array_equal(out, model.trunk(x))
    dx, grads = model.backward(out, cache)
    assert (dx.shape, set(grads)) == (x.shape, {"trunk.fc.w", "trunk.fc.b"})


def test_the_loss_is_that_of_the_trunk_and_a_share_of_each_heads(rng):
    model = Supervised(net(weight=0.25)).initialize(1, np.float64)
    data = batch(rng)
    scores, _ = model.forward(data["x"], train=True)
    each = [float(softmax_loss(own, data["y"])[0]) for own in scores]
    assert float(model.loss(data)[0]) == pytest.approx(each[0] + 0.25 * (each[1] + each[2]))
    assert float(model.loss(data, train=False)[0]) == pytest.approx(each[0])


def test_gradients_of_the_weighted_losses(rng):
    model = Supervised(net(), label_smoothing=0.1).initialize(1, np.float64)
    data = batch(rng)
    report = check_model(lambda: model.loss(data), model.params)
    assert len(report) == len(model.params) == 10
    assert report.passed, str(report)


def test_the_gradient_of_the_input_is_spared_where_nobody_needs_it(rng):
    model = net().initialize(1, np.float64)
    out, cache = model.forward(batch(rng)["x"], train=True)
    dx, grads = model.backward(out, cache)
    none, same = model.backward(out, cache, input_gradient=False)
    assert (dx.shape, none) == ((6, 3), None)
    np.testing.assert_equal(same, grads)


def test_the_order_of_the_heads_is_that_of_the_trunk(rng):
    trunk = Sequential(fc1=Affine(3, 4), fc2=Affine(4, 2))
    model = WithHeads(trunk, {"fc2": Affine(2, 2), "fc1": Affine(4, 2)}).initialize(1, np.float64)
    data = batch(rng)
    supervised = Supervised(model).initialize(1, np.float64)
    report = check_model(lambda: supervised.loss(data), supervised.params)
    assert report.passed, str(report)


def test_dropout_in_the_trunk_draws_the_same_with_and_without_heads(rng):
    def drops(heads: dict[str, Module]) -> np.ndarray:
        trunk = Sequential(drop=Dropout(0.5), out=Affine(8, 2))
        model = WithHeads(trunk, heads).initialize(1, np.float64)
        out, _ = model.forward(np.ones((4, 8)), train=True, rng=RandomStream(3))
        return out[0] if heads else out

    np.testing.assert_array_equal(drops({"drop": Affine(8, 2)}), drops({}))


def test_a_head_behind_nothing_is_refused():
    with pytest.raises(InputError, match="a head behind 'fc3', which is no child of the trunk"):
        WithHeads(Sequential(fc=Affine(3, 2)), {"fc3": Affine(2, 2)})


def test_a_network_with_heads_has_a_summary():
    rows = net().initialize().summary((4, 3))
    assert [row.name for row in rows] == ["trunk.fc1", "trunk.act", "trunk.fc2", "trunk.out"]
    assert rows.memory is not None
