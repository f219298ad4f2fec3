"""From preprocessed photos to the features a captioner or a multi-label model reads; encoders by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device
from minicap.data.images import Preprocess
from minicap.errors import InputError
from minicap.layers import avg_pool_forward
from minicap.models.pretrained import load_pretrained, require_weights, weights_identity
from minicap.models.published import pretrained
from minicap.models.squeezenet import SqueezeNet
from minicap.nn import Module, Sequential


class Encoder(Protocol):
    """Turns a batch of preprocessed photos into features of one kind or another.

    config: its settings, a dataclass whose `name` is that of the encoder in the registry.
    preprocess: how it wants its photos.
    shapes: the kinds it gives and the shape of each for one photo, such as {"pooled": (F,), "grid": (S, F)}.
    """

    @property
    def preprocess(self) -> Preprocess: ...
    @property
    def config(self) -> Any: ...
    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...
    def key(self, kind: str) -> str:
        """Names the features of this kind in a cache: the weights, the layer, the pooling."""

    def encode(self, images: NDArray[np.float32], kind: str = "pooled") -> Array:
        """Features (N, *shapes[kind]) of photos (N, 3, size, size), on the current backend."""


@dataclass(frozen=True)
class SqueezeNetEncoderConfig:
    """Settings of SqueezeNet as an encoder.

    name: SqueezeNet 1.1 up to fire9, 512 channels on a grid of 14 x 14; pooled, their means and maxima.
    window: the grid is averaged over windows this many cells wide; 2 leaves 7 x 7 places.
    """

    name: Literal["squeezenet1_1"] = field(default="squeezenet1_1", kw_only=True)
    window: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.window <= 14:
            raise InputError(f"window is {self.window} but must be 1 to 14")


class SqueezeNetEncoder:
    """fire9's grid of SqueezeNet 1.1, or the mean and the maximum of each of its channels."""

    preprocess: ClassVar[Preprocess] = SqueezeNet.preprocess

    def __init__(self, config: SqueezeNetEncoderConfig | None = None) -> None:
        self.config = config or SqueezeNetEncoderConfig()
        side = 14 // self.config.window
        self.shapes: Mapping[str, tuple[int, ...]] = {"pooled": (1024,), "grid": (side * side, 512)}

    def key(self, kind: str) -> str:
        return {
            "pooled": "squeezenet1_1-fire9-mean-max",
            "grid": f"squeezenet1_1-fire9-grid-window{self.config.window}",
        }[kind]

    @cached_property
    def net(self) -> SqueezeNet:
        """Loaded when the first photo comes."""
        return SqueezeNet.pretrained()

    def encode(self, images: NDArray[np.float32], kind: str = "pooled") -> Array:
        grid: Any = self.net.features(to_device(images))
        xp = backend_of(grid=grid).xp
        if kind == "pooled":
            return xp.concatenate([grid.mean(axis=(2, 3)), grid.max(axis=(2, 3))], axis=1)
        places, _ = avg_pool_forward(grid, size=self.config.window)
        return xp.ascontiguousarray(places.reshape(*places.shape[:2], -1).swapaxes(1, 2))


@dataclass(frozen=True)
class ResNet50EncoderConfig:
    """Settings of ResNet-50 as an encoder.

    name: ResNet-50 up to its last stage, 2048 channels on a grid of 7 x 7; pooled, their means.
    weights: resnet50_v1 (`minicap weights get` brings them) or torchvision's resnet50.
    """

    name: Literal["resnet50"] = field(default="resnet50", kw_only=True)
    weights: Literal["resnet50_v1", "resnet50"] = "resnet50_v1"


@dataclass(frozen=True)
class VGG16EncoderConfig:
    """Settings of VGG16 as an encoder: it has none.

    name: VGG16 up to its last convolution, 512 channels on a grid of 14 x 14; pooled, their means.
    """

    name: Literal["vgg16"] = field(default="vgg16", kw_only=True)


@dataclass(frozen=True)
class EfficientNetLite0EncoderConfig:
    """Settings of EfficientNet-Lite0 as an encoder: it has none.

    name: EfficientNet-Lite0 up to its last convolution, 1280 channels on 7 x 7; pooled, their means.
    """

    name: Literal["efficientnet_lite0"] = field(default="efficientnet_lite0", kw_only=True)


@dataclass(frozen=True)
class InceptionV3EncoderConfig:
    """Settings of Inception v3 as an encoder.

    name: Inception v3 up to its last block, 2048 channels on a grid of 8 x 8; pooled, their means.
    weights: inception_v3_2015 (`minicap weights get` brings them), torchvision's inception_v3 or Keras'
    inception_v3_keras.
    """

    name: Literal["inception_v3"] = field(default="inception_v3", kw_only=True)
    weights: Literal["inception_v3_2015", "inception_v3", "inception_v3_keras"] = "inception_v3_2015"


class PretrainedEncoder:
    """The last grid of a network with published weights, or the mean of each of its channels.

    weights: the network in minicap.models.pretrained.  last: the flat name of the module that gives the grid.
    side, channels: of the grid.  Raises InputError, saying how to get the weights, when they are not here.
    """

    def __init__(self, config: Any, weights: str, last: str, side: int, channels: int) -> None:
        self.config, self.weights, self.last = config, weights, last
        self.preprocess = pretrained(weights).preprocess
        self.shapes: Mapping[str, tuple[int, ...]] = {"pooled": (channels,), "grid": (side * side, channels)}
        require_weights(weights)

    def key(self, kind: str) -> str:
        return f"{self.weights}-{weights_identity(self.weights)}-{self.last}-{kind}"

    @cached_property
    def trunk(self) -> Module:
        """Loaded when the first photo comes."""
        net, _ = load_pretrained(self.weights)
        *path, last = self.last.split(".")
        for name in path:
            net = net.children[name]
        names = list(net.children)
        return Sequential(**{name: net.children[name] for name in names[: names.index(last) + 1]})

    def encode(self, images: NDArray[np.float32], kind: str = "pooled") -> Array:
        grid: Any = self.trunk(to_device(images))
        if kind == "pooled":
            return grid.mean(axis=(2, 3))
        xp = backend_of(grid=grid).xp
        return xp.ascontiguousarray(grid.reshape(*grid.shape[:2], -1).swapaxes(1, 2))


def _resnet50(config: ResNet50EncoderConfig) -> Encoder:
    return PretrainedEncoder(config, config.weights, "layer4", 7, 2048)


def _vgg16(config: VGG16EncoderConfig) -> Encoder:
    return PretrainedEncoder(config, "vgg16_features", "features.relu13", 14, 512)


def _efficientnet_lite0(config: EfficientNetLite0EncoderConfig) -> Encoder:
    return PretrainedEncoder(config, "efficientnet_lite0", "relu1", 7, 1280)


def _inception_v3(config: InceptionV3EncoderConfig) -> Encoder:
    return PretrainedEncoder(config, config.weights, "trunk.Mixed_7c", 8, 2048)


class Entry(NamedTuple):
    """An encoder and the dataclass of its settings."""

    encoder: Any  # called with its settings, makes an Encoder
    settings: type[Any]


ENCODERS = {
    "squeezenet1_1": Entry(SqueezeNetEncoder, SqueezeNetEncoderConfig),
    "resnet50": Entry(_resnet50, ResNet50EncoderConfig),
    "vgg16": Entry(_vgg16, VGG16EncoderConfig),
    "inception_v3": Entry(_inception_v3, InceptionV3EncoderConfig),
    "efficientnet_lite0": Entry(_efficientnet_lite0, EfficientNetLite0EncoderConfig),
}
ENCODER_SETTINGS = {name: entry.settings for name, entry in ENCODERS.items()}


def make_encoder(config: Any) -> Encoder:
    """The encoder that these settings are of."""
    encoder: Encoder = ENCODERS[config.name].encoder(config)
    return encoder
