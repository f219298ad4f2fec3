import numpy as np
import pytest

from minicap.errors import DtypeError, InputError
from minicap.gradcheck import check_model
from minicap.layers.affine import affine_backward, affine_forward
from minicap.layers.losses import softmax_loss


class Linear:
    """A softmax classifier with a place to put a bug."""

    def __init__(self, rng, dtype="float64"):
        self.x, self.y = rng.normal(size=(6, 4)).astype(dtype), np.array([0, 2, 1, 1, 0, 2])
        self.params = {"w": rng.normal(size=(4, 3)).astype(dtype), "b": np.zeros(3, dtype)}
        self.bug = lambda grads: grads

    def loss(self):
        scores, cache = affine_forward(self.x, self.params["w"], self.params["b"])
        loss, dscores = softmax_loss(scores, self.y)
        _, dw, db = affine_backward(dscores, cache)
        return loss, self.bug({"w": dw, "b": db})


@pytest.fixture
def model(rng):
    return Linear(rng)


def verdicts(model) -> dict[str, str]:
    return {row.argument: row.verdict for row in check_model(model.loss, model.params)}


def test_a_right_model_passes_and_its_parameters_are_as_before(model):
    before = {name: array.copy() for name, array in model.params.items()}
    report = check_model(model.loss, model.params)
    assert report.passed
    assert [row.entries for row in report] == [10, 3]
    assert all(np.array_equal(model.params[name], before[name]) for name in before)


def test_one_wrong_parameter_is_named(model):
    model.bug = lambda grads: grads | {"b": grads["b"] * 1.001}
    assert verdicts(model)["w"] == "ok"
    assert verdicts(model)["b"].startswith("error")


@pytest.mark.parametrize(
    ("bug", "argument", "words"),
    [
        (lambda g: {"w": g["w"]}, "b", "there is no gradient for this parameter"),
        (lambda g: g | {"b": None}, "b", "there is no gradient for this parameter"),
        (lambda g: g | {"bias": g["b"]}, "bias", "there is a gradient but no parameter of this name"),
        (lambda g: g | {"w": g["w"].T}, "w", "the gradient has shape (3, 4) but the parameter (4, 3)"),
        (lambda g: g | {"w": g["w"] * np.nan}, "w", "the gradient is not finite"),
    ],
)
def test_what_is_missing_or_misshapen_is_said(model, bug, argument, words):
    model.bug = bug
    assert verdicts(model)[argument] == words


def test_a_loss_that_updates_its_parameters_is_found_and_they_are_restored(model):
    before = model.params["w"].copy()

    def train(grads):
        model.params["w"] -= grads["w"]
        return grads

    model.bug = train
    rows = check_model(model.loss, model.params)
    assert rows[0].verdict == "the loss wrote into this parameter"
    assert not rows.passed
    assert np.array_equal(model.params["w"], before)


def test_a_random_loss_is_found(model):
    draws = iter(range(100))
    rows = check_model(lambda: (next(draws) + model.loss()[0], model.loss()[1]), model.params)
    assert "changes from call to call" in rows[-1].verdict


def test_float32_parameters_are_refused(rng):
    model = Linear(rng, "float32")
    with pytest.raises(DtypeError, match="w is float32 but central differences need float64"):
        check_model(model.loss, model.params)


def test_parameters_that_are_views_are_perturbed_in_place(model):
    model.params["w"] = np.asfortranarray(np.repeat(model.params["w"], 2, axis=1))[:, ::2]
    assert check_model(model.loss, model.params).passed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entries": 0}, "entries is 0 but must be a whole number, at least 1"),
        ({"entries": -1}, "entries is -1 but must be"),
        ({"step": 0.0}, "step is 0.0 but must be positive"),
        ({"step": float("nan")}, "step is nan but must be positive"),
        ({"tolerance": float("nan")}, "tolerance is nan but must be positive"),
    ],
)
def test_options_that_would_check_nothing_are_refused(model, options, message):
    with pytest.raises(InputError, match=f"check_model: {message}"):
        check_model(model.loss, model.params, **options)


def test_a_parameter_that_cannot_be_perturbed_is_named(model):
    model.params["b"].setflags(write=False)
    with pytest.raises(InputError, match="check_model: b is read-only but is perturbed in place"):
        check_model(model.loss, model.params)


def test_a_loss_that_is_no_number_is_said_to_be_so(model):
    (row,) = check_model(lambda: (float("nan"), {}), model.params)
    assert row.verdict == "the loss is nan"
