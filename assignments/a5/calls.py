"""How the exercises are called: large images are drawn from a seed, and work is counted on the way."""

import inspect
import sys
import threading
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from minicap.arrays import columns as textbook
from minicap.arrays.random import RandomStream
from minicap.arrays.windows import window_over
from minicap.assignments import sources
from minicap.assignments.cuda import KernelError, launch
from minicap.backend.cpu.conv import columns, transforms, winograd
from minicap.backend.cpu.order import Scratch
from minicap.training import shards

MOST_MEMORY = (
    16 << 20
)  # bytes that a convolution in blocks may take; the columns of its whole batch take 42 MB


def conv(x, w, b=None, stride=1, pad=0, dilation=1, groups=1):
    """Only its name and its signature are needed, for the messages of a window that does not fit."""


def window_of(x, w, stride=1, pad=0, dilation=1):
    return window_over(conv, x.shape[2:], w.shape[2:], stride, pad, dilation)


def empty(window, x, w):
    return np.full((len(x), len(w), *window.out), np.nan, x.dtype)


def lines_run(function, *args):
    """How many lines of Python a call runs: the same at every run, and on every machine."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return count


def im2col(x, size, stride, pad, dilation):
    """The columns, and how many lines of Python more an image takes that is four times as large."""
    w = np.zeros((1, x.shape[1], *size))
    found = textbook.im2col(x, window_of(x, w, stride, pad, dilation))
    few, many = (
        lines_run(textbook.im2col, images, window_of(images, w, stride, pad, dilation))
        for images in (x, np.tile(x, (1, 1, 2, 2)))
    )
    return {"columns": found, "more lines for more pixels": max(0, many - few)}


def columns_convolve(x, w, b, stride, pad, dilation):
    window = window_of(x, w, stride, pad, dilation)
    out = empty(window, x, w)
    columns.convolve(x, w, b, out, window)
    return out


def columns_in_blocks(seed):
    """A convolution whose columns take 42 MB, and whether it takes more memory than some blocks of them."""
    rng = np.random.default_rng(seed)
    x, w, b = rng.normal(size=(8, 32, 48, 48)), rng.normal(size=(8, 32, 3, 3)), rng.normal(size=8)
    window = window_of(x, w, pad=1)
    out = empty(window, x, w)
    with memory() as taken:
        columns.convolve(x, w, b, out, window)
    return {"out": out[:, :, ::12, ::12], "more than 16 MiB of memory": taken[0] > MOST_MEMORY}


@contextmanager
def memory():
    """The most bytes of arrays that the block held at a time, in a list."""
    taken = [0]
    was_on = tracemalloc.is_tracing()
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield taken
    finally:
        taken[0] = tracemalloc.get_traced_memory()[1] - before
        if not was_on:
            tracemalloc.stop()


def convolve_in_columns(x=None, w=None, b=None, stride=1, pad=0, dilation=1, seed=None):
    return columns_convolve(x, w, b, stride, pad, dilation) if seed is None else columns_in_blocks(seed)


@contextmanager
def blocks(module, small):
    """Blocks of a few positions or tiles, so that a small image has many of them."""
    sizes = {"BLOCK_BYTES": 1, "FEWEST_POSITIONS": 30, "MIN_TILES": 2}
    known = {name: getattr(module, name) for name in sizes if small and hasattr(module, name)}
    for name in known:
        setattr(module, name, sizes[name])
    try:
        yield
    finally:
        for name, size in known.items():
            setattr(module, name, size)


def columns_gradients(dout, x, w, stride, pad, dilation, small_blocks=False):
    dx = np.full(x.shape, np.nan, x.dtype)
    with blocks(columns, small_blocks):
        dw, db = columns.gradients(dout, x, w, dx, window_of(x, w, stride, pad, dilation))
    return {"dx": dx, "dw": dw, "db": db}


def winograd_matrices(m, points, taps):
    """The matrices of F(m, taps) for any points."""
    known = dict(transforms._TILES)
    transforms._TILES[taps] = (m, tuple(points))
    try:
        found = inspect.unwrap(transforms.transforms)(taps, np.dtype(np.float64))  # without its cache
    finally:
        transforms._TILES.clear()
        transforms._TILES.update(known)
    return {"m": found.m, "r": found.r, "BT": found.BT, "G": found.G, "AT": found.AT}


def called(name, array, *sizes, **matrices):
    """A step of Winograd's convolution, with memory that holds garbage at first."""
    t = winograd.Transforms(**matrices)
    scratch = Scratch(array.dtype)
    return np.array(getattr(winograd, name)(array, t, scratch, *sizes))


def filters_at_points(w, **matrices):
    return called("filters_at_points", w, **matrices)


def filters_adjoint(dU, **matrices):
    return called("filters_adjoint", dU, **matrices)


def to_points(pixels, **matrices):
    return called("to_points", pixels, **matrices)


def from_points(M, given, **matrices):
    """Into memory that is given, or without any."""
    if not given:
        return called("from_points", M, **matrices)
    (down, across, *rest), m = M.shape[1:], matrices["m"]
    out = np.full((down * m, across * m, *rest), np.nan)
    called("from_points", M, out, **matrices)
    return out


def inputs_adjoint(dV, **matrices):
    return called("inputs_adjoint", dV, **matrices)


def outputs_adjoint(dY, **matrices):
    return called("outputs_adjoint", dY, **matrices)


def winograd_convolve(x, w, b, pad, small_blocks=False):
    """The output, and the multiplications at the points, of all products that from_points is handed."""
    window = window_of(x, w, pad=pad)
    out = empty(window, x, w)
    with blocks(winograd, small_blocks), sizes_handed_to("from_points") as sizes:
        winograd.convolve(x, w, b, out, window)
    return {"out": out, "multiplications": sum(sizes) * w.shape[1]}


def winograd_gradients(dout, x, w, pad, small_blocks=False):
    """The gradients, and the multiplications at the points for those of the pixels."""
    dx = np.full(x.shape, np.nan, x.dtype)
    with blocks(winograd, small_blocks), sizes_handed_to("inputs_adjoint") as sizes:
        dw, db = winograd.gradients(dout, x, w, dx, window_of(x, w, pad=pad))
    return {"dx": dx, "dw": dw, "db": db, "multiplications": sum(sizes) * len(w)}


@contextmanager
def sizes_handed_to(name):
    """The size of the first argument at every call of a function of winograd.py."""
    own, sizes = getattr(winograd, name), []

    def noted(array, *args, **kwargs):
        sizes.append(int(np.size(array)))
        return own(array, *args, **kwargs)

    setattr(winograd, name, noted)
    try:
        yield sizes
    finally:
        setattr(winograd, name, own)


def cut(batch, parts, whole):
    return [(int(row), part) for row, part in shards.cut(batch, parts, tuple(whole))]


class Line:
    """loss = sum (x w - y)^2 / count; the numbers of the rows go into the gradient of b, as dropout would."""

    def __init__(self, w):
        self.w, self.seen, self.lock = w, [], threading.Lock()

    def count(self, batch):
        return len(batch["x"])

    def loss(self, batch, train=True, rng=None, count=None):
        x, w = batch["x"], self.w * batch["scale"][0]
        off = x @ w - batch["y"]
        rows = rng.row + np.arange(len(x))
        with self.lock:
            self.seen.append([int(rng.row), len(x), int(count), bool(train)])
        grads = {
            "w": 2 * (x.T @ off) * batch["scale"][0] / count,
            "b": (2 * off * rows).sum(keepdims=True) / count,
        }
        return (off**2).sum() / count, grads


def sharded_loss(x, y, w, scale, parts, row, count):
    model = Line(w)
    batch = {"x": x, "y": y, "scale": scale}
    rng = RandomStream(7, row=row)
    loss, grads = shards.sharded_loss(model, batch, rng, parts, count=count, whole=("scale",))
    # [first row, rows, count, train] of every part, in any order: each has a thread of its own.
    return {"loss": np.float64(loss), "w": grads["w"], "b": grads["b"], "parts": sorted(model.seen)}


KERNELS = "minicap.backend.gpu.kernels"


def run_kernel(name, given, outputs, order):
    """Launch a kernel with more threads than the state has numbers; returns what it may have written."""
    arrays = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in given.items()}
    files = {file: sources.text_of(f"{KERNELS}.{Path(file).stem}") for file in ("cells.cuh", "recurrent.cu")}
    numbers = range(32)[::-1] if order == "reversed" else range(32)
    count = given["N"] * given["H"]
    try:
        launch(files, name, 2, 16, numbers, **arrays)
    except KernelError as error:
        if error.thread < count:
            raise
        why = f"only {count} of the {len(numbers)} threads have a number; the others must return at once"
        raise KernelError(f"{error}: {why}") from None
    return {key: arrays[key] for key in outputs if arrays[key] is not None}


def lstm_step(product, b, mask, gates, h, c, t, order):
    N, T, H = *gates.shape[:2], h.shape[1]
    over_time = {name: np.full((N, T, H), -7.0) for name in ("prev_h", "prev_c", "out")}
    given = dict(product=product, b=b, mask=mask, gates=gates, h=h, c=c, t=t, N=N, T=T, H=H) | over_time
    return run_kernel("lstm_step", given, ("gates", "h", "c", *over_time), order)


def lstm_step_gradient(mask, gates, prev_c, dout, dh, carried, dc, t, order):
    N, T, H = prev_c.shape
    results = {"step_da": np.full((N, 4 * H), -7.0), "da": np.full((N, T, 4 * H), -7.0)}
    given = dict(
        mask=mask, gates=gates, prev_c=prev_c, dout=dout, dh=dh, carried=carried, dc=dc, t=t, N=N, T=T, H=H
    )
    return run_kernel("lstm_step_gradient", given | results, ("carried", "dc", *results), order)
