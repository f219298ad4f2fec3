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
from minicap.models.squeezenet import SqueezeNet


class Encoder(Protocol):
    """Turns a batch of preprocessed photos into features of one kind or another.

    config: its settings, a dataclass whose `name` is that of the encoder in the registry.
    shapes: the kinds it gives and the shape of each for one photo, such as {"pooled": (F,), "grid": (S, F)}.
    """

    preprocess: ClassVar[Preprocess]

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


class Entry(NamedTuple):
    """An encoder and the dataclass of its settings."""

    encoder: Any  # called with its settings, makes an Encoder
    settings: type[Any]


ENCODERS = {"squeezenet1_1": Entry(SqueezeNetEncoder, SqueezeNetEncoderConfig)}
ENCODER_SETTINGS = {name: entry.settings for name, entry in ENCODERS.items()}


def make_encoder(config: Any) -> Encoder:
    """The encoder that these settings are of."""
    encoder: Encoder = ENCODERS[config.name].encoder(config)
    return encoder
