"""What holds for every forward and its backward."""

from collections import defaultdict

import numpy as np
import pytest

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
