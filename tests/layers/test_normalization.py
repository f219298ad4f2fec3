import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers.checks import complex_numbers
from minicap.layers.normalization import (
    batchnorm_backward,
    batchnorm_forward,
    groupnorm_backward,
    groupnorm_forward,
    layernorm_backward,
    layernorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)

PAIRS = {
    "batchnorm": (batchnorm_forward, batchnorm_backward),
    "spatial_batchnorm": (spatial_batchnorm_forward, spatial_batchnorm_backward),
    "layernorm": (layernorm_forward, layernorm_backward),
    "groupnorm": (groupnorm_forward, groupnorm_backward),
}
SHAPES = {
    "batchnorm": (7, 4),
    "spatial_batchnorm": (3, 4, 2, 5),
    "layernorm": (3, 2, 4),
    "groupnorm": (3, 4, 2, 5),
}


def inputs(name, rng, shape=None, size=4):
    arrays = dict(x=2 + 3 * rng.normal(size=shape or SHAPES[name]), gamma=rng.normal(size=size),
                  beta=rng.normal(size=size))  # fmt: skip
    if "batch" in name:
        arrays |= dict(running_mean=rng.normal(size=size), running_var=rng.uniform(0.5, 2, size=size))
    return arrays


def options(name):
    return {"groups": 2} if name == "groupnorm" else {}


def close(ours, theirs):
    theirs = np.asarray(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9 * max(1e-3, np.abs(theirs).max()))


def test_batchnorm_of_a_hand_computed_batch():
    x = np.array([[1.0], [3.0], [5.0], [7.0]])  # mean 4, biased variance 5, unbiased 20 / 3
    out, cache = batchnorm_forward(
        x, np.array([2.0]), np.array([1.0]), np.array([10.0]), np.array([3.0]), momentum=0.75, eps=4.0
    )
    np.testing.assert_allclose(out, [[-1.0], [1 / 3], [5 / 3], [3.0]])  # 1 + 2 (x - 4) / sqrt(5 + 4)
    np.testing.assert_allclose(cache.running_mean, [0.75 * 10 + 0.25 * 4])
    np.testing.assert_allclose(cache.running_var, [0.75 * 3 + 0.25 * 5])


def test_layernorm_of_a_hand_computed_row():
    x, gamma, beta = np.array([[1.0, 3, 5, 7]]), np.array([2.0, 2, 2, 4]), np.array([1.0, 1, 1, 0])
    out, cache = layernorm_forward(
        x, gamma, beta, eps=4.0
    )  # x_hat = (x - 4) / sqrt(5 + 4) = -1, -1/3, 1/3, 1
    np.testing.assert_allclose(out, [[-1, 1 / 3, 5 / 3, 4]], rtol=1e-14)
    dx, dgamma, dbeta = layernorm_backward(np.array([[0.0, 0, 0, 1]]), cache)
    # g = 0, 0, 0, 4 has mean 1, and so has g x_hat: dx = (g - 1 - x_hat) / 3.
    np.testing.assert_allclose(dx, [[0, -2 / 9, -4 / 9, 2 / 3]], atol=1e-15)
    np.testing.assert_allclose(dgamma, [0, 0, 0, 1], rtol=1e-14)
    np.testing.assert_array_equal(dbeta, [0, 0, 0, 1])


@pytest.mark.parametrize("name", ["batchnorm", "spatial_batchnorm"])
def test_the_running_statistics_given_are_never_written(name, rng):
    given_arrays = inputs(name, rng)
    for array in given_arrays.values():
        array.flags.writeable = False
    _, cache = PAIRS[name][0](**given_arrays)
    assert not np.shares_memory(cache.running_mean, given_arrays["running_mean"])
    assert not np.array_equal(cache.running_mean, given_arrays["running_mean"])
    assert not np.array_equal(cache.running_var, given_arrays["running_var"])


@pytest.mark.parametrize("name", ["batchnorm", "spatial_batchnorm"])
def test_evaluation_uses_the_running_statistics_and_keeps_them(name, rng):
    arrays = inputs(name, rng)
    out, cache = PAIRS[name][0](**arrays, train=False)
    x, gamma, beta, mean, var = (np.moveaxis(a, 1, -1) if a.ndim > 1 else a for a in arrays.values())
    np.testing.assert_allclose(
        np.moveaxis(out, 1, -1), gamma * (x - mean) / np.sqrt(var + 1e-5) + beta, rtol=1e-12
    )
    assert cache.running_mean is arrays["running_mean"]
    assert cache.running_var is arrays["running_var"]


def test_statistics_handed_on_converge_to_those_of_the_data(rng):
    mean, var = np.zeros(3), np.ones(3)
    for _ in range(300):
        x = rng.normal([1.0, -2.0, 5.0], [0.5, 1.0, 3.0], size=(64, 3))
        _, cache = batchnorm_forward(x, np.ones(3), np.zeros(3), mean, var)
        mean, var = cache.running_mean, cache.running_var
    np.testing.assert_allclose(mean, [1, -2, 5], atol=0.3)
    np.testing.assert_allclose(np.sqrt(var), [0.5, 1, 3], rtol=0.1)


def test_a_batch_of_one_gives_beta_and_no_gradient(rng):
    arrays = inputs("batchnorm", rng, shape=(1, 4))
    out, cache = batchnorm_forward(**arrays)
    np.testing.assert_array_equal(out, arrays["beta"][None])
    np.testing.assert_array_equal(batchnorm_backward(np.ones((1, 4)), cache)[0], np.zeros((1, 4)))


def test_groupnorm_of_one_group_is_layernorm_of_images(rng):
    x = rng.normal(size=(3, 4, 2, 5))
    by_group, _ = groupnorm_forward(x, np.ones(4), np.zeros(4), groups=1)
    by_row, _ = layernorm_forward(x.reshape(3, -1), np.ones(40), np.zeros(40))
    np.testing.assert_allclose(by_group.reshape(3, -1), by_row, atol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=30)
@given(data=st.data())
def test_normalisation_equals_pytorch(name, data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    functional = torch.nn.functional
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    size = st.integers(1, 5)
    groups = data.draw(st.integers(1, 3)) if name == "groupnorm" else 1
    channels = groups * data.draw(size)
    samples = data.draw(st.integers(2, 6))
    shape = {"batchnorm": (samples, channels),
             "layernorm": (*data.draw(st.lists(size, min_size=0, max_size=3)), channels),
             }.get(name, (samples, channels, data.draw(size), data.draw(size)))  # fmt: skip
    train, eps, momentum = data.draw(st.booleans()), data.draw(st.sampled_from([1e-5, 1e-2])), 0.8
    arrays = inputs(name, rng, shape, channels)

    ours = dict(arrays, eps=eps)
    if name == "groupnorm":
        ours["groups"] = groups
    if "batch" in name:
        ours |= dict(train=train, momentum=momentum)
    out, cache = PAIRS[name][0](**ours)
    dout = rng.normal(size=shape)
    gradients = PAIRS[name][1](dout, cache)

    theirs = {key: torch.tensor(value, requires_grad="running" not in key) for key, value in arrays.items()}
    x, gamma, beta = theirs["x"], theirs["gamma"], theirs["beta"]
    if name == "layernorm":
        expected = functional.layer_norm(x, (channels,), gamma, beta, eps)
    elif name == "groupnorm":
        expected = functional.group_norm(x, groups, gamma, beta, eps)
    else:  # PyTorch's momentum is the weight of the new batch
        expected = functional.batch_norm(
            x, theirs["running_mean"], theirs["running_var"], gamma, beta, train, 1 - momentum, eps
        )
        count = x.numel() // channels
        close(cache.running_mean, theirs["running_mean"])
        unbiased = 0.8 * arrays["running_var"] + (cache.running_var - 0.8 * arrays["running_var"]) * (
            count / (count - 1)
        )
        close(unbiased if train else cache.running_var, theirs["running_var"])
    expected.backward(torch.tensor(dout))
    close(out, expected.detach())
    for gradient, tensor in zip(gradients, (x, gamma, beta), strict=True):
        # Where a group has hardly any variance dx is rounding times 1 / sqrt(eps), so eps sets the scale.
        np.testing.assert_allclose(
            gradient, tensor.grad, rtol=0, atol=1e-9 * max(1, float(tensor.grad.abs().max()))
        )


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("train", [True, False])
def test_float32_stays_float32(name, train, rng):
    arrays = {key: value.astype(np.float32) for key, value in inputs(name, rng).items()}
    more = dict(train=train, momentum=np.float64(0.9)) if "batch" in name else {}
    out, cache = PAIRS[name][0](**arrays, **options(name), **more, eps=np.float64(1e-5))
    assert out.dtype == np.float32
    assert {g.dtype for g in PAIRS[name][1](np.ones_like(out), cache)} == {np.dtype(np.float32)}
    if "batch" in name:
        assert cache.running_mean.dtype == cache.running_var.dtype == np.float32


@pytest.mark.parametrize("name", PAIRS)
def test_float32_keeps_its_digits_far_from_zero(name, rng):
    arrays = inputs(name, rng)
    arrays["x"] = (1000 + rng.normal(size=SHAPES[name])).astype(np.float32).astype(np.float64)
    exact, _ = PAIRS[name][0](**arrays, **options(name))
    single, _ = PAIRS[name][0](**{k: v.astype(np.float32) for k, v in arrays.items()}, **options(name))
    np.testing.assert_allclose(single, exact, atol=1e-3)


@pytest.mark.parametrize("name", PAIRS)
def test_strides_do_not_change_the_result(name, rng):
    arrays = inputs(name, rng)
    strided = dict(arrays, x=np.asfortranarray(arrays["x"]))
    dout = rng.normal(size=SHAPES[name])
    out, cache = PAIRS[name][0](**arrays, **options(name))
    out_strided, cache_strided = PAIRS[name][0](**strided, **options(name))
    close(out_strided, out)
    for ours, theirs in zip(
        PAIRS[name][1](np.asfortranarray(dout), cache_strided), PAIRS[name][1](dout, cache), strict=True
    ):
        close(ours, theirs)


@pytest.mark.parametrize("name", PAIRS)
def test_a_complex_step_gives_the_directional_derivative(name, rng):
    arrays = inputs(name, rng)
    dout = rng.normal(size=SHAPES[name])
    directions = {key: rng.normal(size=arrays[key].shape) for key in ("x", "gamma", "beta")}
    stepped = {key: value + 1e-30j * directions.get(key, 0) for key, value in arrays.items()}
    with complex_numbers():
        out, _ = PAIRS[name][0](**stepped, **options(name))
    _, cache = PAIRS[name][0](**arrays, **options(name))
    by_hand = sum(
        (g * d).sum() for g, d in zip(PAIRS[name][1](dout, cache), directions.values(), strict=True)
    )
    np.testing.assert_allclose((out.imag / 1e-30 * dout).sum(), by_hand, rtol=1e-11)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda a: {"gamma": a["gamma"][:3]}, ShapeError, r"gamma.*\(3,\)"),
        (lambda a: {"beta": np.ones((4, 1))}, ShapeError, r"beta has 2 axes \(4, 1\)"),
        (lambda a: {"x": a["x"][:0]}, ShapeError, r"x is empty"),
        (lambda a: {"x": a["x"].astype(int)}, DtypeError, r"x is int64"),
        (
            lambda a: {"gamma": a["gamma"].astype(np.float32)},
            DtypeError,
            r"x is float64 but gamma is float32",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(name, change, error, message, rng):
    arrays = inputs(name, rng)
    with pytest.raises(error, match=f"{name}_forward: .*{message}"):
        PAIRS[name][0](**(arrays | change(arrays)), **options(name))


@pytest.mark.parametrize("name", ["batchnorm", "spatial_batchnorm"])
def test_running_statistics_of_another_size_are_refused(name, rng):
    arrays = inputs(name, rng) | {"running_var": np.ones(3)}
    with pytest.raises(ShapeError, match=f"{name}_forward: running_var does not fit"):
        PAIRS[name][0](**arrays)


@pytest.mark.parametrize("groups", [0, -2, 1.5])
def test_groups_that_are_no_number_of_groups_are_refused(groups, rng):
    with pytest.raises(InputError, match=rf"groupnorm_forward: groups is {groups} but must be an integer"):
        groupnorm_forward(**inputs("groupnorm", rng), groups=groups)


@pytest.mark.parametrize("groups", [3, 8])
def test_groups_that_do_not_divide_the_channels_are_refused(groups, rng):
    with pytest.raises(ShapeError, match=rf"groups must divide the channels \(x .*, groups {groups}\)"):
        groupnorm_forward(**inputs("groupnorm", rng), groups=groups)


@pytest.mark.parametrize("name", PAIRS)
def test_an_upstream_gradient_of_another_shape_is_refused(name, rng):
    _, cache = PAIRS[name][0](**inputs(name, rng), **options(name))
    with pytest.raises(ShapeError, match=f"{name}_backward: dout is"):
        PAIRS[name][1](np.ones((2, 4)), cache)
