"""What holds for every forward and its backward."""

from collections import defaultdict

import numpy as np
import pytest

from minicap import layers
from minicap.errors import InputError
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
