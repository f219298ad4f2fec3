"""From preprocessed photos to the features of captioners and multi-label models; encoders by name."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device
from minicap.data.images import Preprocess
from minicap.errors import InputError
from minicap.formats import from_named
from minicap.layers import avg_pool_forward
from minicap.models.pretrained import load_pretrained, require_weights, weights_identity
from minicap.models.published import pretrained
from minicap.models.squeezenet import SqueezeNet
from minicap.models.stages import LastStage, below_last, cut_after, stage_means
from minicap.nn import Module
from minicap.nn.folding import fold_batch_norm

_OF_STAGES = {"stages": stage_means, "below": below_last}

StrPath: TypeAlias = str | os.PathLike[str]


class Encoder(Protocol):
    """Turns a batch of preprocessed photos into features of one kind or another.

    config: its settings, a dataclass whose `name` is that of the encoder in the registry.
    preprocess: how its photos are prepared.
    shapes: the kinds of features and the shape of each for one photo: {"pooled": (F,), "grid": (S, F),
    "stages": (F1 + F2 + ...,), "below": (F1 + F2 + ... + C h w,)}; stages is the mean of every channel after
    each stage of the network, below has the grid (C, h, w) before the last stage in place of its means.
    stages: (F1, F2, ...), how many channels each stage has.
    """

    @property
    def preprocess(self) -> Preprocess: ...
    @property
    def config(self) -> Any: ...
    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...
    @property
    def stages(self) -> tuple[int, ...]: ...
    def key(self, kind: str) -> str:
        """Identifies the features of this kind in a cache: the weights, the layer, the pooling."""

    def last_stage(self) -> LastStage:
        """A copy of the last stage with its pretrained weights, for features "below" it."""

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
    stages: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)
    stops = "features.pool1", "features.pool3", "features.pool5", "features.fire9"
    below: ClassVar[tuple[int, int, int]] = (256, 14, 14)

    def __init__(self, config: SqueezeNetEncoderConfig | None = None) -> None:
        self.config = config or SqueezeNetEncoderConfig()
        side = 14 // self.config.window
        self.shapes: Mapping[str, tuple[int, ...]] = {
            "pooled": (1024,),
            "grid": (side * side, 512),
            "stages": (sum(self.stages),),
            "below": (sum(self.stages[:-1]) + prod(self.below),),
        }

    def key(self, kind: str) -> str:
        return {
            "pooled": "squeezenet1_1-fire9-mean-max",
            "grid": f"squeezenet1_1-fire9-grid-window{self.config.window}",
            "stages": "squeezenet1_1-pools-fire9-means",
            "below": "squeezenet1_1-pools-means-grid",
        }[kind]

    @cached_property
    def net(self) -> SqueezeNet:
        """The network, loaded for the first photo."""
        return SqueezeNet.pretrained()

    def last_stage(self) -> LastStage:
        return LastStage(cut_after(self.net, self.stops)[-1], self.below)

    def encode(self, images: NDArray[np.float32], kind: str = "pooled") -> Array:
        if kind in _OF_STAGES:
            return _OF_STAGES[kind](cut_after(self.net, self.stops), to_device(images))
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
    """The last grid of a network with published weights, or the means of channels, there or at every stage.

    weights: the network in minicap.models.pretrained.  last: the flat name of the module that gives the grid.
    side, channels: of the grid.  stages: the flat name of the module that each stage ends with, and its
    channels.  side_below: of the grid before the last stage.  preprocess: other than the network's own.
    Raises InputError, saying how to get the weights, when they are not here.
    """

    def __init__(
        self,
        config: Any,
        weights: str,
        last: str,
        side: int,
        channels: int,
        stages: Mapping[str, int],
        side_below: int,
        preprocess: Preprocess | None = None,
    ) -> None:
        self.config, self.weights, self.last = config, weights, last
        self.preprocess = preprocess or pretrained(weights).preprocess
        self.stops, self.stages = tuple(stages), tuple(stages.values())
        self.below = self.stages[-2], side_below, side_below
        self.shapes: Mapping[str, tuple[int, ...]] = {
            "pooled": (channels,),
            "grid": (side * side, channels),
            "stages": (sum(self.stages),),
            "below": (sum(self.stages[:-1]) + prod(self.below),),
        }
        require_weights(weights)

    def key(self, kind: str) -> str:
        where = "-".join(self.stops) if kind in _OF_STAGES else self.last
        return f"{self.weights}-{weights_identity(self.weights)}-{where}-{kind}"

    @cached_property
    def net(self) -> Module:
        """The network, with batch normalisation folded, loaded for the first photo."""
        return fold_batch_norm(load_pretrained(self.weights)[0])

    def last_stage(self) -> LastStage:
        return LastStage(cut_after(self.net, self.stops)[-1], self.below)

    def encode(self, images: NDArray[np.float32], kind: str = "pooled") -> Array:
        if kind in _OF_STAGES:
            return _OF_STAGES[kind](cut_after(self.net, self.stops), to_device(images))
        (trunk,) = cut_after(self.net, [self.last])
        grid: Any = trunk(to_device(images))
        if kind == "pooled":
            return grid.mean(axis=(2, 3))
        xp = backend_of(grid=grid).xp
        return xp.ascontiguousarray(grid.reshape(*grid.shape[:2], -1).swapaxes(1, 2))


def _resnet50(config: ResNet50EncoderConfig) -> Encoder:
    stages = {"maxpool": 64, "layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048}
    return PretrainedEncoder(config, config.weights, "layer4", 7, 2048, stages, 14)


def _vgg16(config: VGG16EncoderConfig) -> Encoder:
    channels = (64, 128, 256, 512, 512)
    stages = {f"features.pool{i}": width for i, width in enumerate(channels, start=1)}
    return PretrainedEncoder(config, "vgg16_features", "features.relu13", 14, 512, stages, 14)


# Captions are about the borders of a photo too, so nearly all of it is kept.
WHOLE_PHOTOS = replace(pretrained("efficientnet_lite0").preprocess, resize_to=232, fit="squash")


def _efficientnet_lite0(config: EfficientNetLite0EncoderConfig) -> Encoder:
    # The last blocks on grids of 56, 28, 14 and 7 cells a side, and what the classifier reads.
    stages = {"blocks.2": 24, "blocks.4": 40, "blocks.10": 112, "blocks.15": 320, "relu1": 1280}
    return PretrainedEncoder(config, "efficientnet_lite0", "relu1", 7, 1280, stages, 7, WHOLE_PHOTOS)


def _inception_v3(config: InceptionV3EncoderConfig) -> Encoder:
    stages = {"maxpool1": 64, "maxpool2": 192, "Mixed_5d": 288, "Mixed_6e": 768, "Mixed_7c": 2048}
    in_trunk = {f"trunk.{name}": channels for name, channels in stages.items()}
    return PretrainedEncoder(config, config.weights, "trunk.Mixed_7c", 8, 2048, in_trunk, 17)


class Entry(NamedTuple):
    """An encoder and the dataclass of its settings."""

    encoder: Any  # called with its settings, makes an Encoder
    settings: type[Any]


ENCODERS = {
    "efficientnet_lite0": Entry(_efficientnet_lite0, EfficientNetLite0EncoderConfig),
    "squeezenet1_1": Entry(SqueezeNetEncoder, SqueezeNetEncoderConfig),
    "resnet50": Entry(_resnet50, ResNet50EncoderConfig),
    "vgg16": Entry(_vgg16, VGG16EncoderConfig),
    "inception_v3": Entry(_inception_v3, InceptionV3EncoderConfig),
}
ENCODER_SETTINGS = {name: entry.settings for name, entry in ENCODERS.items()}


def make_encoder(config: Any) -> Encoder:
    """The encoder that these settings are of."""
    encoder: Encoder = ENCODERS[config.name].encoder(config)
    return encoder


def described_encoder(about: Mapping[str, Any], where: str) -> Encoder:
    """The encoder that a checkpoint describes under "encoder" and "preprocess".

    where: names the checkpoint in messages.  Raises KeyError, TypeError or ValueError for a description that
    is damaged, or of photos that this encoder prepares differently.
    """
    encoder = make_encoder(from_named(ENCODER_SETTINGS, about["encoder"], "encoder", where))
    if Preprocess.from_json(about["preprocess"]) != encoder.preprocess:
        raise InputError(f"{where}: its photos were prepared differently from {encoder.config.name}'s")
    return encoder


def encode_files(encoder: Encoder, photos: StrPath | Sequence[StrPath], kind: str) -> Array:
    """Features (N, *encoder.shapes[kind]) of one photo file or several, on the current backend.

    Raises InputError when there are none, or naming a file that is not a photo.
    """
    several = [photos] if isinstance(photos, (str, os.PathLike)) else photos
    if not several:
        raise InputError("encode_files: there are no photos")
    return encoder.encode(np.stack([encoder.preprocess.read(photo) for photo in several]), kind)
