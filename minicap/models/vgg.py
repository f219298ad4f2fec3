"""VGG (Simonyan & Zisserman 2015, table 1): 3x3 convolutions in five blocks of growing width."""

from collections.abc import Sequence
from itertools import pairwise

from minicap.errors import InputError
from minicap.nn import Affine, BatchNorm2d, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential
from minicap.nn.init import HEAD

# Convolutions in each of the five blocks: the paper's columns A, B, D and E.
_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(
    depth: int = 16,
    num_classes: int = 1000,
    batch_norm: bool = False,
    image_size: int = 224,
    filters: Sequence[int] = (64, 128, 256, 512, 512),
    hidden: int = 4096,
) -> Sequential:
    """VGG with depth 11, 13, 16 or 19: photos (N, 3, image_size, image_size) to scores (N, num_classes).

    batch_norm: normalise after every convolution, which the paper predates.
    filters: of each block.  hidden: units of the two hidden layers.
    `features` ends after the fifth pooling.  Raises InputError for another depth.
    """
    if depth not in _CONVOLUTIONS:
        raise InputError(f"vgg: depth is {depth} but must be one of {', '.join(map(str, _CONVOLUTIONS))}")
    features: list[Module] = []
    for convolutions, (before, width) in zip(_CONVOLUTIONS[depth], pairwise((3, *filters)), strict=True):
        for channels in (before, *[width] * (convolutions - 1)):
            features += [
                Conv2d(channels, width, 3, pad=1),
                *([BatchNorm2d(width)] if batch_norm else []),
                ReLU(),
            ]
        features.append(MaxPool2d())
    last = filters[-1] * (image_size // 32) ** 2
    return Sequential(
        features=Sequential(*features),
        classifier=Sequential(
            *(Affine(last, hidden), ReLU(), Dropout(0.5)),
            *(Affine(hidden, hidden), ReLU(), Dropout(0.5)),
            Affine(hidden, num_classes, HEAD),
        ),
    )
