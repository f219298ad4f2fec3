"""What holds for every multi-label model of the registry."""

import numpy as np
import pytest
from multilabel.models.small_taggers import (
    LABELS,
    NUM_LABELS,
    SEQUENTIAL,
    STAGES,
    batch_of_five,
    settings,
    small,
)

from minicap.arrays import Backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.errors import ShapeError
from minicap.gradcheck import check_model
from minicap.layers.softmax import log_softmax_forward
from minicap.multilabel import MODELS
from minicap.optim import make_rule
from minicap.training.shards import sharded_loss

STREAM = RandomStream(7)

models = pytest.mark.parametrize("name", settings())
sequential = pytest.mark.parametrize("name", SEQUENTIAL)


def shaken(model):
    """Biases of zero would hide what multiplies them."""
    for parameter in model.params.values():
        parameter += 0.1 * np.random.default_rng(parameter.size).normal(size=parameter.shape)
    return model


def test_no_model_of_the_registry_is_left_out():
    assert {config.name for config in settings().values()} == set(MODELS)


@models
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes_go_through(name, dtype):
    model, batch = small(name, dtype), batch_of_five(dtype, name=name)
    scores, _ = model.forward(batch, train=False)
    sizes = (*batch["labels"].shape, NUM_LABELS + 2) if model.sequential else (len(LABELS), NUM_LABELS)
    assert scores.shape == sizes
    assert scores.dtype == dtype
    loss, grads = model.loss(batch, train=True, rng=STREAM)
    assert np.shape(loss) == ()
    assert {name: (g.shape, g.dtype) for name, g in grads.items()} == {
        name: (p.shape, p.dtype) for name, p in model.params.items()
    }


@models
def test_gradients_are_right_with_dropout_on(name):
    model, batch = shaken(small(name)), batch_of_five(name=name)
    if "warp" in name:  # which labels it draws and how it weighs them changes in steps
        model.scores.affine["w"][:] *= 3
    report = check_model(lambda: model.loss(batch, train=True, rng=STREAM), model.params, entries=12)
    assert report.passed, str(report)


@sequential
def test_the_gradient_of_the_features_is_right(name):
    model, batch, rng = shaken(small(name)), batch_of_five(name=name), np.random.default_rng(1)
    model.standardize(0.1 + 2 * batch["features"])
    scores, cache = model.forward(batch, train=True, rng=STREAM)
    dscores, direction = rng.normal(size=scores.shape), rng.normal(size=batch["features"].shape)
    dfeatures, _ = model.backward(dscores, cache)

    def moved(step):
        scores, _ = model.forward(batch | {"features": batch["features"] + step * direction}, True, STREAM)
        return (dscores * scores).sum()

    numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert (dfeatures * direction).sum() == pytest.approx(numeric, rel=1e-6)


@models
def test_one_batch_is_learned_by_heart(name):
    larger = {} if "linear" in name else {"embed_size": 12, "hidden_size": 24}
    model = small(name, np.float32, dropout=0.0, **larger)
    batch, rule = batch_of_five(np.float32, name=name), make_rule("adam", 0.03)
    for step in range(150):
        _, grads = model.loss(batch, train=True, rng=RandomStream(step))
        rule.step(model.params, grads)
    found = [{tag.label for tag in tags} for tags in model.tags(batch["features"])]
    if getattr(model.config, "top", 0):
        assert all(set(labels) <= three for labels, three in zip(LABELS, found, strict=True))
    else:
        assert found == [set(labels) for labels in LABELS]


@sequential
def test_step_by_step_gives_the_log_probabilities_of_the_whole_sequence(name):
    model, batch = shaken(small(name)), batch_of_five(name=name)
    scores, _ = model.forward(batch, train=False)
    state = model.start(batch["features"])
    for t in range(scores.shape[1]):
        log_probs, state, extras = model.step(state, batch["labels"][:, t])
        np.testing.assert_allclose(log_probs, log_softmax_forward(scores[:, t])[0], rtol=0, atol=1e-12)
        assert ("attention" in extras) == model.config.attention
        if model.config.attention:
            assert extras["attention"].shape == (len(LABELS), len(STAGES))
            np.testing.assert_allclose(extras["attention"].sum(axis=1), 1, rtol=1e-12)


@models
@pytest.mark.parametrize("beam", [1, 3])
def test_no_label_is_given_twice_and_the_surest_comes_first(name, beam):
    model = shaken(small(name))
    for tags in model.tags(batch_of_five(name=name)["features"], beam):
        labels = [tag.label for tag in tags]
        assert len(set(labels)) == len(labels)
        assert set(labels) <= set(range(NUM_LABELS))
        assert all(0 <= tag.probability <= 1 for tag in tags)


@models
@pytest.mark.parametrize("beam", [1, 3])
def test_every_label_has_a_probability_and_those_given_at_least_theirs(name, beam):
    model, features = shaken(small(name)), batch_of_five(name=name)["features"]
    found = model.probabilities(features, beam)
    assert found.shape == (len(LABELS), NUM_LABELS)
    assert ((found >= 0) & (found <= 1)).all()
    for row, tags in zip(found, model.tags(features, beam), strict=True):
        assert all(row[tag.label] >= tag.probability - 1e-9 for tag in tags)


@models
@pytest.mark.parametrize("shards", [1, 2, 5])
def test_shards_add_up_to_the_whole_batch_with_dropout_on(name, shards):
    model, batch = small(name), batch_of_five(name=name)
    loss, grads = model.loss(batch, train=True, rng=STREAM)
    sharded, sharded_grads = sharded_loss(model, batch, STREAM, shards)
    assert sharded == pytest.approx(loss, rel=1e-12)
    for key, grad in grads.items():
        np.testing.assert_allclose(sharded_grads[key], grad, rtol=0, atol=1e-13)


@models
def test_training_writes_into_neither_the_batch_nor_the_parameters(name):
    model, batch = small(name), batch_of_five(name=name)
    for array in (*batch.values(), *model.params.values()):
        array.flags.writeable = False
    model.loss(batch, train=True, rng=STREAM)


@models
def test_a_model_that_is_saved_and_loaded_gives_the_same_tags(name, tmp_path):
    model, features = shaken(small(name)), batch_of_five(name=name)["features"]
    model.standardize(features)
    model.save(tmp_path / "model.safetensors")
    again = small(name)
    again.load_file(tmp_path / "model.safetensors")
    assert again.tags(features) == model.tags(features)


@models
@pytest.mark.parametrize("size", [1, 100])
def test_features_of_another_size_are_refused_and_not_broadcast(name, size):
    model, batch = small(name), batch_of_five(name=name)
    with pytest.raises(ShapeError, match="x is"):
        model.loss(batch | {"features": batch["features"][:, :1].repeat(size, axis=1)})


@models
def test_the_gpu_path_gives_the_same_loss_and_tags_on_the_stand_in(name, strict_cupy: Backend):
    def run():
        model, batch = shaken_on_device(name)
        with textbook():
            loss, grads = model.loss(batch, train=True, rng=STREAM)
            tags = model.tags(batch["features"], beam=2)
        return loss, grads, tags

    expected, expected_grads, expected_tags = run()
    with use_backend("strict-cupy"):
        loss, grads, tags = run()
    np.testing.assert_allclose(to_host(loss), expected, rtol=1e-12)
    for key, grad in expected_grads.items():
        np.testing.assert_allclose(to_host(grads[key]), grad, rtol=0, atol=1e-12)
    assert [[t.label for t in row] for row in tags] == [[t.label for t in row] for row in expected_tags]


def shaken_on_device(name):
    model = small(name)
    for parameter in model.params.values():
        parameter += to_device(0.1 * np.random.default_rng(parameter.size).normal(size=parameter.shape))
    return model, {key: to_device(array) for key, array in batch_of_five(name=name).items()}
