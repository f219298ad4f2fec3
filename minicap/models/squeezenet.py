"""SqueezeNet 1.1 (Iandola et al. 2016; version 1.1 of the authors), with its ImageNet weights."""

from importlib import resources
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.data.images import SQUEEZENET, Preprocess
from minicap.formats import load_safetensors
from minicap.layers import concat_backward, concat_forward
from minicap.nn import (
    Conv2d,
    Dropout,
    GlobalAvgPool,
    Gradients,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    prefixed,
)

_WEIGHTS = "weights/squeezenet1_1.safetensors"


class Fire(Module):
    """Squeeze to few channels by 1x1 filters, then expand by 1x1 and 3x3 filters side by side."""

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = Sequential(conv=Conv2d(in_channels, squeeze, 1), relu=ReLU())
        self.expand1x1 = Sequential(conv=Conv2d(squeeze, expand, 1), relu=ReLU())
        self.expand3x3 = Sequential(conv=Conv2d(squeeze, expand, 3, pad=1), relu=ReLU())

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        squeezed, squeeze_cache = self.squeeze.forward(x)
        small, small_cache = self.expand1x1.forward(squeezed)
        large, large_cache = self.expand3x3.forward(squeezed)
        out, concat_cache = concat_forward(small, large, axis=1)
        return out, (squeeze_cache, small_cache, large_cache, concat_cache)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        squeeze_cache, small_cache, large_cache, concat_cache = cache
        dsmall, dlarge = concat_backward(dout, concat_cache)
        dsqueezed1, small = self.expand1x1.backward(dsmall, small_cache)
        dsqueezed3, large = self.expand3x3.backward(dlarge, large_cache)
        dx, squeeze = self.squeeze.backward(dsqueezed1 + dsqueezed3, squeeze_cache)
        grads = prefixed("squeeze", squeeze) | prefixed("expand1x1", small) | prefixed("expand3x3", large)
        return dx, grads


class SqueezeNet(Module):
    """SqueezeNet 1.1: images (N, 3, 227, 227) to scores (N, 1000).

    `features` ends in fire9's grid (N, 512, 14, 14).
    """

    preprocess: Preprocess = SQUEEZENET

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = Sequential(
            conv1=Conv2d(3, 64, 3, stride=2),
            relu1=ReLU(),
            pool1=MaxPool2d(3, 2, ceil_mode=True),
            fire2=Fire(64, 16, 64),
            fire3=Fire(128, 16, 64),
            pool3=MaxPool2d(3, 2, ceil_mode=True),
            fire4=Fire(128, 32, 128),
            fire5=Fire(256, 32, 128),
            pool5=MaxPool2d(3, 2, ceil_mode=True),
            fire6=Fire(256, 48, 192),
            fire7=Fire(384, 48, 192),
            fire8=Fire(384, 64, 256),
            fire9=Fire(512, 64, 256),
        )
        self.classifier = Sequential(
            dropout=Dropout(0.5), conv10=Conv2d(512, num_classes, 1), relu=ReLU(), pool=GlobalAvgPool()
        )

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        grid, features_cache = self.features.forward(x, train, rng)
        scores, classifier_cache = self.classifier.forward(grid, train, rng)
        return scores, (features_cache, classifier_cache)

    def __call__(self, x: Array) -> Array:
        return self.classifier(self.features(x))

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        features_cache, classifier_cache = cache
        dgrid, classifier = self.classifier.backward(dout, classifier_cache)
        dx, features = self.features.backward(dgrid, features_cache)
        return dx, prefixed("features", features) | prefixed("classifier", classifier)

    @classmethod
    def pretrained(cls) -> "SqueezeNet":
        """With the ImageNet weights that ship in the package (BSD-2-Clause, see weights/NOTICE.txt)."""
        model = cls()
        with resources.as_file(resources.files("minicap.models") / _WEIGHTS) as path:
            tensors, _ = load_safetensors(path)
        model.load({_own_name(name): array.astype(np.float32) for name, array in tensors.items()})
        return model


# The weights carry torchvision's names, which number the bricks of `features`.
_BRICKS = {"0": "conv1", "3": "fire2", "4": "fire3", "6": "fire4", "7": "fire5"}
_BRICKS |= {str(n): f"fire{n - 3}" for n in range(9, 13)}


def _own_name(name: str) -> str:
    """features.3.squeeze.weight -> features.fire2.squeeze.conv.w"""
    part, brick, *inner, kind = name.split(".")
    end = {"weight": "w", "bias": "b"}[kind]
    if part == "classifier":
        return f"classifier.conv10.{end}"
    return ".".join(["features", _BRICKS[brick], *(f"{i}.conv" for i in inner), end])
