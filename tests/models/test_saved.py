import json

import numpy as np
import pytest

from minicap.errors import FormatError, InputError, ShapeError
from minicap.formats import Checkpoint, load_checkpoint, save_checkpoint
from minicap.layers import affine_backward, affine_forward, svm_loss
from minicap.metrics.classification import accuracy
from minicap.models import SqueezeNet, cnn1, load_model, resnet
from minicap.nn import GRU, Affine, BatchNorm, Dropout, Embedding, Module, Pair, ReLU, Sequential, Supervised
from minicap.nn.init import glorot_uniform, normal, stacked, zeros


class Twice(Module):
    """A module of a user's own."""

    def __init__(self, size):
        super().__init__()
        self.body = Affine(size, size)

    def forward(self, x, train, rng=None):
        first, one = self.body.forward(x, train, rng)
        second, two = self.body.forward(first, train, rng)
        return second, (one, two)


MODELS = {
    "a network": lambda: Sequential(
        Affine(4, 8, draw=glorot_uniform), BatchNorm(8), ReLU(), out=Affine(8, 3)
    ),
    "a network with its loss": lambda: Supervised(
        Sequential(Affine(4, 3), Dropout(0.2)), svm_loss, {"accuracy": accuracy}
    ),
    "any pair": lambda: Pair(
        affine_forward, affine_backward, {"w": ((4, 3), stacked(normal(0.1), 3)), "b": ((3,), zeros)}
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_as_it_was(name, tmp_path, rng):
    model = MODELS[name]().initialize(3, np.float64)
    x = rng.normal(size=(5, 4))
    model.forward(x, train=True, rng=None if name != "a network with its loss" else 3)  # buffers move
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again(x), model(x))
    again.initialize(3, np.float64)
    np.testing.assert_array_equal(
        again.params["w" if name == "any pair" else next(iter(again.params))],
        model.params["w" if name == "any pair" else next(iter(model.params))],
    )


def test_a_loaded_model_trains_on(tmp_path, rng):
    model = Supervised(Sequential(Affine(4, 3)), metrics={"accuracy": accuracy}).initialize()
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    batch = {"x": rng.normal(size=(5, 4)).astype(np.float32), "y": np.array([0, 1, 2, 0, 1])}
    assert again.loss(batch)[0] == model.loss(batch)[0]
    assert again.metrics == {"accuracy": accuracy}


@pytest.mark.parametrize("make", [lambda: cnn1((3, 32, 32), 10), lambda: resnet(18, width=4), SqueezeNet])
def test_whole_networks_come_back(make, tmp_path):
    model = make().initialize()
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert repr(again) == repr(model)
    assert all((again.params[name] == array).all() for name, array in model.params.items())


def test_words_and_states_come_back(tmp_path):
    model = Sequential(Embedding(7, 4), GRU(4, 3, reset_after=False)).initialize()
    model.save(tmp_path / "model.safetensors")
    ids = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(load_model(tmp_path / "model.safetensors")(ids), model(ids))


def test_options_changed_since_are_kept(tmp_path):
    model = Sequential(Dropout(0.2))
    model.dropout1.options["rate"] = 0.7
    model.save(tmp_path / "model.safetensors")
    assert load_model(tmp_path / "model.safetensors").dropout1.options == {"rate": 0.7}


def test_a_module_of_ones_own_must_be_known(tmp_path, rng):
    model = Sequential(Twice(4)).initialize(0, np.float64)
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(
        FormatError,
        match=r"is made of .*test_saved\.Twice, which is not minicap's: load_model\(path, Twice\)",
    ):
        load_model(path)
    x = rng.normal(size=(2, 4))
    np.testing.assert_array_equal(load_model(path, Twice)(x), model(x))


class Affine2(Affine):
    """A module that a user calls Affine, too: it doubles what minicap's gives."""

    def forward(self, x, train, rng=None):
        out, cache = super().forward(x, train, rng)
        return 2 * out, cache


Affine2.__name__ = "Affine"


def test_a_module_of_ones_own_is_not_taken_for_minicaps_of_the_same_name(tmp_path, rng):
    model = Sequential(Affine2(4, 3), Affine(3, 2)).initialize(0, np.float64)
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(FormatError, match=r"is made of .*test_saved\.Affine, which is not minicap's"):
        load_model(path)
    x, again = rng.normal(size=(2, 4)), load_model(path, Affine2)
    assert [type(child) for child in again.children.values()] == [Affine2, Affine]
    np.testing.assert_array_equal(again(x), model(x))


def test_two_known_things_of_one_name_are_refused(tmp_path):
    Affine(4, 3).initialize().save(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="two of the classes and functions given have the same name"):
        load_model(tmp_path / "model.safetensors", Affine2, Affine)


def test_a_model_that_no_file_can_describe_is_made_by_hand_and_loaded(tmp_path):
    def make():
        return Affine(4, 3, draw=lambda rng, shape: np.ones(shape))

    model = make().initialize()
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(InputError, match=r"does not say how its model was made; make the model.*load_file"):
        load_model(path)
    again = make()
    again.load_file(path)
    assert (again.params["w"] == 1).all()


def test_a_model_changed_after_it_was_made_says_so(tmp_path):
    model = Sequential(Affine(4, 3))
    model.more = Affine(3, 2)
    model.initialize().save(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"was changed after it was made.*more\.b.*load_file"):
        load_model(tmp_path / "model.safetensors")


def test_a_file_for_another_model_changes_nothing(tmp_path):
    Affine(4, 3).initialize().save(tmp_path / "model.safetensors")
    model = Affine(4, 2).initialize()
    before = model.params["w"].copy()
    with pytest.raises(ShapeError, match=r"w is \(4, 3\) but this model has \(4, 2\)"):
        model.load_file(tmp_path / "model.safetensors")
    assert (model.params["w"] == before).all()


@pytest.mark.parametrize(
    "made",
    [
        3,
        [],
        {"name": "softmax_loss"},
        {"module": "softmax_loss", "args": [], "options": {}},
        {"module": "Affine", "args": ["many", 3], "options": {}},
        {"module": "Affine", "args": [4], "options": {}},
        {"module": "Affine", "args": [4, 3], "options": {"size": 3}},
        {"module": "Affine", "args": 3, "options": {}},
        {"module": "BatchNorm", "args": [10**18], "options": {}},
        {"module": "Pair", "args": [{"name": "affine_forward"}, 3], "options": {}},
        {"module": "Sequential", "args": [{"list": 3}], "options": {}},
    ],
    ids=json.dumps,
)
def test_a_file_that_describes_nonsense_is_refused(made, tmp_path):
    Affine(4, 3).initialize().save(tmp_path / "model.safetensors")
    whole = load_checkpoint(tmp_path / "model.safetensors")
    save_checkpoint(tmp_path / "wrong.safetensors", whole._replace(about=whole.about | {"made": made}))
    with pytest.raises(FormatError, match=r"wrong\.safetensors"):
        load_model(tmp_path / "wrong.safetensors")


@pytest.mark.parametrize("name", ["eval", "os", "annotations", "load_checkpoint"])
def test_a_file_calls_nothing_but_what_is_known(name, tmp_path):
    made = {"module": "Sequential", "args": [{"name": name, "fields": {}}], "options": {}}
    path = tmp_path / "wrong.safetensors"
    save_checkpoint(path, Checkpoint({}, {}, {}, {"kind": "model", "made": made}))
    with pytest.raises(FormatError, match=r"which is not minicap's|does not say how to make its model"):
        load_model(path)


def test_a_captioner_is_told_apart(tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", Checkpoint({}, {}, {}, {"kind": "captioner"}))
    with pytest.raises(FormatError, match=r"holds no model of Module\.save but 'captioner'"):
        load_model(tmp_path / "a.safetensors")
