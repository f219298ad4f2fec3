"""The floor: the least time that arithmetic and memory leave for a piece of work, by measured ceilings.

Williams et al. 2009, "Roofline".  Launches, and steps that must wait for each other, are not in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

FLOAT = 4  # bytes


class Cost(NamedTuple):
    """What a part of the work cannot do without.

    flops: multiplications and additions.  bytes: to and from memory, every array that does not fit into a
    cache read or written once for each time that it must be.
    """

    flops: float
    bytes: float


class Ceilings(NamedTuple):
    """The best rates measured: of a large matrix product, and of a large copy (read and written)."""

    flops_per_second: float
    bytes_per_second: float

    def floor(self, costs: Iterable[Cost]) -> float:
        """Seconds: of every part the longer of its two times, one part after the other."""
        return sum(max(c.flops / self.flops_per_second, c.bytes / self.bytes_per_second) for c in costs)


def best_rate(rows: Sequence[Mapping[str, Any]], case: str, peer: str) -> float | None:
    """The larger rate of the two sides in the row of that case and peer; None where it was not measured."""
    rates = [
        row[side]
        for row in rows
        for side in ("per_second", "peer_per_second")
        if (row["case"], row["peer"]) == (case, peer) and row[side] is not None
    ]
    return max(rates, default=None)


def product(M: int, N: int, K: int, passes: int = 3) -> Cost:
    """A layer out = x w with x (M, K) and w (K, N).

    passes: 3 for out, dx and dw, 2 where nobody needs dx, 1 for out alone.  Each reads two of the three
    arrays and writes the third.
    """
    return Cost(2.0 * M * N * K * passes, FLOAT * (M * N + M * K + K * N) * passes)


def convolution(N: int, C: int, F: int, size: int, height: int, width: int, passes: int = 3) -> Cost:
    """A convolution with F filters (C, size, size) that keeps the height and width of N images; see product.

    The count is the direct algorithm's; what stands between two convolutions is taken as part of them.
    """
    pixels = N * height * width
    flops = 2.0 * pixels * F * C * size**2 * passes
    return Cost(flops, FLOAT * (pixels * (C + F) + F * C * size**2) * passes)


def update(parameters: float, reads: int, writes: int) -> Cost:
    """An update rule that reads and writes so many arrays shaped like the parameters."""
    return Cost(0.0, FLOAT * parameters * (reads + writes))
