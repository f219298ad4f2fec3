"""Recurrent layers over whole sequences: few units, or enough of them that steps are multiplied in panels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

SIZES = st.one_of(st.integers(1, 6), st.sampled_from([64, 128]))


@st.composite
def masks(draw: st.DrawFn, N: int, T: int) -> np.ndarray:
    """Gaps anywhere, also whole sequences: booleans, or floats that are 0 or 1."""
    bits = draw(st.lists(st.booleans(), min_size=N * T, max_size=N * T))
    return np.array(bits).reshape(N, T).astype(draw(st.sampled_from([bool, np.float64])))


@st.composite
def sequences(draw: st.DrawFn, gates: int, more: Sequence[str] = ()) -> dict[str, Any]:
    """more: further arguments of the layer, "bh" (gates * H,) or "c0" (N, H) or none."""
    N, T = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    D, H = draw(st.integers(1, 6)), draw(SIZES)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    inputs = dict(
        x=rng.normal(size=(N, T, D)),
        h0=rng.normal(size=(N, H)) * draw(st.sampled_from([0, 1])),
        Wx=rng.normal(size=(D, gates * H)) / D**0.5,
        Wh=rng.normal(size=(H, gates * H)) / H**0.5,
        b=rng.normal(size=gates * H),
    )
    if "bh" in more:
        inputs["bh"] = rng.normal(size=gates * H)
    if "c0" in more and draw(st.booleans()):
        inputs["c0"] = rng.normal(size=(N, H))
    if draw(st.booleans()):
        inputs["mask"] = draw(masks(N, T))
    if "activation" in more:
        inputs["activation"] = draw(st.sampled_from(["tanh", "relu"]))
    return inputs


STRATEGIES = {
    ("rnn", "rnn_forward"): sequences(1, ("activation",)),
    ("lstm", "lstm_forward"): sequences(4, ("c0",)),
    ("gru", "gru_forward"): sequences(3, ("bh",)),
    ("gru", "gru_forward_reset_before"): sequences(3, ("bh",)).map(lambda a: a | {"reset_after": False}),
}
