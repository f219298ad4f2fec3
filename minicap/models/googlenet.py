"""GoogLeNet (Szegedy et al. 2015, table 1): nine blocks, each with filters of several sizes side by side."""

from collections.abc import Callable
from functools import partial

from minicap.nn import (
    LRN,
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

# Filters in each block, as in the columns of the table: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1
# after the pooling.
_BLOCKS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
_HALVED_BEHIND = {"inception3b": "maxpool3", "inception4e": "maxpool4"}
_WITH_HEAD = ("inception4a", "inception4d")
_Unit = Callable[..., Sequential]  # (channels, filters, size, stride=1)


def googlenet(
    num_classes: int = 1000,
    batch_norm: bool = True,
    heads: bool = True,
    image_size: int = 224,
    width: float = 1.0,
) -> WithHeads:
    """Photos (N, 3, image_size, image_size) to scores (N, num_classes); in training (3, N, num_classes).

    batch_norm: torchvision's form, normalised after every convolution, with 3x3 filters in place of the 5x5
    ones and a last pooling of 2x2.  Otherwise the paper's, with biases, and with local response normalisation
    (LRN) in the first layers.
    heads: two more classifiers used in training, see minicap.nn.WithHeads.  Without them the scores always
    have one shape, and photos may have any size.
    width: a factor on the number of filters in every layer, rounded.
    Layers have torchvision's names.
    """

    def wide(filters: int) -> int:
        return max(1, round(width * filters))

    def norm(name: str) -> dict[str, Module]:
        return {} if batch_norm else {name: LRN(5, k=1.0)}

    unit = partial(_unit, batch_norm)
    trunk: dict[str, Module] = {
        "conv1": unit(3, wide(64), 7, stride=2),
        "maxpool1": _halve(),
        **norm("norm1"),
        "conv2": unit(wide(64), wide(64), 1),
        "conv3": unit(wide(64), wide(192), 3),
        **norm("norm2"),
        "maxpool2": _halve(),
    }
    beside: dict[str, Module] = {}
    channels, side = wide(192), (image_size + 1) // 16  # a convolution halves and rounds up, poolings down
    for name, columns in _BLOCKS.items():
        filters = [wide(column) for column in columns]
        trunk[name] = _inception(unit, channels, filters, 3 if batch_norm else 5)
        channels = filters[0] + filters[2] + filters[4] + filters[5]
        if heads and name in _WITH_HEAD:
            beside[name] = _head(unit, channels, side, wide(128), wide(1024), num_classes)
        if name in _HALVED_BEHIND:
            trunk[_HALVED_BEHIND[name]] = _halve(2 if batch_norm and name == "inception4e" else 3)
    trunk |= {"avgpool": GlobalAvgPool(), "dropout": Dropout(0.4), "fc": Affine(channels, num_classes, HEAD)}
    return WithHeads(Sequential(**trunk), beside, weight=0.3)


def _unit(batch_norm: bool, channels: int, filters: int, size: int, stride: int = 1) -> Sequential:
    conv = Conv2d(channels, filters, size, stride, pad=size // 2, bias=not batch_norm)
    norm = {"bn": BatchNorm2d(filters, eps=1e-3)} if batch_norm else {}
    return Sequential(conv=conv, **norm, relu=ReLU())


def _inception(unit: _Unit, channels: int, filters: list[int], large: int) -> Branches:
    """Four branches on x, side by side (figure 2b); large: the size of the largest filters."""
    only_1x1, reduce_3x3, of_3x3, reduce_large, of_large, behind_pool = filters
    return Branches(
        branch1=unit(channels, only_1x1, 1),
        branch2=_numbered(unit(channels, reduce_3x3, 1), unit(reduce_3x3, of_3x3, 3)),
        branch3=_numbered(unit(channels, reduce_large, 1), unit(reduce_large, of_large, large)),
        branch4=_numbered(MaxPool2d(3, stride=1, pad=1), unit(channels, behind_pool, 1)),
    )


def _head(unit: _Unit, channels: int, side: int, narrow: int, hidden: int, num_classes: int) -> Sequential:
    """A classifier on a grid of `side` x `side` cells, which averages 14 x 14 down to 4 x 4 (section 5)."""
    window = min(5, side)
    places = ((side - window) // 3 + 1) ** 2
    return Sequential(
        pool=AvgPool2d(window, stride=3),
        conv=unit(channels, narrow, 1),
        fc1=Affine(narrow * places, hidden),
        relu=ReLU(),
        dropout=Dropout(0.7),
        fc2=Affine(hidden, num_classes, HEAD),
    )


def _numbered(*modules: Module) -> Sequential:
    return Sequential(**{str(number): module for number, module in enumerate(modules)})


def _halve(size: int = 3) -> MaxPool2d:
    return MaxPool2d(size, stride=2, ceil_mode=True)
