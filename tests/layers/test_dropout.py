import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays.random import RandomStream, random_uint16
from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers import dropout as module

NAMES = ["dropout", "spatial_dropout", "recurrent_dropout"]
SHAPES = {"dropout": (6, 5, 4), "spatial_dropout": (6, 5, 4, 3), "recurrent_dropout": (6, 5, 4)}
# The axes along which one draw is shared.
SHARED = {"dropout": (), "spatial_dropout": (2, 3), "recurrent_dropout": (1,)}


def pair(name):
    return getattr(module, f"{name}_forward"), getattr(module, f"{name}_backward")


def test_rate_is_the_probability_of_dropping(rng):
    for rate in (0.1, 0.5, 0.9):
        out, _ = module.dropout_forward(np.ones((100, 1000)), rate, rng=rng)
        assert abs((out == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / out.size)


@pytest.mark.parametrize("rate", [0.25, 0.3, 0.5])
def test_what_is_kept_is_scaled_up_by_one_over_one_minus_rate(rate):
    out, _ = module.dropout_forward(np.ones((20, 50)), rate, rng=7)
    np.testing.assert_array_equal(np.unique(out), [0, 1 / (1 - rate)])


def test_an_entry_is_kept_where_its_bits_reach_the_threshold():
    out, _ = module.dropout_forward(np.ones((20, 50)), 0.3, rng=7)
    np.testing.assert_array_equal(out != 0, random_uint16(RandomStream(7), (20, 50)) >= round(0.3 * 65536))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(seed=st.integers(0, 2**63), rate=st.floats(0, 0.999), data=st.data())
def test_a_batch_cut_into_shards_sees_the_bits_of_the_whole_batch(name, seed, rate, data):
    forward, _ = pair(name)
    x = np.random.default_rng(0).normal(size=SHAPES[name])
    cut = data.draw(st.integers(1, len(x) - 1))
    first_row = data.draw(st.integers(0, 1000))
    whole, _ = forward(x, rate, rng=RandomStream(seed, first_row))
    pieces = [
        forward(x[:cut], rate, rng=RandomStream(seed, first_row))[0],
        forward(x[cut:], rate, rng=RandomStream(seed, first_row + cut))[0],
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("name", NAMES)
def test_one_draw_is_shared_along_the_documented_axes_and_no_others(name):
    out, _ = pair(name)[0](np.ones(SHAPES[name]), 0.5, rng=3)
    for axis in range(1, out.ndim):
        alike = (out == out.take([0], axis=axis)).all()
        assert alike == (axis in SHARED[name])


@pytest.mark.parametrize("name", NAMES)
def test_backward_drops_and_scales_what_forward_did(name, rng):
    forward, backward = pair(name)
    x, dout = 1 + rng.random(SHAPES[name]), rng.normal(size=SHAPES[name])
    out, cache = forward(x, 0.4, rng=3)
    np.testing.assert_allclose(backward(dout, cache), dout * (out / x), rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [dict(rate=0.5, train=False), dict(rate=0), dict(rate=0.0, rng=3)])
def test_evaluation_and_rate_zero_change_nothing(name, options, rng):
    forward, backward = pair(name)
    x, dout = rng.normal(size=SHAPES[name]), rng.normal(size=SHAPES[name])
    out, cache = forward(x, **options)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(backward(dout, cache), dout)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_repeats_itself_and_a_generator_moves_on(name):
    forward, _ = pair(name)
    x, generator = np.ones(SHAPES[name]), np.random.default_rng(5)
    np.testing.assert_array_equal(forward(x, 0.5, rng=5)[0], forward(x, 0.5, rng=5)[0])
    assert (forward(x, 0.5, rng=5)[0] != forward(x, 0.5, rng=6)[0]).any()
    assert (forward(x, 0.5, rng=generator)[0] != forward(x, 0.5, rng=generator)[0]).any()


def test_a_rate_next_to_one_still_keeps_something():
    out, _ = module.dropout_forward(np.ones((1000, 1000), dtype=np.float32), 1 - 2**-20, rng=0)
    assert 0 < (out != 0).sum() < 100


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name):
    forward, backward = pair(name)
    x = np.ones(SHAPES[name], dtype=np.float32)
    out, cache = forward(x, np.float64(0.3), rng=1)
    assert out.dtype == backward(x, cache).dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_strides_do_not_change_the_result(name, rng):
    forward, backward = pair(name)
    x = rng.normal(size=SHAPES[name])
    out, cache = forward(x, 0.3, rng=1)
    out_strided, _ = forward(np.asfortranarray(x), 0.3, rng=1)
    np.testing.assert_array_equal(out_strided, out)
    np.testing.assert_array_equal(backward(np.asfortranarray(x), cache), backward(x, cache))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [-0.1, 1.0, 1, 2.5])
@pytest.mark.parametrize("train", [True, False])
def test_a_rate_outside_zero_to_one_is_refused(name, rate, train):
    with pytest.raises(InputError, match=rf"{name}_forward: rate is .* must lie in \[0, 1\)"):
        pair(name)[0](np.ones(SHAPES[name]), rate, train, rng=1)


@pytest.mark.parametrize("name", NAMES)
def test_training_without_a_source_of_randomness_is_refused(name):
    with pytest.raises(InputError, match=f"{name}_forward: rng is missing; pass a numpy Generator"):
        pair(name)[0](np.ones(SHAPES[name]), 0.5)


@pytest.mark.parametrize(
    ("name", "x", "error", "message"),
    [
        ("dropout", np.ones((2, 3), dtype=int), DtypeError, "x is int64"),
        ("dropout", np.ones((0, 3)), ShapeError, r"x is empty \(0, 3\)"),
        ("spatial_dropout", np.ones((2, 3, 4)), ShapeError, r"x has 3 axes .* \(N C H W\)"),
        ("recurrent_dropout", np.ones((2, 3)), ShapeError, r"x has 2 axes .* \(N T D\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(name, x, error, message):
    with pytest.raises(error, match=f"{name}_forward: {message}"):
        pair(name)[0](x, 0.5, rng=1)


@pytest.mark.parametrize("name", NAMES)
def test_an_upstream_gradient_of_another_shape_is_refused(name):
    forward, backward = pair(name)
    _, cache = forward(np.ones(SHAPES[name]), 0.5, rng=1)
    with pytest.raises(ShapeError, match=f"{name}_backward: dout is"):
        backward(np.ones((2, 3)), cache)
