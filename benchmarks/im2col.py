"""The floor: image classifiers on CS231n's fast layers, in plain NumPy and float32.

Convolution copies all windows of the batch into one matrix and makes one product of it; pooling compares
every tile with its maximum.  The course hands out a compiled (Cython) loop for one step, the gradients of the
windows added up into the image; here whole slices are added, which takes as long (docs/benchmarks.md).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = Any


def _columns(x: Array, size: int, stride: int, pad: int) -> Array:
    """Every window of x (N, C, H, W) as a column: (C * size * size, N * OH * OW)."""
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    strided = windows[:, :, ::stride, ::stride]
    return strided.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * size * size, -1)


def _images(columns: Array, shape: Sequence[int], size: int, stride: int, pad: int) -> Array:
    """The adjoint of _columns: pixels that are in several columns get the sum."""
    N, C, H, W = shape
    OH, OW = (H + 2 * pad - size) // stride + 1, (W + 2 * pad - size) // stride + 1
    windows = columns.reshape(C, size, size, N, OH, OW).transpose(1, 2, 3, 0, 4, 5)
    padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dtype=columns.dtype)
    for i in range(size):
        for j in range(size):
            rows, cols = slice(i, i + stride * OH, stride), slice(j, j + stride * OW, stride)
            padded[:, :, rows, cols] += windows[i, j]
    return padded[:, :, pad : pad + H, pad : pad + W]


def conv_forward(x: Array, w: Array, b: Array, stride: int, pad: int) -> tuple[Array, Any]:
    """x (N, C, H, W), w (F, C, size, size), b (F,)."""
    N, F, size = len(x), len(w), w.shape[2]
    OH, OW = (
        (x.shape[2] + 2 * pad - size) // stride + 1,
        (x.shape[3] + 2 * pad - size) // stride + 1,
    )
    columns = _columns(x, size, stride, pad)
    out = (w.reshape(F, -1) @ columns + b[:, None]).reshape(F, N, OH, OW).transpose(1, 0, 2, 3)
    return np.ascontiguousarray(out), (x.shape, w, stride, pad, columns)


def conv_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """dx, dw, db"""
    shape, w, stride, pad, columns = cache
    F = len(w)
    dscores = dout.transpose(1, 0, 2, 3).reshape(F, -1)
    dw = (dscores @ columns.T).reshape(w.shape)
    dx = _images(w.reshape(F, -1).T @ dscores, shape, w.shape[2], stride, pad)
    return dx, dw, dout.sum(axis=(0, 2, 3))


def pool_forward(x: Array, size: int) -> tuple[Array, Any]:
    """Maximum of windows that tile the image."""
    N, C, H, W = x.shape
    tiles = x.reshape(N, C, H // size, size, W // size, size)
    out = tiles.max(axis=3).max(axis=4)
    return out, (tiles, out)


def pool_backward(dout: Array, cache: Any) -> Array:
    """dx; equal maxima of a window share its gradient."""
    tiles, out = cache
    mask = tiles == out[:, :, :, None, :, None]
    dtiles = np.zeros_like(tiles)
    dtiles[mask] = np.broadcast_to(dout[:, :, :, None, :, None], tiles.shape)[mask]
    dtiles /= mask.sum(axis=(3, 5), keepdims=True)
    N, C, OH, size, OW, _ = tiles.shape
    return dtiles.reshape(N, C, OH * size, OW * size)


def softmax_loss(scores: Array, y: Array) -> tuple[Array, Array]:
    """Mean loss and dscores."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dscores, N = np.exp(log_p), len(y)
    dscores[np.arange(N), y] -= 1
    return -log_p[np.arange(N), y].mean(), dscores / np.float32(N)


class Net:
    """A stack of layers (benchmarks.cases.networks.Brick) by name, trained with Nesterov's momentum."""

    def __init__(self, bricks: Mapping[str, Any], params: Mapping[str, Array]) -> None:
        self.layers = bricks
        self.params = {name: array.copy() for name, array in params.items()}
        self.v = {name: np.zeros_like(array) for name, array in params.items()}
        self.rng = np.random.default_rng(0)

    def step(self, x: Array, y: Array, rate: float, momentum: float, dropout: bool = True) -> Array:
        """One update; returns the loss before it."""
        backwards: list[Callable[[Array], tuple[Array, dict[str, Array]]]] = []
        for name, brick in self.layers.items():
            x, backward = self._forward(x, name, brick, dropout)
            backwards.append(backward)
        loss, dx = softmax_loss(x, y)
        for backward in reversed(backwards):
            dx, grads = backward(dx)
            for name, dw in grads.items():
                v = self.v[name]
                v *= momentum
                v -= rate * dw
                self.params[name] += momentum * v - rate * dw
        return loss

    def _forward(self, x: Array, name: str, brick: Any, dropout: bool) -> tuple[Array, Callable[..., Any]]:
        """A layer's output, and its backward: dout -> dx and the gradients of its parameters."""
        if brick.kind in ("conv", "fc"):
            w, b = self.params[f"{name}.w"], self.params[f"{name}.b"]
        match brick.kind:
            case "conv":
                out, cache = conv_forward(x, w, b, 1, brick.size // 2)

                def conv(dout: Array) -> tuple[Array, dict[str, Array]]:
                    dx, dw, db = conv_backward(dout, cache)
                    return dx, {f"{name}.w": dw, f"{name}.b": db}

                return out, conv
            case "fc":
                flat = x.reshape(len(x), -1)

                def fc(dout: Array) -> tuple[Array, dict[str, Array]]:
                    dx = (dout @ w.T).reshape(x.shape)
                    return dx, {f"{name}.w": flat.T @ dout, f"{name}.b": dout.sum(axis=0)}

                return flat @ w + b, fc
            case "pool":
                out, tiles = pool_forward(x, brick.size)
                return out, lambda dout: (pool_backward(dout, tiles), {})
            case "dropout" if dropout:
                kept = (self.rng.random(x.shape, dtype=np.float32) >= brick.rate) / np.float32(1 - brick.rate)
                return x * kept, lambda dout: (dout * kept, {})
            case "relu":
                return np.maximum(x, 0), lambda dout: (dout * (x > 0), {})
        return x, lambda dout: (dout, {})
