"""What holds for every forward and its backward."""

import re
from collections import defaultdict

import numpy as np
import pytest

from minicap import layers
from minicap.errors import BackendMismatch, DtypeError, InputError
from minicap.gradcheck.library import all_layers, subjects

BY_LAYER = defaultdict(list)
for _subject in subjects():
    BY_LAYER[_subject.layer].append(_subject)
PAIRS = [name for name, layer in all_layers().items() if not layer.is_loss]
ANY_NUMBER_OF_ARRAYS = {"add", "concat"}


def gradients_of(subject):
    *outs, cache = subject.call(subject.inputs)
    outs, _ = subject.outputs_and_cache((*outs, cache))
    returned = subject.backward(*(np.ones_like(out) for out in outs), cache)
    return returned if isinstance(returned, tuple) else (returned,)


@pytest.mark.parametrize("layer", [name for name in PAIRS if name not in ANY_NUMBER_OF_ARRAYS])
def test_a_backward_gives_as_many_gradients_whatever_the_forward_was_given(layer):
    assert len({len(gradients_of(subject)) for subject in BY_LAYER[layer]}) == 1
    for subject in BY_LAYER[layer]:
        given = [subject.inputs.get(name) is not None for name in subject.parameters]
        for gradient, was_given in zip(gradients_of(subject), given, strict=False):
            assert (gradient is not None) == was_given


@pytest.mark.parametrize("layer", PAIRS)
def test_a_backward_refuses_the_cache_of_every_other_layer(layer):
    subject, refused = BY_LAYER[layer][0], 0
    *outs, own = subject.call(subject.inputs)
    outs, _ = subject.outputs_and_cache((*outs, own))
    for other in PAIRS:
        *_, cache = BY_LAYER[other][0].call(BY_LAYER[other][0].inputs)
        if type(cache) is type(own):
            continue
        with pytest.raises(
            InputError, match=rf"^{layer}_backward: cache is a {type(cache).__name__}, not what"
        ):
            subject.backward(*outs, cache)
        refused += 1
    assert refused >= len(PAIRS) - 3  # the three dropouts hide entries alike and share a cache


def test_a_refused_cache_is_told_apart_from_a_refused_gradient():
    out, cache = layers.tanh_forward(np.ones((2, 3)))
    message = r"sigmoid_backward: cache is a TanhCache, not what sigmoid_forward returned \(a SigmoidCache\)"
    with pytest.raises(InputError, match=message):
        layers.sigmoid_backward(out, cache)
    with pytest.raises(InputError, match="cache is a ndarray"):
        layers.sigmoid_backward(out, cache=out)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'cache'"):
        layers.sigmoid_backward(out)
    large = np.ones((64, 1024), np.float32)
    _, fast_cache = layers.relu_forward(large)
    with pytest.raises(InputError, match=r"dropout_backward: cache is a ReluCache"):
        layers.dropout_backward(large, fast_cache)


def test_complex_numbers_are_for_the_gradient_checker_alone():
    with pytest.raises(DtypeError, match="tanh_forward: x is complex128 but must be float32 or float64"):
        layers.tanh_forward(np.ones(3, complex))


@pytest.mark.parametrize("size", [3, 300])  # for the textbook, and for its faster pair
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(momentum=2), "momentum is 2 but must lie in"),
        (dict(momentum=float("nan")), "momentum is nan"),
        (dict(eps=float("inf")), "eps is inf"),
        (dict(eps=-1), "eps is -1 but must be a finite number of at least 0"),
    ],
)
def test_senseless_options_of_batch_normalisation_are_refused(options, message, size):
    x, one = np.ones((size, size)), np.ones(size)
    with pytest.raises(InputError, match=f"batchnorm_forward: {message}"):
        layers.batchnorm_forward(x, one, one, one, one, **options)


@pytest.mark.parametrize("size", [3, 300])
def test_a_negative_eps_is_refused_by_every_normalisation(size):
    x, one = np.ones((size, size)), np.ones(size)
    with pytest.raises(InputError, match="layernorm_forward: eps is -1"):
        layers.layernorm_forward(x, one, one, eps=-1)
    with pytest.raises(InputError, match="groupnorm_forward: eps is -1"):
        layers.groupnorm_forward(x[:, :, None, None], one, one, 3, eps=-1)


X2, X3, IMAGES = np.ones((3, 4)), np.ones((2, 3, 4)), np.ones((2, 4, 5, 5))
HEADS = dict(Wq=np.eye(4), Wk=np.eye(4), Wv=np.eye(4), Wo=np.eye(4))


@pytest.mark.parametrize(
    ("call", "option"),
    [
        (lambda slope: layers.leaky_relu_forward(X2, slope), "slope"),
        (lambda alpha: layers.elu_forward(X2, alpha), "alpha"),
        (lambda rate: layers.dropout_forward(X2, rate, rng=0), "rate"),
        (lambda eps: layers.layernorm_forward(X2, X2[0], X2[0], eps), "eps"),
        (lambda momentum: layers.batchnorm_forward(X2, *[X2[0]] * 4, momentum=momentum), "momentum"),
        (lambda alpha: layers.lrn_forward(IMAGES, alpha=alpha), "alpha"),
        (lambda beta: layers.lrn_forward(IMAGES, beta=beta), "beta"),
        (lambda k: layers.lrn_forward(IMAGES, k=k), "k"),
        (lambda size: layers.lrn_forward(IMAGES, size=size), "size"),
        (lambda groups: layers.groupnorm_forward(IMAGES, X2[0], X2[0], groups), "groups"),
        (lambda heads: layers.multi_head_attention_forward(X3, X3, X3, **HEADS, heads=heads), "heads"),
        (lambda margin: layers.svm_loss(X2, np.array([0, 1, 2]), margin), "margin"),
        (lambda margin: layers.warp_loss(X2, X2, 0, margin), "margin"),
        (lambda margin: layers.pairwise_ranking_loss(X2[:, :3], margin), "margin"),
        (lambda pos_weight: layers.sigmoid_bce_loss(X2, X2, pos_weight=pos_weight), "pos_weight"),
        (
            lambda label_smoothing: layers.softmax_loss(
                X2, np.array([0, 1, 2]), label_smoothing=label_smoothing
            ),
            "label_smoothing",
        ),
        (lambda strength: layers.l2_penalty_loss(X2, strength), "strength"),
    ],
)
def test_an_option_that_is_not_a_finite_number_is_refused_by_name(call, option):
    for value in (float("nan"), float("inf"), "0.5", None, [0.5]):
        with pytest.raises(InputError, match=rf"^\w+: {option} is {re.escape(repr(value))} but must"):
            call(value)


def test_an_option_may_be_any_kind_of_number():
    x = np.ones((3, 4), np.float32)
    for slope in (1, np.float64(0.1), np.array(0.1)):
        assert layers.leaky_relu_forward(x, slope)[0].dtype == np.float32


@pytest.mark.parametrize("layer", all_layers())
def test_an_array_that_is_missing_is_named(layer):
    subject = BY_LAYER[layer][0]
    for name, parameter in subject.parameters.items():
        optional = "None" in str(parameter.annotation) or parameter.kind is parameter.VAR_POSITIONAL
        if isinstance(subject.inputs.get(name), np.ndarray) and not optional:
            with pytest.raises(BackendMismatch, match=f": {name} is None but must be an array"):
                subject.call(subject.inputs | {name: None})


@pytest.mark.parametrize("layer", PAIRS)
def test_an_upstream_gradient_that_is_missing_is_named(layer):
    subject = BY_LAYER[layer][0]
    *outs, cache = subject.call(subject.inputs)
    outs, _ = subject.outputs_and_cache((*outs, cache))
    with pytest.raises(BackendMismatch, match=r"_backward: d\w+ is None but must be an array"):
        subject.backward(None, *(np.ones_like(out) for out in outs[1:]), cache)
