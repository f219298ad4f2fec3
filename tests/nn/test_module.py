import copy
import pickle

import numpy as np
import pytest

from minicap.arrays.random import RandomStream
from minicap.errors import DtypeError, InputError, ShapeError
from minicap.nn import (
    LSTM,
    RNN,
    Affine,
    BatchNorm,
    Branches,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Module,
    ReLU,
    Sequential,
    Supervised,
)
from minicap.nn.init import glorot_uniform, normal, orthogonal


class TwoBranches(Module):
    """A composite with parameters of its own and of children."""

    def __init__(self, deep: bool = False) -> None:
        super().__init__()
        self.left = Affine(3, 4)
        self.right = Sequential(Affine(3, 4), BatchNorm(4))
        if deep:
            self.extra = Affine(4, 4)
        self.declare("scale", (4,), lambda rng, shape: rng.normal(size=shape))


def test_parameters_and_buffers_have_flat_names():
    model = TwoBranches().initialize()
    assert list(model.params) == [
        "scale",
        "left.w",
        "left.b",
        "right.affine1.w",
        "right.affine1.b",
        "right.batchnorm1.gamma",
        "right.batchnorm1.beta",
    ]
    assert list(model.state) == ["right.batchnorm1.running_mean", "right.batchnorm1.running_var"]


def test_the_arrays_of_params_are_the_live_ones():
    model = TwoBranches().initialize()
    model.params["left.b"][...] = 7
    assert (model.left["b"] == 7).all()


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    first, again, other = (TwoBranches().initialize(seed).params for seed in (5, 5, 6))
    assert all((first[name] == again[name]).all() for name in first)
    assert not (first["left.w"] == other["left.w"]).any()


def test_adding_a_layer_changes_no_other():
    plain, deep = TwoBranches().initialize(5).params, TwoBranches(deep=True).initialize(5).params
    assert set(deep) - set(plain) == {"extra.w", "extra.b"}
    assert all((plain[name] == deep[name]).all() for name in plain)


def test_two_layers_of_one_kind_start_from_different_numbers():
    params = Sequential(Affine(4, 4), Affine(4, 4)).initialize(0).params
    assert not (params["affine1.w"] == params["affine2.w"]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initialize_makes_parameters_and_buffers_of_one_dtype(dtype):
    model = TwoBranches().initialize(0, dtype)
    assert {a.dtype for a in (model.params | model.state).values()} == {np.dtype(dtype)}
    out = model.right(np.ones((2, 3), dtype))
    assert out.dtype == dtype


def test_both_dtypes_start_from_the_same_numbers():
    single, double = (TwoBranches().initialize(3, dtype).params for dtype in (np.float32, np.float64))
    assert all((single[name] == double[name].astype(np.float32)).all() for name in single)


def test_parameters_lie_row_by_row_in_memory_as_they_come_back_from_a_checkpoint():
    class Wide(Module):
        def __init__(self) -> None:
            super().__init__()
            self.declare("w", (3, 8), orthogonal)  # drawn as a transposed matrix
            self.cells = Sequential(RNN(3, 5), LSTM(3, 5))

    assert all(a.flags.c_contiguous for a in Wide().initialize().params.values())


def test_a_model_without_numbers_says_to_call_initialize():
    with pytest.raises(InputError, match=r"Affine has no values for 'w' yet; call initialize\(seed\)"):
        Affine(3, 4)(np.ones((2, 3)))
    with pytest.raises(InputError, match="call initialize"):
        _ = TwoBranches().params


def test_initialize_makes_arrays_on_the_current_backend(backend):
    model = TwoBranches().initialize()
    assert all(type(a) is backend.array_type for a in (model.params | model.state).values())


def test_load_takes_what_params_and_state_give():
    source, target = TwoBranches().initialize(1), TwoBranches()
    source.right.batchnorm1.buffers["running_mean"] += 3
    target.load(source.params | source.state)
    for name, array in (source.params | source.state).items():
        np.testing.assert_array_equal((target.params | target.state)[name], array)


def test_load_keeps_the_dtype():
    source, target = TwoBranches().initialize(1, np.float64), TwoBranches().initialize(1)
    target.load(source.params | source.state)
    assert target.left["w"].dtype == target.right.batchnorm1.buffers["running_var"].dtype == np.float64


def test_loaded_arrays_are_copies_so_two_models_never_share_numbers():
    source, target = Affine(3, 4).initialize(1), Affine(3, 4)
    target.load(source.params)
    target["w"][...] = 0
    assert (source["w"] != 0).all()


def test_load_takes_read_only_arrays_and_gives_writable_ones():
    source = Affine(3, 4).initialize(1)
    arrays = {name: array.copy() for name, array in source.params.items()}
    for array in arrays.values():
        array.flags.writeable = False
    target = Affine(3, 4)
    target.load(arrays)
    target["w"][...] = 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda a: a.pop("left.w"), InputError, "TwoBranches.load: left.w is missing"),
        (
            lambda a: [a.pop(name) for name in ("left.w", "left.b")],
            InputError,
            "left.b, left.w are missing",
        ),
        (lambda a: a.clear(), InputError, r"left.b, left.w, .* and 5 more are missing"),
        (lambda a: a.update(top=np.ones(3)), InputError, "top is not in this model"),
        (
            lambda a: a.update({"left.w": np.ones((4, 3))}),
            ShapeError,
            r"left.w is \(4, 3\) but this model has \(3, 4\)",
        ),
        (
            lambda a: a.update({"right.batchnorm1.running_var": np.ones(9)}),
            ShapeError,
            r"right.batchnorm1.running_var is \(9,\)",
        ),
    ],
)
def test_a_failed_load_says_why_and_changes_nothing(change, error, message):
    model = TwoBranches().initialize(1)
    before = {name: a.copy() for name, a in (model.params | model.state).items()}
    arrays = {name: a + 1 for name, a in before.items()}
    change(arrays)
    with pytest.raises(error, match=message):
        model.load(arrays)
    assert all((before[name] == a).all() for name, a in (model.params | model.state).items())


def test_nothing_is_remembered_between_forward_and_backward():
    model = Sequential(Affine(3, 4), ReLU(), Affine(4, 2)).initialize(0, np.float64)
    rng = np.random.default_rng(0)
    xs, douts = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 2))
    alone = []
    for x, dout in zip(xs, douts, strict=True):
        _, cache = model.forward(x, train=False)
        alone.append(model.backward(dout, cache))
    caches = [model.forward(x, train=False)[1] for x in xs]
    for (dx, grads), dout, cache in zip(alone, douts, caches, strict=True):
        dx_later, grads_later = model.backward(dout, cache)
        np.testing.assert_array_equal(dx, dx_later)
        assert all((grads[name] == grads_later[name]).all() for name in grads)


def test_every_parameter_gets_a_gradient_under_its_own_name(rng):
    model = Supervised(Sequential(Affine(3, 4), BatchNorm(4), ReLU(), Affine(4, 2))).initialize()
    batch = {"x": rng.normal(size=(5, 3)).astype(np.float32), "y": np.array([0, 1, 1, 0, 1])}
    _, grads = model.loss(batch)
    assert {name: g.shape for name, g in grads.items()} == {n: p.shape for n, p in model.params.items()}
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}


class Listed(Module):
    """Children in a list, a tuple and a dict, and one inside both."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Affine(2, 2), Affine(2, 2)]
        self.pair = (ReLU(), Affine(2, 2))
        self.heads = {"age": Affine(2, 1), "more": [Affine(2, 3)]}
        self.sizes = [2, 3]

    def forward(self, x, train, rng=None):
        for block in self.blocks:
            x, _ = block.forward(x, train, rng)
        return x, None


def test_modules_in_lists_tuples_and_dicts_are_children():
    model = Listed().initialize()
    assert list(model.children) == ["blocks.0", "blocks.1", "pair.0", "pair.1", "heads.age", "heads.more.0"]
    assert {name for name in model.params if name.endswith(".w")} == {
        *("blocks.0.w", "blocks.1.w", "pair.1.w", "heads.age.w", "heads.more.0.w")
    }
    other = Listed()
    other.load(model.params)
    np.testing.assert_array_equal(other.blocks[1]["w"], model.blocks[1]["w"])


def test_a_module_appended_to_a_list_counts_too():
    model = Listed()
    model.blocks.append(Affine(2, 4))
    assert model.initialize()(np.ones((3, 2), np.float32)).shape == (3, 4)
    assert "blocks.2.w" in model.params


def test_a_module_that_stands_in_two_places_is_refused():
    shared = Affine(3, 3)
    with pytest.raises(
        InputError, match=r"Sequential: first and second are one and the same Affine; make two"
    ):
        Sequential(first=shared, second=shared).initialize()
    with pytest.raises(InputError, match=r"inner.left and right"):
        Sequential(inner=Sequential(left=shared), right=shared).initialize()


def test_params_can_be_changed_in_place_and_not_otherwise():
    model = Affine(2, 2).initialize()
    model.params["b"] -= 1
    np.testing.assert_array_equal(model["b"], [-1, -1])
    params = model.params
    for change in (
        lambda: params.update(b=np.zeros(2)),
        lambda: params.__setitem__("b", np.zeros(2)),
        lambda: params.pop("b"),
        lambda: params.__delitem__("b"),
        params.clear,
    ):
        with pytest.raises(InputError, match=r"params\[name\]\[...\] = array, or model.load\(arrays\)"):
            change()
    np.testing.assert_array_equal(model["b"], [-1, -1])
    assert type(params | {"more": np.ones(1)}) is dict


def test_train_has_to_be_said():
    with pytest.raises(TypeError, match="train"):
        ReLU().forward(np.ones(3))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_can_be_copied_and_pickled(again, rng):
    model = Supervised(Sequential(LSTM(3, 4), Affine(8, 5), BatchNorm(5), Dropout(0.5))).initialize(3)
    other, x = again(model), rng.normal(size=(2, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(x), other(x))
    stream = RandomStream(1)
    np.testing.assert_array_equal(model.forward(x, True, stream)[0], other.forward(x, True, stream)[0])
    assert repr(other) == repr(model)
    other.net.affine1["w"][...] = 0
    assert (model.net.affine1["w"] != 0).any()
    other.initialize(4)


def test_a_module_shows_how_it_was_made():
    assert repr(Conv2d(3, 16, size=3, pad=1)) == "Conv2d(3, 16, size=3, pad=1)"
    assert repr(Affine(3, 2, glorot_uniform)) == "Affine(3, 2, glorot_uniform)"
    assert repr(Affine(3, 2, normal(0.1))) == "Affine(3, 2, normal(scale=0.1))"
    assert repr(Sequential(Affine(3, 2), act=Sequential(ReLU()))).splitlines() == [
        "Sequential()",
        "  affine1: Affine(3, 2)",
        "  act: Sequential()",
        "    relu1: ReLU()",
    ]


class TwoDropouts(Module):
    """Hands both children the same rng."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = Dropout(0.5), Dropout(0.5)

    def forward(self, x, train, rng=None):
        left, right = (child.forward(x, train, rng)[0] for child in (self.left, self.right))
        return np.stack([left, right], axis=1), None


def test_two_children_with_the_same_rng_draw_different_bits():
    bits = TwoDropouts().forward(np.ones((4, 50)), True, RandomStream(0))[0]
    assert (bits[:, 0] != bits[:, 1]).any()


def test_grandchildren_of_one_name_draw_different_bits_too():
    model = Branches(a=TwoDropouts(), b=TwoDropouts())
    bits = model.forward(np.ones((4, 50)), True, RandomStream(0))[0]
    assert len({bits[:, i].tobytes() for i in range(4)}) == 4


def test_the_bits_of_a_module_depend_on_the_seed_and_its_place_and_on_nothing_else():
    alone, beside = Sequential(drop=Dropout(0.5)), Sequential(first=Dropout(0.0), drop=Dropout(0.5))
    x = np.ones((4, 50))
    first, again, other = (alone.forward(x, True, RandomStream(seed))[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, beside.forward(x, True, RandomStream(5))[0])
    assert (first != other).any()


def test_the_bits_of_a_sample_do_not_depend_on_the_shard_it_is_in():
    model, x = Branches(Dropout(0.5), Sequential(Dropout(0.3))), np.ones((6, 5))
    whole = model.forward(x, True, RandomStream(5))[0]
    part = model.forward(x[4:], True, RandomStream(5, row=4))[0]
    np.testing.assert_array_equal(whole[4:], part)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Affine(0, 3),
        lambda: Affine(4, -1),
        lambda: Affine(4, 2.5),
        lambda: Affine("many", 3),
        lambda: BatchNorm(0),
    ],
)
def test_sizes_that_are_none_are_refused_where_they_are_said(make):
    with pytest.raises(InputError, match=r"would be \(.*\); sizes must be whole numbers above 0"):
        make()


@pytest.mark.parametrize("dtype", [np.int32, complex, np.float16])
def test_parameters_are_floats_of_32_or_64_bits(dtype):
    with pytest.raises(DtypeError, match=r"initialize: dtype is .* but must be float32 or float64"):
        Affine(3, 2).initialize(0, dtype)


@pytest.mark.parametrize("seed", [-1, "a", 1.5, None])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(InputError, match=r"initialize: seed is .* but must be a whole number, at least 0"):
        Affine(3, 2).initialize(seed)


def test_a_draw_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"initialize: w is \(3, 2\) but its draw gives \(5,\)"):
        Affine(3, 2, draw=lambda rng, shape: np.ones(5)).initialize()


@pytest.mark.parametrize("w", [[[1.0] * 2] * 3, np.ones((3, 2), int)])
def test_what_is_no_array_of_floats_is_not_loaded(w):
    model = Affine(3, 2).initialize()
    before = model.params["w"].copy()
    with pytest.raises(DtypeError, match=r"Affine\.load: w is (list|int64) but must be an array of floats"):
        model.load({"w": w, "b": np.ones(2, np.float32)})
    assert (model.params["w"] == before).all()


@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
def test_a_convolution_has_a_group(kind):
    with pytest.raises(InputError, match="groups is 0 but must be an integer of at least 1"):
        kind(4, 4, 3, groups=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name_and_change_nothing(value):
    model = Sequential(Affine(3, 2), BatchNorm(2)).initialize()
    before = {name: array.copy() for name, array in (model.params | model.state).items()}
    for name in ("affine1.w", "batchnorm1.running_var"):
        wrong = {key: array.copy() for key, array in before.items()}
        wrong[name].flat[-1] = value
        with pytest.raises(InputError, match=rf"Sequential\.load: {name} holds NaN or infinity"):
            model.load(wrong)
    assert all((array == before[name]).all() for name, array in (model.params | model.state).items())
