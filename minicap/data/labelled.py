"""Samples with labels, in memory, as batches for training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minicap.arrays import Array
from minicap.arrays.random import RandomStream, random_keep
from minicap.errors import InputError, ShapeError
from minicap.nn.standardization import channel_moments

_ALTERNATION = 2**33  # its stream of random numbers, far from those of the steps

Augmentation = Callable[[Array, RandomStream], Array]


@dataclass(frozen=True, eq=False)
class ArrayDataset:
    """Samples x and their targets y.

    x: (N, ...), uint8 images (N, C, H, W) or numbers.  y: (N,) class indices, or (N, K) targets.
    classes: the names of the classes, if any.
    mean, std: of each channel; a batch of images holds (x / 255 - mean) / std in float32, one of numbers
    (x - mean) / std, floats in their own dtype and others in float32.
    augment: changes the images of a training batch at random (minicap.data.transforms), while their black
    is still 0: before mean and std are taken out.
    mirrored: which of the images (N, C, H, W) a training batch holds mirrored left to right, (N,) bool.
    alternate: a random half is mirrored in a run's first epoch, the other half in the next, and so on, so
    that two epochs in a row show every image both ways round (Jordan 2024, section 3.6).
    Raises ShapeError when x and y differ in length or mean and std do not fit the channels, InputError for
    a std that is not positive and for anything but arrays of numbers.
    """

    x: Array
    y: Array
    classes: tuple[str, ...] = ()
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    augment: Augmentation | None = None
    mirrored: Array | None = None
    alternate: bool = False

    def __post_init__(self) -> None:
        for name, array in (("x", self.x), ("y", self.y)):
            if not getattr(array, "ndim", 0) or array.dtype.kind not in "buif":
                raise InputError(f"ArrayDataset: {name} must be an array of numbers with an axis of samples")
        if len(self.x) != len(self.y):
            raise ShapeError(f"ArrayDataset: {len(self.x)} samples in x but {len(self.y)} in y")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and (self.x.ndim < 2 or len(values) != self.x.shape[1]):
                raise ShapeError(
                    f"ArrayDataset: {name} has {len(values)} numbers, one is needed for each channel of x "
                    f"{self.x.shape}"
                )
        if self.std is not None and not min(self.std) > 0:
            raise InputError(f"ArrayDataset: std is {tuple(self.std)} but must be positive")

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: np.ndarray, rng: RandomStream | None = None) -> dict[str, Array]:
        """The samples with these indices, {"x", "y"}; augmented if an rng is given, as in training."""
        x = self.x[indices]
        if self.mirrored is not None and rng is not None:
            x[self.mirrored[indices]] = x[self.mirrored[indices], ..., ::-1]
        return {"x": self.prepared(x, rng), "y": self.y[indices]}

    def of_epoch(self, epoch: int, rng: RandomStream) -> "ArrayDataset":
        """The same samples as training sees them after this many epochs."""
        if not self.alternate:
            return self
        first = random_keep(rng.child(_ALTERNATION), (len(self),), rate=0.5)
        return replace(self, mirrored=first ^ bool(epoch % 2))

    def prepared(self, x: Array, rng: RandomStream | None = None) -> Array:
        """Samples as the network reads them: floats, with mean and std taken out; augmented given an rng."""
        if x.dtype == np.uint8:
            x = x.astype(np.float32) / 255
        elif x.dtype.kind != "f":
            x = x.astype(np.float32)
        if self.augment is not None and rng is not None:
            x = self.augment(x, rng)
        per_channel = (-1, *[1] * (x.ndim - 2))
        if self.mean is not None:
            x = x - np.asarray(self.mean, dtype=x.dtype).reshape(per_channel)
        if self.std is not None:
            x = x / np.asarray(self.std, dtype=x.dtype).reshape(per_channel)
        return x

    def standardized(self) -> "ArrayDataset":
        """The same samples, with the mean and std of their own channels taken out of every batch."""
        scale = 255 if self.x.dtype == np.uint8 else 1
        mean, std, _ = channel_moments(self.x.transpose(0, *range(2, self.x.ndim), 1))
        mean, std = mean / scale, std / scale
        if not std.min() > 0:
            raise InputError(
                f"ArrayDataset: channel {int(std.argmin())} of x is the same everywhere, so its std is 0"
            )
        return replace(self, mean=tuple(mean), std=tuple(std))

    def subset(self, indices: Array) -> "ArrayDataset":
        """The samples with these indices."""
        mirrored = None if self.mirrored is None else self.mirrored[indices]
        return replace(self, x=self.x[indices], y=self.y[indices], mirrored=mirrored)

    def split(self, share: float, seed: int = 0) -> tuple["ArrayDataset", "ArrayDataset"]:
        """Two random parts, the first with this share of the samples.

        Raises InputError unless both parts have samples, and for a negative seed.
        """
        if seed < 0:
            raise InputError(f"ArrayDataset.split: seed is {seed} but must not be negative")
        first = round(share * len(self)) if 0 < share < 1 else 0
        if not 0 < first < len(self):
            raise InputError(
                f"ArrayDataset.split: a share of {share:g} of {len(self)} samples leaves one part empty"
            )
        order = np.random.default_rng(seed).permutation(len(self))
        return self.subset(np.sort(order[:first])), self.subset(np.sort(order[first:]))
