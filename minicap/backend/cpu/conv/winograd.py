"""Convolution by Winograd's minimal filtering: F(4x4, 3x3) and F(4x4, 5x5), stride 1.

The image is cut into tiles of m x m outputs; each sees a x a inputs, a = m + r - 1.  With the matrices of
transforms.py, at each of the a * a points (i, j) (Lavin & Gray 2016, eq. 13 to 15 and algorithm 1)

    V = B^T d B         of every tile d, for each channel
    U = G g G^T         of every filter g
    M_ij = V_ij U_ij    one product (tiles, C) (C, F) a point: the sum over the channels
    Y = A^T M A         of every tile, for each filter

so a 3x3 filter takes 36 products for 16 outputs instead of 144, and a 5x5 filter 64 instead of 400.  The
backward pass is the adjoint, step by step:

    dM = A dY A^T     dU_ij = V_ij^T dM_ij     dg = G^T dU G     dV_ij = dM_ij U_ij^T     dd = B dV B^T

and the overlapping tiles dd are added up.  V is computed again in the backward pass: that is as fast as
reading it back from memory, and keeping it would take 2.25 times the input (4 times for 5x5).

Every transform is a small matrix times long rows: `np.matmul` takes at most half the time that additions of
whole arrays do.  float32 loses some accuracy to the subtractions: of the largest value,
outputs and gradients are off by 2e-6 (C = 32) to 5e-6 (C = 512) for 3x3 and by 6e-6 to 1.2e-5 for 5x5, where
a plain sum is off by 5e-7.
"""

from collections.abc import Iterator

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.windows import Window
from minicap.backend.cpu.conv.blocks import Block, blocks, put, read, whole, write
from minicap.backend.cpu.conv.transforms import POINT_ONE, SIZES, Transforms, transforms
from minicap.backend.cpu.order import Scratch, as_hwnc

BLOCK_BYTES = 3 << 20  # V and M of a block of tiles
MIN_TILES = 128  # of a block: with fewer, loading the filters would cost more than the tiles
WHOLE_BYTES = 7 << 19  # of U: if no larger, it is made once; else a part at a time for every block
PART_BYTES = 2 << 20
FEWEST_CHANNELS = 8  # with fewer, the transforms cost more than the products they save
LONG_ROW = 512  # entries; a shorter row is not worth calling a matrix product


def fits(window: Window) -> bool:
    """Whether this algorithm can do it: a square filter it has matrices for, stride 1, no dilation."""
    taps = window.size[0]
    return window.size == (taps, taps) and taps in SIZES and window.stride == window.dilation == (1, 1)


def convolve(x: Array, w: Array, b: Array | None, out: Array, window: Window) -> None:
    """Fill out (N, F, OH, OW) from x (N, C, H, W) and w (F, C, r, r); any memory orders."""
    F, C = w.shape[:2]
    t = transforms(window.size[0], x.dtype)
    images, outputs, scratch = as_hwnc(x), as_hwnc(out), Scratch(x.dtype)
    parts = _parts(F, C * len(t.BT) ** 2 * x.itemsize)
    for block in _blocks(window, t, images.shape[2], C, F, x.itemsize):
        V = to_points(_read_tiles(images, block, t, window, scratch), t, scratch)
        points, *tiles, _ = V.shape
        for part in parts:
            if len(parts) > 1 or block.is_first:
                U = filters_at_points(w[part], t, scratch)
            M = scratch("M", points, *tiles, U.shape[-1])
            np.matmul(V.reshape(points, -1, C), U, out=M.reshape(points, -1, U.shape[-1]))
            if b is not None:
                constant = M[_point_one(t)]
                constant += b[part]
            place = block.row * t.m, block.col * t.m
            target = whole(outputs[..., part], *place, block.rows * t.m, block.cols * t.m, block.images)
            Y = from_points(M, t, scratch, target)
            if target is None:
                write(Y, outputs[..., part], *place, block.images)


def gradients(dout: Array, x: Array, w: Array, dx: Array, window: Window) -> tuple[Array, Array]:
    """Fill dx; return dw (F, C, r, r) and db (F,)."""
    F, C = w.shape[:2]
    t = transforms(window.size[0], x.dtype)
    images, douts, dimages, scratch = as_hwnc(x), as_hwnc(dout), as_hwnc(dx), Scratch(x.dtype)
    dw, db = np.zeros(w.shape, x.dtype), np.zeros(F, x.dtype)
    parts = _parts(C, F * len(t.BT) ** 2 * x.itemsize)
    top, left = (before for before, _ in window.pad)
    for block in _blocks(window, t, images.shape[2], C, F, x.itemsize):
        row, col = block.row * t.m, block.col * t.m
        dY = whole(douts, row, col, block.rows * t.m, block.cols * t.m, block.images)
        if dY is None:
            dY = scratch("Y", block.rows * t.m, block.cols * t.m, block.N, F)
            read(douts, row, col, block.images, dY)
        dM = outputs_adjoint(dY, t, scratch)
        points = len(dM)
        db += dM[_point_one(t)].reshape(-1, F).sum(axis=0)
        dM = dM.reshape(points, -1, F)
        for part in parts:
            V = to_points(_read_tiles(images[..., part], block, t, window, scratch), t, scratch)
            flat = V.reshape(points, -1, V.shape[-1])
            dU = scratch("dU", points, F, V.shape[-1])
            np.matmul(dM.swapaxes(1, 2), flat, out=dU)
            dw[:, part] += filters_adjoint(dU, t, scratch)
            if len(parts) > 1 or block.is_first:
                UT = filters_at_points_transposed(w[:, part], t, scratch)
            np.matmul(dM, UT, out=flat)  # dV; V is no longer needed
            overlap = (t.r - 1 if row else 0), (t.r - 1 if col else 0)
            dpixels = inputs_adjoint(V, t, scratch)
            put(dpixels, dimages[..., part], row - top, col - left, block.images, *overlap)
    return dw, db


def filters_at_points(w: Array, t: Transforms, scratch: Scratch) -> Array:
    """U = G g G^T.  w: (F, C, r, r).  Returns (a*a, C, F)."""
    F, C = w.shape[:2]
    taps = np.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(t.r, t.r, C * F)
    return _both_sides("U", t.G, taps, scratch).reshape(-1, C, F)


def filters_at_points_transposed(w: Array, t: Transforms, scratch: Scratch) -> Array:
    """The same with filters before channels, as the backward pass needs it: (a*a, F, C)."""
    F, C = w.shape[:2]
    taps = np.ascontiguousarray(w.reshape(F * C, -1).T).reshape(t.r, t.r, F * C)
    return _both_sides("U", t.G, taps, scratch).reshape(-1, F, C)


def filters_adjoint(dU: Array, t: Transforms, scratch: Scratch) -> Array:
    """dg = G^T dU G.  dU: (a*a, F, C).  Returns (F, C, r, r)."""
    a = len(t.BT)
    _, F, C = dU.shape
    taps = _both_sides("dg", t.G.T, dU.reshape(a, a, F * C), scratch)
    return taps.transpose(2, 0, 1).reshape(F, C, t.r, t.r)


def _both_sides(name: str, matrix: Array, squares: Array, scratch: Scratch) -> Array:
    """matrix S matrix^T for many squares S at once.

    matrix: (p, q).  squares: (q, q, L).  Returns (p, p, L).
    """
    p, q = matrix.shape
    L = squares.shape[-1]
    half, whole = scratch("half", p, q, L), scratch(name, p, p, L)
    np.matmul(matrix, squares.swapaxes(0, 1), out=half.swapaxes(0, 1))
    return np.matmul(matrix, half, out=whole)


def to_points(pixels: Array, t: Transforms, scratch: Scratch) -> Array:
    """V = B^T d B of overlapping tiles.  pixels: (R*m + r-1, T*m + r-1, n, C).  Returns (a*a, R, T, n, C)."""
    a = len(t.BT)
    height, width, n, C = pixels.shape
    R, T = (height - t.r + 1) // t.m, (width - t.r + 1) // t.m
    rows = scratch("rows", R, a, width * n * C)
    np.matmul(t.BT, _tiles(pixels.reshape(height, -1), R, t.m, a), out=rows)
    V = scratch("V", a, a, R, T, n * C)
    np.matmul(t.BT, _tiles(rows.reshape(R, a, width, n * C), T, t.m, a), out=V.transpose(2, 0, 3, 1, 4))
    return V.reshape(a * a, R, T, n, C)


def inputs_adjoint(dV: Array, t: Transforms, scratch: Scratch) -> Array:
    """dd = B dV B^T, overlapping tiles added up: the adjoint of to_points."""
    a = len(t.BT)
    _, R, T, n, C = dV.shape
    height, width = R * t.m + t.r - 1, T * t.m + t.r - 1
    rows = scratch("rows", R, a, width, n * C)
    _add_tiles(t, dV.reshape(a, a, R, T, n * C).transpose(2, 0, 3, 1, 4), rows, scratch)
    pixels = scratch("pixels", height, width, n, C)
    _add_tiles(t, rows.reshape(R, a, -1), pixels.reshape(height, -1), scratch)
    return pixels


def from_points(M: Array, t: Transforms, scratch: Scratch, out: Array | None = None) -> Array:
    """Y = A^T M A.  M: (a*a, R, T, n, F).  Returns (R*m, T*m, n, F), in out if it is given."""
    a = len(t.BT)
    _, R, T, n, F = M.shape
    rows = scratch("out rows", t.m, a, R, T * n * F)
    np.matmul(t.AT, M.reshape(a, a, R, -1).transpose(1, 2, 0, 3), out=rows.transpose(1, 2, 0, 3))
    Y = scratch("Y", R * t.m, T * t.m, n, F) if out is None else out
    by_tile = Y.reshape(R, t.m, T, t.m, n * F)
    np.matmul(t.AT, rows.reshape(t.m, a, R, T, n * F).transpose(2, 0, 3, 1, 4), out=by_tile)
    return Y


def outputs_adjoint(dY: Array, t: Transforms, scratch: Scratch) -> Array:
    """dM = A dY A^T: the adjoint of from_points."""
    a = len(t.BT)
    height, width, n, F = dY.shape
    R, T = height // t.m, width // t.m
    rows = scratch("out rows", t.m, a, R, T * n * F)
    by_tile = dY.reshape(R, t.m, T, t.m, n * F)
    np.matmul(t.AT.T, by_tile, out=rows.reshape(t.m, a, R, T, n * F).transpose(2, 0, 3, 1, 4))
    M = scratch("M", a, a, R, T * n * F)
    np.matmul(t.AT.T, rows.transpose(1, 2, 0, 3), out=M.transpose(1, 2, 0, 3))
    return M.reshape(a * a, R, T, n, F)


def _read_tiles(images: Array, block: Block, t: Transforms, window: Window, scratch: Scratch) -> Array:
    """The pixels that a block of tiles sees, zeros around the image included."""
    height, width = block.rows * t.m + t.r - 1, block.cols * t.m + t.r - 1
    pixels = scratch("pixels", height, width, block.N, images.shape[3])
    (top, _), (left, _) = window.pad
    read(images, block.row * t.m - top, block.col * t.m - left, block.images, pixels)
    return pixels


def _tiles(lines: Array, count: int, step: int, length: int, first: int = 0) -> Array:
    """A view of overlapping tiles of contiguous lines (..., L, D), from a first line on.

    Returns (..., count, length, D).  (as_strided would do it in five times the time.)
    """
    *lead, line, entry = lines.strides
    shape = (*lines.shape[:-2], count, length, lines.shape[-1])
    return np.ndarray(shape, lines.dtype, lines, first * line, (*lead, step * line, line, entry))


def _add_tiles(t: Transforms, points: Array, lines: Array, scratch: Scratch) -> None:
    """Fill lines (..., L, D) with the sum of the overlapping tiles B points; points: (..., count, a, D).

    The rows of B go m at a time: the first m fill every line once, the others hang over into the next tiles.
    """
    a, m, count = len(t.BT), t.m, points.shape[-3]
    np.matmul(t.BT.T[:m], points, out=_tiles(lines, count, m, m))
    lines[..., count * m :, :] = 0
    for first in range(m, a, m):
        over = t.BT.T[first : first + m]
        part = scratch("over", *points.shape[:-2], len(over), points.shape[-1])
        np.matmul(over, points, out=part)
        target = _tiles(lines, count, m, len(over), first)
        target += part


def _blocks(window: Window, t: Transforms, N: int, C: int, F: int, itemsize: int) -> Iterator[Block]:
    rows, cols = -(-window.out[0] // t.m), -(-window.out[1] // t.m)
    tiles = max(MIN_TILES, BLOCK_BYTES // (len(t.BT) ** 2 * (C + F) * itemsize))
    images = min(N, max(1, -(-LONG_ROW // min(C, F))))
    across = min(cols, max(1, tiles // images))
    down = min(rows, max(1, tiles // (images * across)))
    images = min(N, max(images, tiles // (down * across)))
    return blocks(rows, cols, N, (down, across, images))


def _parts(length: int, bytes_each: int) -> list[slice]:
    """Cut filters or channels so that their share of U stays in cache."""
    if length * bytes_each <= WHOLE_BYTES:
        return [slice(length)]
    step = max(16, PART_BYTES // bytes_each // 16 * 16)
    return [slice(start, start + step) for start in range(0, length, step)]


def _point_one(t: Transforms) -> int:
    """Where in the a * a points both coordinates are 1: the adjoint of adding a constant to every output."""
    return POINT_ONE * (len(t.BT) + 1)
