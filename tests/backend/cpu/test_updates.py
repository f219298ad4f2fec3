"""Large parameters move piece by piece, bit for bit as they do at once."""

import numpy as np
import pytest

from minicap.arrays import textbook
from minicap.backend.cpu import pieces
from minicap.optim import RULES, SGD


@pytest.mark.parametrize("rule", RULES.values())
def test_a_rule_moves_large_parameters_as_its_body_does(rule, rng, monkeypatch):
    seen = []
    apply = rule.apply
    monkeypatch.setattr(pieces, "ENTRIES", 1 << 10)
    shapes = {"w": (70, 41), "b": (41,)}
    here, there = ({name: np.ones(shape) for name, shape in shapes.items()} for _ in range(2))
    ours, expected = rule(0.1, weight_decay=0.01), rule(0.1, weight_decay=0.01)
    ours.apply = lambda w, dw, state: (seen.append(w.size), apply(ours, w, dw, state))
    for _ in range(3):
        grads = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        ours.step(here, grads)
        with textbook():
            expected.step(there, grads)
    assert max(seen) <= 1 << 10
    for name in shapes:
        np.testing.assert_array_equal(here[name], there[name])
    for name, array in expected.arrays().items():
        np.testing.assert_array_equal(ours.arrays()[name], array)


def test_a_rule_of_ones_own_is_handed_whole_parameters(monkeypatch):
    monkeypatch.setattr(pieces, "ENTRIES", 4)

    class Normalised(SGD):
        """w -= lr dw / |dw|, where the length is that of the whole gradient."""

        def update(self, w, dw, state):
            w -= self.learning_rate * dw / np.linalg.norm(dw)

    w = np.zeros((4, 4))
    Normalised(1.0).step({"w": w}, {"w": np.ones((4, 4))})
    np.testing.assert_allclose(w, -0.25)
