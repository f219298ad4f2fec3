"""Fast convolutions on the CPU, all on H, W, N, C memory and block by block.

winograd        3x3 and 5x5 at stride 1: four and six times fewer products
pointwise       1x1: one matrix product on the memory as it lies
few_channels    the first layer: columns in long runs
depthwise       one channel per group: multiply and add
columns         everything else: any size, stride, dilation
transpose       the transposed convolution, by columns
"""

from functools import lru_cache

import numpy as np

from minicap.arrays.windows import Window
from minicap.backend.cpu import tuning
from minicap.backend.cpu.conv import columns, depthwise, few_channels, pointwise, winograd
from minicap.backend.cpu.conv.override import Algorithm, FastConvCache, override_of
from minicap.backend.cpu.conv.problem import Problem
from minicap.backend.cpu.conv.transpose import TRANSPOSE
from minicap.backend.cpu.order import empty_images

WINOGRAD = Algorithm("winograd", winograd.convolve, winograd.gradients)
POINTWISE = Algorithm("pointwise", pointwise.convolve, pointwise.gradients, whole_batch=True)
FEW_CHANNELS = Algorithm("few_channels", few_channels.convolve, few_channels.gradients, can_spare_dx=True)
DEPTHWISE = Algorithm("depthwise", depthwise.convolve, depthwise.gradients, over_groups=True)
COLUMNS = Algorithm("columns", columns.convolve, columns.gradients, can_spare_dx=True)


class WinogradCache(FastConvCache):
    __slots__ = ()


class PointwiseCache(FastConvCache):
    __slots__ = ()


class FewChannelsCache(FastConvCache):
    __slots__ = ()


class DepthwiseCache(FastConvCache):
    __slots__ = ()


class ColumnsCache(FastConvCache):
    __slots__ = ()


@lru_cache(maxsize=4096)
def chosen(problem: Problem) -> str:
    """The name of the algorithm for a problem: the one that fits or, of several, the fastest measured."""
    ways = candidates(problem)
    C, F, window = problem.C, problem.F, problem.window
    question = f"conv C={C} F={F} image={window.image} size={window.size} stride={window.stride} " + (
        f"dilation={window.dilation} pad={window.pad} {problem.dtype}"
    )
    return tuning.choose(question, [way.name for way in ways], lambda: _timed(ways, problem))


def candidates(problem: Problem) -> list[Algorithm]:
    """The algorithms worth trying; the first is used when nothing may be measured."""
    C, F, window = problem.C, problem.F, problem.window
    if C == 1 and problem.groups > 1:
        return [DEPTHWISE]
    if pointwise.fits(window):
        return [POINTWISE]
    few = [FEW_CHANNELS] if C <= few_channels.MOST_CHANNELS else []
    if not winograd.fits(window) or C < winograd.FEWEST_CHANNELS or F < winograd.FEWEST_CHANNELS:
        return few or [COLUMNS]
    return [WINOGRAD, *(few or [COLUMNS])]


IMAGES_MEASURED, SIDE_MEASURED = 4, 32


def _timed(ways: list[Algorithm], problem: Problem) -> dict[str, tuning.Candidate]:
    """Forward and backward of each on a few images, large ones cut to a corner."""
    window, dtype = _corner(problem.window), problem.dtype
    rng = np.random.default_rng(0)

    def images(channels: int, side: tuple[int, int]) -> np.ndarray:
        made = empty_images((IMAGES_MEASURED, channels, *side), dtype)
        made[...] = rng.standard_normal(made.shape)
        return made

    x, dx, out = (
        images(c, side)
        for c, side in ((problem.C, window.image), (problem.C, window.image), (problem.F, window.out))
    )
    w = rng.standard_normal((problem.F, problem.C, *window.size)).astype(dtype)
    b = np.zeros(problem.F, dtype)

    def both(way: Algorithm) -> tuning.Candidate:
        def run() -> None:
            way.convolve(x, w, b, out, window)
            way.gradients(out, x, w, dx, window)

        return run

    return {way.name: both(way) for way in ways}


def _corner(window: Window) -> Window:
    """The same window on an image of SIDE_MEASURED at most (or what the window needs)."""
    reach = [d * (k - 1) + 1 for d, k in zip(window.dilation, window.size, strict=True)]
    image = [min(h, max(SIDE_MEASURED, r)) for h, r in zip(window.image, reach, strict=True)]
    out = [
        (h + sum(p) - r) // s + 1 for h, p, r, s in zip(image, window.pad, reach, window.stride, strict=True)
    ]
    return window._replace(image=(image[0], image[1]), out=(out[0], out[1]))


OVERRIDES = (
    override_of(WINOGRAD, WinogradCache, chosen),
    override_of(POINTWISE, PointwiseCache, chosen),
    override_of(COLUMNS, ColumnsCache, chosen),
    override_of(FEW_CHANNELS, FewChannelsCache, chosen),
    override_of(DEPTHWISE, DepthwiseCache, chosen),
    TRANSPOSE,
)
