import numpy as np
import pytest

from minicap.decoding import Decoding, beam_search, greedy, no_repeats, sample
from minicap.errors import InputError


def step(state, words):
    log_probs = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])[words % 2])
    return log_probs, state, {}


SEARCH = (step, (np.zeros((3, 1)),), 0, 1, 6)


@pytest.mark.parametrize(
    ("decoding", "same", "name"),
    [
        (Decoding(), lambda: beam_search(*SEARCH, 3, 0.7), "beam 3"),
        (Decoding(beam=1), lambda: [[h] for h in greedy(*SEARCH)], "greedy"),
        (Decoding(beam=4, groups=2), lambda: beam_search(*SEARCH, 4, 0.7, groups=2), "beam 4 in 2 groups"),
        (
            Decoding(temperature=0.5, top_k=3, top_p=0.9),
            lambda: [[h] for h in sample(*SEARCH, 0.5, 7, top_k=3, top_p=0.9)],
            "drawn at 0.5, top k 3, top p 0.9",
        ),
        (
            Decoding(beam=1, no_repeats=2),
            lambda: [[h] for h in greedy(*SEARCH, forbid=no_repeats(2))],
            "greedy",
        ),
    ],
)
def test_settings_choose_the_decoder(decoding, same, name):
    assert decoding.decode(*SEARCH, rng=7) == same()
    assert decoding.name == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 1.0, "beam": 3}, "leave out beam and groups"),
        ({"temperature": 1.0, "groups": 2}, "leave out beam and groups"),
        ({"top_k": 5}, "give a temperature"),
        ({"top_p": 0.9, "beam": 2}, "give a temperature"),
        ({"beam": 4, "groups": 3}, "a beam of 4 cannot be shared by 3 groups evenly"),
        ({"groups": 2}, "a beam of 3 cannot be shared by 2 groups"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Decoding(**options)
