"""From an algorithm for one group of channels to an override of conv_forward and conv_backward."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair, Padding, Window
from minicap.backend.cpu.allocator import keep_freed_memory
from minicap.backend.cpu.conv.problem import Problem, problem_of
from minicap.backend.cpu.order import empty_images
from minicap.backend.cpu.threads import in_parts

T = TypeVar("T")


class FastConvCache(NamedTuple):
    x: Array  # (N, C, H, W) input as given; nothing else is kept of the forward's work
    w: Array  # (F, C/groups, HH, WW)
    has_bias: bool
    window: Window
    groups: int


class Algorithm(NamedTuple):
    """A way to convolve.

    convolve(x, w, b, out, window) fills out; gradients(dout, x, w, dx, window) fills dx and returns dw, db.
    can_spare_dx: dx may be None when nobody needs it.
    over_groups: it handles all groups at once; else it is called for one group after another.
    whole_batch: it uses threads itself; else it is called for parts of the batch on threads of their own.
    """

    name: str
    convolve: Callable[[Array, Array, Array | None, Array, Window], None]
    gradients: Callable[[Array, Array, Array, Any, Window], tuple[Array, Array]]
    over_groups: bool = False
    whole_batch: bool = False
    can_spare_dx: bool = False


def override_of(
    algorithm: Algorithm, cache_type: type[FastConvCache], chosen: Callable[[Problem], str]
) -> Override:
    """The pair that runs this algorithm wherever it is the chosen one."""

    def conv_forward(
        x: Array,
        w: Array,
        b: Array | None,
        stride: IntOrPair = 1,
        pad: Padding = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
    ) -> tuple[Array, FastConvCache]:
        problem = problem_of(x, w, b, stride, pad, dilation, groups)
        assert problem is not None, "supports() was not asked"
        window, groups = problem.window, problem.groups
        keep_freed_memory()
        out = empty_images((len(x), len(w), *window.out), x.dtype)

        def fill(some: slice) -> None:
            for c, f in each_group(1 if algorithm.over_groups else groups, x.shape[1], len(w)):
                algorithm.convolve(x[some, c], w[f], None if b is None else b[f], out[some, f], window)

        _each_part(algorithm, fill, len(x), out.size * w[0].size)
        return out, cache_type(x, w, b is not None, window, groups)

    def conv_backward(
        dout: Array, cache: FastConvCache, input_gradient: bool = True
    ) -> tuple[Any, Array, Any]:
        x, w, has_bias, window, groups = cache
        check_dout(conv_backward, (len(x), len(w), *window.out), dout=dout)
        spare_dx = algorithm.can_spare_dx and not input_gradient
        dx = None if spare_dx else empty_images(x.shape, x.dtype)

        def fill(some: slice) -> tuple[Array, Array]:
            dw, db = np.empty_like(w), np.empty(len(w), w.dtype)
            for c, f in each_group(1 if algorithm.over_groups else groups, x.shape[1], len(w)):
                dx_part = None if dx is None else dx[some, c]
                dw[f], db[f] = algorithm.gradients(dout[some, f], x[some, c], w[f], dx_part, window)
            return dw, db

        (dw, db), *others = _each_part(algorithm, fill, len(x), dout.size * w[0].size)
        for other_dw, other_db in others:
            dw += other_dw
            db += other_db
        return dx if input_gradient else None, dw, db if has_bias else None

    def supports(*args: Any, **kwargs: Any) -> bool:
        problem = problem_of(*args, **kwargs)
        return problem is not None and chosen(problem) == algorithm.name

    conv_forward.__name__ = f"conv_forward_{algorithm.name}"
    return Override("conv", conv_forward, supports, cache_type, conv_backward)


def _each_part(algorithm: Algorithm, work: Callable[[slice], T], N: int, products: int) -> list[T]:
    """work(some images), for the whole batch at once or for its parts on threads."""
    return [work(slice(None))] if algorithm.whole_batch else in_parts(work, N, products)


def each_group(groups: int, C: int, F: int) -> Iterator[tuple[slice, slice]]:
    """The channels and the filters of each group."""
    for g in range(groups):
        yield slice(g * C // groups, (g + 1) * C // groups), slice(g * F // groups, (g + 1) * F // groups)
