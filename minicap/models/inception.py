"""Inception v3 (Szegedy et al. 2016, "Rethinking the Inception Architecture", table 1)."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from minicap.errors import InputError
from minicap.nn import (
    Affine,
    AvgPool2d,
    BatchNorm2d,
    Branches,
    Conv2d,
    Dropout,
    GlobalAvgPool,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    WithHeads,
)
from minicap.nn.init import HEAD

# The publisher whose weights fit: their networks differ in how the blocks pool.
Graph = Literal["torchvision", "keras", "tf2015"]
_GRAPHS = ("torchvision", "keras", "tf2015")
_SMALLEST = 75  # pixels, which leave one cell for the last block


class _Conv(NamedTuple):
    filters: int
    size: int | tuple[int, int]
    stride: int = 1  # with 2 there is no padding


_Branch = list[_Conv | tuple[_Conv, _Conv]]  # one after another; both of a pair read the same input
_ACROSS, _DOWN = (1, 7), (7, 1)


def _block_35(pool: int) -> dict[str, _Branch]:
    """Figure 5, on a grid of 35 x 35."""
    return {
        "branch1x1": [_Conv(64, 1)],
        "branch5x5": [_Conv(48, 1), _Conv(64, 5)],
        "branch3x3dbl": [_Conv(64, 1), _Conv(96, 3), _Conv(96, 3)],
        "branch_pool": [_Conv(pool, 1)],
    }


def _block_17(narrow: int) -> dict[str, _Branch]:
    """Figure 6, on a grid of 17 x 17: filters of 7 x 7 in two steps."""
    down, across = _Conv(narrow, _DOWN), _Conv(narrow, _ACROSS)
    return {
        "branch1x1": [_Conv(192, 1)],
        "branch7x7": [_Conv(narrow, 1), across, _Conv(192, _DOWN)],
        "branch7x7dbl": [_Conv(narrow, 1), down, across, down, _Conv(192, _ACROSS)],
        "branch_pool": [_Conv(192, 1)],
    }


def _block_8() -> dict[str, _Branch]:
    """Figure 7, on a grid of 8 x 8: filters in both directions, side by side."""
    both = _Conv(384, (1, 3)), _Conv(384, (3, 1))
    return {
        "branch1x1": [_Conv(320, 1)],
        "branch3x3": [_Conv(384, 1), both],
        "branch3x3dbl": [_Conv(448, 1), _Conv(384, 3), both],
        "branch_pool": [_Conv(192, 1)],
    }


# A branch_pool without filters takes window maxima at stride 2.
_BLOCKS: dict[str, dict[str, _Branch]] = {
    "Mixed_5b": _block_35(pool=32),
    "Mixed_5c": _block_35(pool=64),
    "Mixed_5d": _block_35(pool=64),
    "Mixed_6a": {
        "branch3x3": [_Conv(384, 3, 2)],
        "branch3x3dbl": [_Conv(64, 1), _Conv(96, 3), _Conv(96, 3, 2)],
        "branch_pool": [],
    },
    "Mixed_6b": _block_17(narrow=128),
    "Mixed_6c": _block_17(narrow=160),
    "Mixed_6d": _block_17(narrow=160),
    "Mixed_6e": _block_17(narrow=192),
    "Mixed_7a": {
        "branch3x3": [_Conv(192, 1), _Conv(320, 3, 2)],
        "branch7x7x3": [_Conv(192, 1), _Conv(192, _ACROSS), _Conv(192, _DOWN), _Conv(192, 3, 2)],
        "branch_pool": [],
    },
    "Mixed_7b": _block_8(),
    "Mixed_7c": _block_8(),
}
_WITH_HEAD = "Mixed_6e"


def inception_v3(
    num_classes: int = 1000,
    graph: Graph = "torchvision",
    heads: bool = True,
    image_size: int = 299,
    width: float = 1.0,
) -> WithHeads:
    """Photos (N, 3, image_size, image_size) to scores (N, num_classes); in training (2, N, num_classes).

    graph: how a block pools.  "torchvision" counts the zeros around a grid in its means, "keras" does not;
    nor does "tf2015", the first one published, whose last block takes maxima.  The output of its `avgpool` is
    the 2048 numbers that many captioners and the FID score use.
    heads: a second classifier used in training, see minicap.nn.WithHeads.  Without it the scores always
    have one shape, and photos may have any size from 75 pixels.
    width: a factor on the number of filters in every layer, rounded.
    Layers have torchvision's names.  Raises InputError for another graph, or photos below 75 pixels.
    """
    if graph not in _GRAPHS:
        raise InputError(f"inception_v3: graph is {graph!r} but must be one of {', '.join(_GRAPHS)}")
    if image_size < _SMALLEST:
        raise InputError(f"inception_v3: image_size is {image_size} but must be at least {_SMALLEST}")

    def unit(channels: int, conv: _Conv, pad: bool = True) -> Sequential:
        return Sequential(**_unit(channels, conv, width, pad))

    stem = [_wide(filters, width) for filters in (32, 32, 64, 80, 192)]
    trunk: dict[str, Module] = {
        "Conv2d_1a_3x3": unit(3, _Conv(32, 3, stride=2)),
        "Conv2d_2a_3x3": unit(stem[0], _Conv(32, 3), pad=False),
        "Conv2d_2b_3x3": unit(stem[1], _Conv(64, 3)),
        "maxpool1": MaxPool2d(3, stride=2),
        "Conv2d_3b_1x1": unit(stem[2], _Conv(80, 1)),
        "Conv2d_4a_3x3": unit(stem[3], _Conv(192, 3), pad=False),
        "maxpool2": MaxPool2d(3, stride=2),
    }
    beside: dict[str, Module] = {}
    channels = stem[4]
    for name, branches in _BLOCKS.items():
        largest = graph == "tf2015" and name == "Mixed_7c"
        zeros_count = graph == "torchvision"
        pool = MaxPool2d(3, 1, 1) if largest else AvgPool2d(3, 1, 1, count_include_pad=zeros_count)
        trunk[name], channels = _block(channels, branches, pool, width)
        if heads and name == _WITH_HEAD:
            beside[name] = _head(channels, _side_of_17(image_size), width, num_classes)
    trunk |= {"avgpool": GlobalAvgPool(), "dropout": Dropout(0.5), "fc": Affine(channels, num_classes, HEAD)}
    return WithHeads(Sequential(**trunk), beside, weight=0.4)


def _block(
    channels: int, branches: Mapping[str, _Branch], pool: Module, width: float
) -> tuple[Branches, int]:
    """The branches side by side, `pool` in the last of them, and how many channels they give together."""
    modules, out = {}, 0
    for name, layers in branches.items():
        first = {} if name != "branch_pool" else {"pool": pool if layers else MaxPool2d(3, stride=2)}
        modules[name], own = _branch(channels, layers, first, width)
        out += own
    return Branches(**modules), out


def _branch(channels: int, layers: _Branch, first: dict[str, Module], width: float) -> tuple[Sequential, int]:
    """`first`, then the layers, and how many channels they end in; a single layer is not wrapped again."""
    if len(layers) == 1 and isinstance(conv := layers[0], _Conv):
        return Sequential(**first, **_unit(channels, conv, width)), _wide(conv.filters, width)
    modules = dict(first)
    for number, layer in enumerate(layers, 1):
        if isinstance(layer, _Conv):
            modules[str(number)] = Sequential(**_unit(channels, layer, width))
            channels = _wide(layer.filters, width)
        else:
            pair = [Sequential(**_unit(channels, conv, width)) for conv in layer]
            modules[str(number)] = Branches(a=pair[0], b=pair[1])
            channels = sum(_wide(conv.filters, width) for conv in layer)
    return Sequential(**modules), channels


def _head(channels: int, side: int, width: float, num_classes: int) -> Sequential:
    """A classifier on a grid of `side` x `side` cells, which averages 17 x 17 down to 5 x 5 (section 4)."""
    window = min(5, side)
    left = min(5, (side - window) // 3 + 1)
    return Sequential(
        pool=AvgPool2d(window, stride=3),
        conv0=Sequential(**_unit(channels, _Conv(128, 1), width)),
        conv1=Sequential(**_unit(_wide(128, width), _Conv(768, left), width, pad=False)),
        avgpool=GlobalAvgPool(),
        fc=Affine(_wide(768, width), num_classes, HEAD),
    )


def _unit(channels: int, conv: _Conv, width: float, pad: bool = True) -> dict[str, Module]:
    """A convolution, which keeps the size of its grid unless its stride is 2, with normalisation and ReLU."""
    filters = _wide(conv.filters, width)
    height, across = (conv.size, conv.size) if isinstance(conv.size, int) else conv.size
    margin = (height // 2, across // 2) if pad and conv.stride == 1 else 0
    return {
        "conv": Conv2d(channels, filters, conv.size, conv.stride, margin, bias=False),
        "bn": BatchNorm2d(filters, eps=1e-3),
        "relu": ReLU(),
    }


def _wide(filters: int, width: float) -> int:
    return max(1, round(width * filters))


def _side_of_17(image_size: int) -> int:
    """The side of the grid that is 17 x 17 for a photo of 299 pixels."""
    side = image_size
    for unpadded in (2, 2, 0, 0):  # cells lost to unpadded convolutions after a halving
        side = (side - 1) // 2 - unpadded
    return side
