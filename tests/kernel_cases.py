"""Cases of every override of the CuPy backend, and how a pair is run on them."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from strict_cupy import counting, strict_cupy_backend

from minicap.arrays import Override, to_device
from minicap.backend.gpu.overrides import OVERRIDES
from minicap.gradcheck.case import Case, Inputs
from minicap.gradcheck.library import load_cases
from minicap.gradcheck.nested import flatten, map_leaves

# Of the largest entry; the fast pair in float32 is compared with the textbook in float64.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def normal(*shape: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.normal(size=shape)


def larger(layer: str, variant: str, **arguments: Any) -> Case:
    """A case of several blocks of threads; an argument that is a function draws its value."""

    def make(rng: np.random.Generator) -> Inputs:
        return {name: value(rng) if callable(value) else value for name, value in arguments.items()}

    return Case(layer, variant, make)


def channels_first(N: int, C: int, H: int, W: int) -> Callable[[np.random.Generator], Any]:
    """Images as a convolution leaves them."""
    return lambda rng: rng.normal(size=(C, N, H, W)).swapaxes(0, 1)


def statistics(C: int) -> dict[str, Any]:
    return dict(gamma=normal(C), beta=normal(C), running_mean=normal(C), running_var=np.ones(C))


def weights(D: int, H: int, gates: int) -> dict[str, Any]:
    return dict(Wx=scaled(D, gates * H), Wh=scaled(H, gates * H), b=normal(gates * H))


def scaled_filters(*shape: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))


def scaled(rows: int, columns: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.normal(size=(rows, columns)) / np.sqrt(rows)


def classes(*shape: int, below: int, dtype: Any = np.int64) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.integers(below, size=shape, dtype=dtype)


LARGER = [
    larger("affine", "several tiles", x=normal(70, 9, 9), w=normal(81, 90), b=normal(90)),
    larger(
        "conv", "several tiles", x=normal(9, 17, 8, 9), w=scaled_filters(70, 17, 3, 3), b=normal(70), pad=1
    ),
    larger("conv", "narrow tiles", x=normal(3, 5, 9, 11), w=scaled_filters(30, 5, 3, 3), b=normal(30)),
    larger(
        "conv_relu", "many tiles", x=normal(9, 17, 8, 9), w=scaled_filters(70, 17, 3, 3), b=normal(70), pad=1
    ),
    larger(
        "conv_relu", "stride", x=channels_first(3, 5, 9, 11), w=scaled_filters(9, 5, 3, 3), b=None, stride=2
    ),
    larger(
        "affine_relu_dropout", "tiles", x=normal(70, 9, 9), w=scaled(81, 90), b=normal(90), rate=0.3, rng=5
    ),
    larger("batchnorm", "many", x=normal(300, 5), **statistics(5)),
    larger("spatial_batchnorm", "many", x=normal(5, 7, 9, 11), **statistics(7)),
    larger("spatial_batchnorm", "channels first", x=channels_first(5, 7, 9, 11), **statistics(7)),
    larger("batchnorm", "several blocks a channel", x=normal(2100, 3), **statistics(3)),
    larger("spatial_batchnorm", "several blocks a channel", x=normal(5, 3, 25, 27), **statistics(3)),
    larger(
        "spatial_batchnorm",
        "several blocks a channel, channels first",
        x=channels_first(9, 2, 17, 16),
        **statistics(2),
    ),
    larger("layernorm", "many rows", x=normal(300, 33), gamma=normal(33), beta=normal(33)),
    larger("layernorm", "many features", x=normal(3, 5, 600), gamma=normal(600), beta=normal(600)),
    larger("dropout", "channels first", x=channels_first(3, 5, 4, 6), rate=0.3, rng=5),
    *(
        larger("groupnorm", variant, x=x, gamma=normal(6), beta=normal(6), groups=3)
        for variant, x in (
            ("many pixels", normal(3, 6, 13, 29)),
            ("channels first", channels_first(3, 6, 5, 4)),
        )
    ),
    *(larger(layer, "many classes", x=normal(3, 2, 700)) for layer in ("softmax", "log_softmax")),
    larger("relu", "many", x=normal(3, 400)),
    larger("conv", "several blocks", x=normal(3, 5, 11, 9), w=normal(7, 5, 3, 3), b=normal(7), pad=1),
    larger("conv", "channels first", x=channels_first(3, 5, 11, 9), w=normal(4, 5, 3, 2), b=None, stride=2),
    larger("max_pool", "several blocks", x=normal(3, 5, 17, 12), size=3, stride=2, pad=1),
    larger("max_pool", "channels first", x=channels_first(3, 5, 8, 6)),
    larger("relu_max_pool", "several blocks", x=normal(3, 5, 17, 12), size=3, stride=2, pad=1),
    larger("avg_pool", "several blocks", x=normal(3, 5, 17, 12), size=3, stride=2, pad=1),
    larger("avg_pool", "channels first", x=channels_first(3, 5, 8, 6)),
    larger("dropout", "many blocks", x=normal(7, 5, 13, 31), rate=0.3, rng=5),
    larger("spatial_dropout", "many channels", x=normal(5, 70, 3, 2), rate=0.3, rng=5),
    *(
        larger(layer, "many samples", x=normal(70, 4, 6), h0=normal(70, 41), **weights(6, 41, gates), **more)
        for layer, gates, more in (
            ("lstm", 4, dict(c0=normal(70, 41))),
            ("gru", 3, dict(bh=normal(123))),
            ("rnn", 1, {}),
        )
    ),
    larger("lstm", "several blocks", x=normal(13, 3, 6), h0=normal(13, 41), **weights(6, 41, 4)),
    larger(
        "gru", "several blocks", x=normal(13, 3, 6), h0=normal(13, 41), **weights(6, 41, 3), bh=normal(123)
    ),
    larger("rnn", "several blocks", x=normal(13, 3, 6), h0=normal(13, 41), **weights(6, 41, 1)),
    larger("softmax_loss", "many classes", x=normal(5, 1003), y=classes(5, below=1003)),
    larger("softmax_loss", "one class", x=normal(3, 1), y=np.zeros(3, int), reduction="none"),
    larger("softmax_loss", "32-bit classes", x=normal(4, 33), y=classes(4, below=33, dtype=np.int32)),
    larger("softmax_loss", "far apart", x=lambda rng: 300 * rng.normal(size=(4, 50)), y=classes(4, below=50)),
    *(
        larger(
            "temporal_softmax_loss",
            f"many words, {reduction}, {'masked' if mask is not None else 'all'}",
            x=normal(3, 4, 700),
            y=classes(3, 4, below=700),
            mask=mask,
            reduction=reduction,
            label_smoothing=0.1,
        )
        for reduction in ("mean", "words", "sum", "none")
        for mask in (None, np.arange(12).reshape(3, 4) % 4 < 2)
    ),
    larger("embedding", "frequent words", ids=classes(9, 11, below=7), table=normal(300, 261)),
    larger(
        "embedding", "32-bit", ids=classes(9, below=7, dtype=np.int32), table=normal(8, 3), padding_index=2
    ),
    larger(
        "additive_attention",
        "many places",
        **(dict(h=normal(3, 49, 40), d=normal(3, 6), W1=scaled(40, 300), W2=scaled(6, 300))),
        **(
            dict(
                b=normal(300),
                v=lambda rng: 0.1 * rng.normal(size=300),
                mask=np.arange(147).reshape(3, 49) < 120,
            )
        ),
    ),
    *(
        larger(
            "soft_attention_step",
            variant,
            **dict(
                features=normal(3, 49, 40), keys=normal(3, 49, 300), h=normal(3, 270), Wh=scaled(270, 300)
            ),
            **dict(b=normal(300), v=lambda rng: 0.1 * rng.normal(size=300), **more),
        )
        for variant, more in (
            ("many places", {}),
            (
                "many places, gated, masked",
                dict(w_beta=scaled(270, 1), b_beta=normal(1), mask=np.arange(147).reshape(3, 49) % 50 < 40),
            ),
        )
    ),
    larger("dot_product_attention", "many keys", q=normal(2, 3, 8), k=normal(2, 400, 8), v=normal(2, 400, 5)),
]
CASES = [*load_cases(large=False), *LARGER]


@cache
def supporting(case: Case, dtype: str) -> tuple[Override, ...]:
    """The overrides that take this case."""
    inputs = on_device(inputs_of(case, dtype), strict_cupy_backend())
    return tuple(o for o in OVERRIDES if o.layer == case.layer and o.supports(**inputs))


def inputs_of(case: Case, dtype: str) -> Inputs:
    def cast(leaf: Any) -> Any:
        return leaf.astype(dtype) if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" else leaf

    return map_leaves(cast, case.make(np.random.default_rng(0)))


def on_device(values: Any, backend: Any = None) -> Any:
    """Every host array moved to a backend, by default the one that new arrays are made on."""
    return map_leaves(lambda leaf: to_device(leaf, backend) if isinstance(leaf, np.ndarray) else leaf, values)


def run(forward: Any, backward: Any, inputs: Inputs, dtype: str) -> list[Any]:
    """Outputs and gradients, flat; the upstream gradients are a fixed draw."""
    result = forward(**inputs)
    if backward is None:
        return flatten(result)
    *outs, cache = result
    rng = np.random.default_rng(1)
    douts = [rng.normal(size=out.shape).astype(dtype) for out in outs]
    if not isinstance(outs[0], np.ndarray):
        douts = on_device(douts)
    with counting() as counts:
        gradients = backward(*douts, cache)
    assert not counts.stalls
    return [*outs, *flatten(gradients)]
