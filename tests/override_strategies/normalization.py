"""Batch normalisation of many rows and of images in every memory order, layer normalisation of many rows."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minicap.backend.cpu.normalization.rows import MIN_SIZE


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    D = draw(st.integers(1, 9))
    others = [draw(st.integers(2, 9)) for _ in range(draw(st.integers(0, 2)))]
    others.append(-(-MIN_SIZE // (D * prod(others))) + draw(st.integers(0, 3)))
    # Far from zero the textbook loses digits in float32; tests/backend/cpu/normalization goes there.
    x = draw(st.sampled_from([0, 1])) + rng.normal(size=(*others, D))
    return dict(
        x=np.moveaxis(x, -1, 1) if draw(st.booleans()) else x.swapaxes(1, -1),
        gamma=rng.normal(size=D),
        beta=rng.normal(size=D),
        running_mean=rng.normal(size=D),
        running_var=rng.uniform(0.5, 2, size=D),
        train=draw(st.booleans()),
        momentum=draw(st.floats(0, 1)),
        eps=draw(st.sampled_from([1e-5, 1e-3])),
    )


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    D = draw(st.integers(1, 70))
    others = [draw(st.integers(1, 9)) for _ in range(draw(st.integers(0, 2)))]
    others.append(-(-MIN_SIZE // (D * prod(others))) + draw(st.integers(0, 3)))
    return dict(
        x=draw(st.sampled_from([0, 1])) + rng.normal(size=(*others, D)),
        gamma=rng.normal(size=D),
        beta=rng.normal(size=D),
        eps=draw(st.sampled_from([1e-5, 1e-3])),
    )


STRATEGIES = {
    ("batchnorm", "batchnorm_forward"): batches(),
    ("layernorm", "layernorm_forward"): rows(),
}
