"""im2col and col2im: a convolution as one matrix product.

Column p of the matrix holds what the window sees at position p; col2im is its transpose and adds every entry
back to the pixel it came from.
"""

from collections.abc import Iterator

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.windows import Window


def im2col(images: Array, window: Window) -> Array:
    """Copy what the window sees at each of its positions.  images: (N, C, H, W).

    Returns (C, HH, WW, N, OH, OW); reshaped to (C*HH*WW, N*OH*OW) it is the matrix of the textbooks.
    """
    as_strided = backend_of(images=images).xp.lib.stride_tricks.as_strided
    padded = pad_images(images, window)
    (sh, sw), (dh, dw) = window.stride, window.dilation
    n, c, h, w = padded.strides
    shape = (padded.shape[1], *window.size, len(images), *window.out)
    return as_strided(padded, shape, (c, h * dh, w * dw, n, h * sh, w * sw)).copy()


def col2im(columns: Array, window: Window) -> Array:
    """Add columns back to the pixels they came from.  columns: (C, HH, WW, N, OH, OW).  Returns (N, C, H, W).

    One slice per entry of the window: no two sums race, so every run gives the same bits.
    """
    C, _, _, N, _, _ = columns.shape
    padded = backend_of(columns=columns).xp.zeros((C, N, *padded_size(window)), dtype=columns.dtype)
    entries = columns.reshape(C, -1, N, *window.out)
    for entry, pixels in enumerate(taps(padded, window)):
        pixels += entries[:, entry]
    return crop_images(padded, window).swapaxes(0, 1)


def taps(padded: Array, window: Window) -> Iterator[Array]:
    """For each entry of the window, row by row: a view (..., OH, OW) of the pixels at that entry."""
    (sh, sw), (dh, dw), (OH, OW) = window.stride, window.dilation, window.out
    for i in range(0, window.size[0] * dh, dh):
        for j in range(0, window.size[1] * dw, dw):
            yield padded[..., i : i + sh * (OH - 1) + 1 : sh, j : j + sw * (OW - 1) + 1 : sw]


def pad_images(images: Array, window: Window, value: float = 0) -> Array:
    """The images (..., H, W) with the window's padding around them; the same array when there is none."""
    if window.pad == ((0, 0), (0, 0)):
        return images
    shape = (*images.shape[:-2], *padded_size(window))
    padded = backend_of(images=images).xp.full(shape, value, dtype=images.dtype)
    crop_images(padded, window)[...] = images
    return padded


def crop_images(padded: Array, window: Window) -> Array:
    """A view of padded images without their padding."""
    (top, _), (left, _) = window.pad
    H, W = window.image
    return padded[..., top : top + H, left : left + W]


def padded_size(window: Window) -> tuple[int, ...]:
    """Height and width of the padded image."""
    return tuple(size + sum(pad) for size, pad in zip(window.image, window.pad, strict=True))
