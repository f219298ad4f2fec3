"""The memory of images (N, C, H, W) on a GPU: planes of H x W without gaps, samples or channels first.

A convolution is one matrix product when its result lies channels first, (C, N, H, W) in memory; the layers
after it keep that order, as a view with the logical axes, and nothing is transposed on the way.
"""

from typing import NamedTuple

from minicap.arrays.backends import Array, backend_of


class Planes(NamedTuple):
    """Images, seen by their memory.

    memory: contiguous, (N, C, H, W) or (C, N, H, W).  channels_first: which of them.
    """

    memory: Array
    channels_first: bool

    @property
    def images(self) -> Array:
        """The logical (N, C, H, W), a view."""
        return self.memory.swapaxes(0, 1) if self.channels_first else self.memory

    @property
    def steps(self) -> dict[str, int]:
        """The distances from one sample, and from one channel, to the next."""
        _, second, H, W = self.memory.shape
        near, far = H * W, second * H * W
        return dict(sample=near, channel=far) if self.channels_first else dict(sample=far, channel=near)


def planes(x: Array) -> Planes:
    """Images in their present order, copied only if that is neither of the two."""
    if not x.flags.c_contiguous and x.swapaxes(0, 1).flags.c_contiguous:
        return Planes(x.swapaxes(0, 1), True)
    return Planes(backend_of(x=x).xp.ascontiguousarray(x), False)


def planes_in(x: Array, channels_first: bool) -> Array:
    """The memory of images in the order asked for; a copy if they are in another."""
    return backend_of(x=x).xp.ascontiguousarray(x.swapaxes(0, 1) if channels_first else x)


def memory_of(x: Array) -> Planes:
    """Any array, seen by its memory: images as in `planes`, others in their own order of axes."""
    return planes(x) if x.ndim == 4 else Planes(backend_of(x=x).xp.ascontiguousarray(x), False)


def new_planes(shape: tuple[int, ...], like: Array, channels_first: bool) -> Planes:
    """New memory for an array of the logical shape, not filled; only images lie channels first."""
    memory = (shape[1], shape[0], *shape[2:]) if channels_first else shape
    return Planes(backend_of(like=like).xp.empty(memory, dtype=like.dtype), channels_first)
