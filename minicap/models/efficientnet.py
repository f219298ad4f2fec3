"""EfficientNet-Lite0: EfficientNet-B0 (Tan & Le 2019, table 1) without what is slow on small devices.

ReLU6 replaces SiLU, and no block has squeeze and excitation (the authors' "lite" variants of 2020).
"""

from minicap.nn import (
    Affine,
    BatchNorm2d,
    Conv2d,
    Dropout,
    GlobalAvgPool,
    Module,
    ReLU6,
    Residual,
    Sequential,
)
from minicap.nn.init import HEAD

# Of each stage: blocks, filter size, stride of its first block, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def efficientnet_lite0(num_classes: int = 1000, width: float = 1.0) -> Sequential:
    """Photos (N, 3, H, W) to scores (N, num_classes); trained on 224 x 224.

    width: a factor on the channels of every stage, rounded to whole numbers.
    The layer before `pool` gives (N, 1280 width, H / 32, W / 32), sizes rounded up.
    Layers are named as in lukemelas's PyTorch port, without the underscores.
    """

    def wide(channels: int) -> int:
        return max(1, round(width * channels))

    blocks: dict[str, Module] = {}
    channels = wide(32)
    for count, size, first_stride, expansion, out in _STAGES:
        for block in range(count):
            stride = first_stride if block == 0 else 1
            blocks[str(len(blocks))] = _inverted_bottleneck(channels, wide(out), size, stride, expansion)
            channels = wide(out)
    return Sequential(
        **_conv_norm("conv_stem", "bn0", 3, wide(32), 3, 2),
        relu0=ReLU6(),
        blocks=Sequential(**blocks),
        **_conv_norm("conv_head", "bn1", channels, wide(1280), 1),
        relu1=ReLU6(),
        pool=GlobalAvgPool(),
        dropout=Dropout(0.2),
        fc=Affine(wide(1280), num_classes, HEAD),
    )


def _inverted_bottleneck(channels: int, out: int, size: int, stride: int, expansion: int) -> Module:
    """Widen with 1x1 filters, filter every channel separately, narrow again (Sandler et al. 2018, table 1).

    x is added where the block keeps its shape.
    """
    wide = expansion * channels
    widen: dict[str, Module] = {}
    if expansion > 1:
        widen = {**_conv_norm("expand_conv", "bn0", channels, wide, 1), "relu0": ReLU6()}
    body = Sequential(
        **widen,
        **_conv_norm("depthwise_conv", "bn1", wide, wide, size, stride, groups=wide),
        relu1=ReLU6(),
        **_conv_norm("project_conv", "bn2", wide, out, 1),
    )
    return Residual(body) if channels == out and stride == 1 else body


def _conv_norm(
    conv: str, bn: str, channels: int, out: int, size: int, stride: int = 1, groups: int = 1
) -> dict[str, Module]:
    """A convolution padded as in TensorFlow, and its normalisation, under these names."""
    return {
        conv: Conv2d(channels, out, size, stride, pad="same", groups=groups, bias=False),
        bn: BatchNorm2d(out, momentum=0.99, eps=1e-3),
    }
