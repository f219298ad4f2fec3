"""How the accuracy of both normalisations is judged."""

import numpy as np
import pytest

from minicap.arrays import textbook


@pytest.fixture
def hold_against_textbook():
    """A function (function, drawn, times) that asserts what its name says."""
    return _hold_against_textbook


def _hold_against_textbook(function, drawn, times):
    """Over all draws, each float32 result has at most `times` the root mean square error of the textbook."""
    ours, theirs = [], []
    for given in drawn:
        with textbook():
            exact = function(*(array.astype(np.float64) for array in given))
            theirs.append([got - true for got, true in zip(function(*given), exact, strict=True)])
        ours.append([got - true for got, true in zip(function(*given), exact, strict=True)])
    for our_errors, their_errors in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        assert np.linalg.norm(np.stack(our_errors)) <= times * np.linalg.norm(np.stack(their_errors))
