"""Residual networks (He et al. 2016, table 1)."""

from typing import Literal

from minicap.errors import InputError
from minicap.nn import (
    Affine,
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool,
    MaxPool2d,
    Module,
    ReLU,
    Residual,
    Sequential,
)
from minicap.nn.init import HEAD

# Blocks in each of the four stages.
_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
Version = Literal["v1", "v1.5"]


def resnet(
    depth: int = 50, num_classes: int = 1000, version: Version = "v1.5", width: int = 64
) -> Sequential:
    """ResNet with depth 18, 34, 50 or 101: photos (N, 3, H, W) to scores (N, num_classes).

    version: where a bottleneck block halves its image (depth 50 and 101): in its first 1x1 convolution, as
    the paper does ("v1"), or in its 3x3 convolution, as PyTorch does ("v1.5").
    width: channels of the first stage; the others have 2, 4 and 8 times as many.
    Layers have torchvision's names; a block's convolutions are in `residual.body`, the path around them in
    `residual.shortcut`.  Raises InputError for another depth or version.
    """
    if depth not in _BLOCKS:
        raise InputError(f"resnet: depth is {depth} but must be one of {', '.join(map(str, _BLOCKS))}")
    if version not in ("v1", "v1.5"):
        raise InputError(f'resnet: version is {version!r} but must be "v1" or "v1.5"')
    make_body = _basic if depth < 50 else _bottleneck
    stages: dict[str, Module] = {}
    channels = width
    for stage, count in enumerate(_BLOCKS[depth]):
        blocks: dict[str, Module] = {}
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            body, out = make_body(channels, width * 2**stage, stride, version)
            blocks[str(block)] = Sequential(
                residual=Residual(body, _shortcut(channels, out, stride)), relu=ReLU()
            )
            channels = out
        stages[f"layer{stage + 1}"] = Sequential(**blocks)
    return Sequential(
        conv1=Conv2d(3, width, 7, stride=2, pad=3, bias=False),
        bn1=BatchNorm2d(width),
        relu=ReLU(),
        maxpool=MaxPool2d(3, stride=2, pad=1),
        **stages,
        avgpool=GlobalAvgPool(),
        fc=Affine(channels, num_classes, HEAD),
    )


def _basic(channels: int, width: int, stride: int, version: Version) -> tuple[Module, int]:
    """Two 3x3 convolutions, and how many channels they end in."""
    body = Sequential(
        conv1=Conv2d(channels, width, 3, stride, pad=1, bias=False),
        bn1=BatchNorm2d(width),
        relu=ReLU(),
        conv2=Conv2d(width, width, 3, pad=1, bias=False),
        bn2=BatchNorm2d(width),
    )
    return body, width


def _bottleneck(channels: int, width: int, stride: int, version: Version) -> tuple[Module, int]:
    """A 3x3 convolution between two of 1x1, which narrow and widen, and how many channels they end in."""
    in_1x1, in_3x3 = (stride, 1) if version == "v1" else (1, stride)
    body = Sequential(
        conv1=Conv2d(channels, width, 1, in_1x1, bias=False),
        bn1=BatchNorm2d(width),
        relu1=ReLU(),
        conv2=Conv2d(width, width, 3, in_3x3, pad=1, bias=False),
        bn2=BatchNorm2d(width),
        relu2=ReLU(),
        conv3=Conv2d(width, 4 * width, 1, bias=False),
        bn3=BatchNorm2d(4 * width),
    )
    return body, 4 * width


def _shortcut(channels: int, out: int, stride: int) -> Module | None:
    """A 1x1 convolution; None, for x itself, where the block keeps its shape."""
    if channels == out and stride == 1:
        return None
    return Sequential(conv=Conv2d(channels, out, 1, stride, bias=False), bn=BatchNorm2d(out))
