"""Every layer pair has a module."""

from pathlib import Path

import numpy as np
import pytest

from minicap import layers, nn
from minicap.errors import InputError

PAIRS = sorted(name.removesuffix("_forward") for name in layers.__all__ if name.endswith("_forward"))
# Residual writes a plus, and a captioner that attends at every step projects its places itself.
SPELLED_OUT = {"add", "soft_attention_step"}


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair not in SPELLED_OUT])
def test_some_module_calls_the_pair(pair):
    rooms = Path(nn.__file__).parent.glob("*.py")
    assert any(f"{pair}_forward" in room.read_text(encoding="utf-8") for room in rooms)


def test_pieces_and_back_again(rng):
    x = rng.normal(size=(2, 6))
    split = nn.Split((1, 2, 3))
    pieces, cache = split.forward(x, train=True)
    assert [piece.shape for piece in pieces] == [(2, 1), (2, 2), (2, 3)]
    dx, grads = split.backward(pieces, cache)
    np.testing.assert_array_equal(dx, x)
    assert grads == {}


def test_another_cell_is_refused():
    with pytest.raises(InputError, match="Bidirectional: cell is 'cnn' but must be one of rnn, lstm, gru"):
        nn.Bidirectional(4, 3, "cnn")
