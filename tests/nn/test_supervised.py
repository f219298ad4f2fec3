import numpy as np
import pytest

from minicap.errors import InputError
from minicap.gradcheck import check_model
from minicap.layers import mse_loss, sigmoid_bce_loss, softmax_loss, svm_loss
from minicap.nn import Affine, Supervised


@pytest.fixture
def model():
    return Supervised(Affine(4, 3)).initialize(0, np.float64)


@pytest.fixture
def batch(rng):
    return {"x": rng.normal(size=(5, 4)), "y": np.array([0, 2, 1, 1, 0])}


def test_the_loss_is_the_mean_over_the_samples(model, batch):
    loss, grads = model.loss(batch)
    expected, dscores = softmax_loss(model(batch["x"]), batch["y"])
    np.testing.assert_allclose(loss, expected)
    np.testing.assert_allclose(grads["net.b"], dscores.sum(axis=0))
    assert model.count(batch) == 5


def test_shards_that_divide_by_the_count_of_the_batch_add_up(model, batch):
    loss, grads = model.loss(batch)
    parts = [model.loss({k: v[part] for k, v in batch.items()}, count=5) for part in (slice(2), slice(2, 5))]
    np.testing.assert_allclose(sum(part_loss for part_loss, _ in parts), loss)
    np.testing.assert_allclose(sum(part["net.w"] for _, part in parts), grads["net.w"])


def test_evaluation_gives_the_loss_and_no_gradients(model, batch):
    loss, grads = model.loss(batch, train=False)
    np.testing.assert_allclose(loss, model.loss(batch)[0])
    assert grads == {}


def test_labels_are_smoothed_in_training_and_not_in_evaluation(batch):
    model = Supervised(Affine(4, 3), label_smoothing=0.2).initialize(0, np.float64)
    scores = model(batch["x"])
    expected, dscores = softmax_loss(scores, batch["y"], label_smoothing=0.2)
    loss, grads = model.loss(batch)
    np.testing.assert_allclose(loss, expected)
    np.testing.assert_allclose(grads["net.b"], dscores.sum(axis=0))
    np.testing.assert_allclose(model.loss(batch, train=False)[0], softmax_loss(scores, batch["y"])[0])


def test_label_smoothing_of_a_loss_without_labels_is_refused():
    with pytest.raises(InputError, match="Supervised: mse_loss has no label_smoothing; leave it at 0"):
        Supervised(Affine(4, 3), mse_loss, label_smoothing=0.1)


LOSSES = {
    "softmax": (softmax_loss, np.array([0, 2, 1, 1, 0])),
    "svm": (svm_loss, np.array([0, 2, 1, 1, 0])),
    "several labels": (sigmoid_bce_loss, np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0.0]])),
    "regression": (mse_loss, np.linspace(-1, 1, 15).reshape(5, 3)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_any_loss_trains_as_its_own_mean(name, rng):
    function, y = LOSSES[name]
    model = Supervised(Affine(4, 3), function).initialize(0, np.float64)
    batch = {"x": rng.normal(size=(5, 4)), "y": y}
    loss, grads = model.loss(batch)
    expected, dscores = function(model.scores(batch), y)
    np.testing.assert_allclose(loss, expected)
    np.testing.assert_allclose(grads["net.b"], dscores.sum(axis=0))
    report = check_model(lambda: model.loss(batch), model.params)
    assert report.passed, str(report)
    parts = [{k: v[part] for k, v in batch.items()} for part in (slice(2), slice(2, 5))]
    np.testing.assert_allclose(sum(model.loss(part, count=model.count(batch))[0] for part in parts), loss)


def test_metrics_are_there_to_be_asked_for():
    model = Supervised(Affine(4, 3), metrics={"accuracy": lambda scores, y: 0.5})
    assert model.metrics["accuracy"](None, None) == 0.5
    assert Supervised(Affine(4, 3)).metrics == {}


def test_predict_gives_the_class_with_the_highest_score(model, batch):
    expected = model(batch["x"]).argmax(axis=1)
    for batch_size in (1, 2, 256):
        np.testing.assert_array_equal(model.predict(batch["x"], batch_size), expected)


def test_predict_answers_as_the_loss_asks(rng):
    x = rng.normal(size=(5, 4))
    for loss, answer in ((svm_loss, lambda s: s.argmax(axis=1)), (sigmoid_bce_loss, lambda s: s > 0)):
        model = Supervised(Affine(4, 3), loss).initialize(0, np.float64)
        np.testing.assert_array_equal(model.predict(x), answer(model(x)))
    model = Supervised(Affine(4, 3), mse_loss).initialize(0, np.float64)
    np.testing.assert_allclose(model.predict(x, batch_size=2), model(x))


def test_predict_refuses_what_it_cannot_answer(model, batch):
    with pytest.raises(InputError, match="predict: 0 samples, batch_size 256"):
        model.predict(batch["x"][:0])
    with pytest.raises(InputError, match="predict: 5 samples, batch_size 0"):
        model.predict(batch["x"], batch_size=0)
    model.loss_function = lambda scores, y, reduction: softmax_loss(scores, y, reduction)
    with pytest.raises(InputError, match="what the scores mean is not known for this loss"):
        model.predict(batch["x"])


@pytest.mark.parametrize("wrong", [(3,), (Affine(4, 3), "softmax")])
def test_what_is_no_network_or_no_loss_is_refused(wrong):
    with pytest.raises(InputError, match="are not a module and a loss function"):
        Supervised(*wrong)
