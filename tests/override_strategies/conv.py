"""Convolutions for each algorithm of minicap.backend.cpu.conv, too large to be left to the textbook."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

pads = st.one_of(st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 3)), st.just("same"))
strides: SearchStrategy[Any] = st.sampled_from([1, 2, 3, (1, 2), (3, 1)])
dilations: SearchStrategy[Any] = st.sampled_from([1, 1, 2, (1, 3)])


one = st.just(1)


@st.composite
def convolutions(
    draw: st.DrawFn,
    channels: SearchStrategy[Any],
    filters: SearchStrategy[Any],
    sizes: SearchStrategy[Any],
    strides: SearchStrategy[Any] = one,
    pads: SearchStrategy[Any] = pads,
    dilations: SearchStrategy[Any] = one,
    groups: SearchStrategy[Any] = one,
) -> dict[str, Any]:
    """channels, filters: of one group."""
    stride, pad, dilation, groups = draw(strides), draw(pads), draw(dilations), draw(groups)
    size, C, F = draw(sizes), draw(channels), draw(filters)
    reach = [d * (k - 1) + 1 for d, k in zip(np.broadcast_to(dilation, 2), size, strict=True)]
    image = [r + draw(st.integers(3, 11)) for r in reach]
    # As many images as it takes to be worth the while, and then some.
    products = groups * C * F * np.prod(size) * np.prod([4 // s + 1 for s in np.broadcast_to(stride, 2)])
    N = int(np.ceil((1 << 14) / products)) + draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return dict(
        x=rng.normal(size=(N, groups * C, *image)),
        w=rng.normal(size=(groups * F, C, *size)),
        b=rng.normal(size=groups * F) if draw(st.booleans()) else None,
        stride=stride,
        pad=pad,
        dilation=dilation,
        groups=groups,
    )


@st.composite
def transposed_convolutions(draw: st.DrawFn) -> dict[str, Any]:
    """Images of a few pixels and enough of them."""
    stride, dilation, pad = (
        draw(strides),
        draw(dilations),
        draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
    )
    groups, C, F, size = draw(st.integers(1, 3)), draw(some), draw(some), draw(odd_sizes)
    image = [2 * p + draw(st.integers(1, 4)) for p in pad]
    steps = zip(np.broadcast_to(stride, 2), np.broadcast_to(dilation, 2), strict=True)
    N = int(np.ceil((1 << 14) / (groups * C * F * np.prod(size) * np.prod(image)))) + draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return dict(
        x=rng.normal(size=(N, groups * C, *image)),
        w=rng.normal(size=(groups * C, F, *size)),
        b=rng.normal(size=groups * F) if draw(st.booleans()) else None,
        stride=stride,
        pad=pad,
        dilation=dilation,
        groups=groups,
        output_pad=tuple(draw(st.integers(0, int(max(step)) - 1)) for step in steps),
    )


some = st.integers(1, 12)
odd_sizes = st.sampled_from([(2, 3), (3, 1), (7, 7), (4, 4), (1, 5)])
STRATEGIES = {
    ("conv", "conv_forward_winograd"): convolutions(
        st.integers(8, 20), st.integers(8, 20), st.sampled_from([(3, 3), (5, 5)]), groups=st.integers(1, 2)
    ),
    ("conv", "conv_forward_pointwise"): convolutions(
        st.integers(2, 20), some, st.just((1, 1)), strides, pads=st.just(0), groups=st.integers(1, 2)
    ),
    ("conv", "conv_forward_few_channels"): convolutions(
        st.integers(2, 4), some, odd_sizes, strides, pads, dilations, groups=st.integers(1, 2)
    ),
    ("conv", "conv_forward_depthwise"): convolutions(
        st.just(1), st.integers(1, 3), odd_sizes, strides, pads, dilations, groups=st.integers(2, 9)
    ),
    ("conv_transpose", "conv_transpose_forward"): transposed_convolutions(),
    ("conv", "conv_forward_columns"): convolutions(
        st.integers(9, 20), some, odd_sizes, strides, pads, dilations, groups=st.integers(1, 2)
    ),
}
