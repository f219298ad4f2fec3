"""From preprocessed photos to the features a captioner reads."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import backend_of, to_device, to_host
from minicap.data.images import Preprocess
from minicap.errors import InputError
from minicap.models.squeezenet import SqueezeNet


class Encoder(Protocol):
    """What turns a batch of preprocessed photos (N, 3, S, S) into features (N, F)."""

    name: str
    size: int

    @property
    def preprocess(self) -> Preprocess: ...
    def encode(self, images: NDArray[np.float32]) -> NDArray[np.float32]: ...


class SqueezeNetEncoder:
    """Mean and maximum of each channel of SqueezeNet's fire9 grid: 1024 numbers a photo."""

    name = "squeezenet1_1-fire9-mean-max"
    size = 1024

    @property
    def preprocess(self) -> Preprocess:
        return SqueezeNet.preprocess

    @cached_property
    def net(self) -> SqueezeNet:
        """Loaded when the first photo comes."""
        return SqueezeNet.pretrained()

    def encode(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        grid: Any = self.net.features(to_device(images))
        mean, maximum = grid.mean(axis=(2, 3)), grid.max(axis=(2, 3))
        return to_host(backend_of(grid=grid).xp.concatenate([mean, maximum], axis=1))


ENCODERS: dict[str, Callable[[], Encoder]] = {SqueezeNetEncoder.name: SqueezeNetEncoder}


def make_encoder(name: str) -> Encoder:
    """The encoder of that name.  Raises InputError for one that this minicap does not have."""
    if name not in ENCODERS:
        raise InputError(f"unknown encoder {name!r}; this minicap has {', '.join(ENCODERS)}")
    return ENCODERS[name]()
