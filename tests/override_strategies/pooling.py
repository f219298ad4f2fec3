"""Pooling over any windows, with ties; half of the images lie in H, W, N, C order."""

from typing import Any

import numpy as np
from hypothesis import strategies as st


def images(draw: st.DrawFn, N: int, C: int, H: int, W: int) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    few_values = draw(st.booleans())  # many entries are equal then, as behind a ReLU
    memory = rng.integers(-1, 3, (H, W, N, C)) * 1.0 if few_values else rng.normal(size=(H, W, N, C))
    x = memory.transpose(2, 3, 0, 1)
    return x if draw(st.booleans()) else np.ascontiguousarray(x)


@st.composite
def pools(draw: st.DrawFn, averages: bool = False) -> dict[str, Any]:
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    pad = tuple(draw(st.integers(0, k // 2)) for k in size)
    H, W = (k + draw(st.integers(0, 7)) for k in size)
    options = dict(count_include_pad=draw(st.booleans())) if averages else {}
    return options | dict(
        x=images(draw, draw(st.integers(1, 4)), draw(st.integers(1, 5)), H, W),
        size=size,
        stride=draw(st.one_of(st.none(), st.integers(1, 5), st.tuples(st.integers(1, 3), st.integers(1, 3)))),
        pad=pad,
        ceil_mode=draw(st.booleans()),
    )


@st.composite
def whole_images(draw: st.DrawFn) -> dict[str, Any]:
    sizes = [draw(st.integers(2, 6)) for _ in range(4)]
    return dict(x=np.ascontiguousarray(images(draw, *sizes).transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1))


STRATEGIES = {
    ("max_pool", "max_pool_forward"): pools(),
    ("relu_max_pool", "relu_max_pool_forward"): pools(),
    ("avg_pool", "avg_pool_forward"): pools(averages=True),
    ("global_avg_pool", "global_avg_pool_forward"): whole_images(),
}
