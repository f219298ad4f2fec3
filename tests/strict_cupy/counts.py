"""What device code costs: counted while someone asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock


@dataclass
class Counts:
    """What happened inside a `counting` block.

    launches: calls that start kernels, at least one each.  syncs: times the host waited for the device.
    to_device, to_host: copies across the bus.  uploads: copies to the device while it computes.
    hidden_copies: copies on the device that nobody asked for
    (a reshape that is no view, an operand of a matrix product in no order that cuBLAS reads).
    nondeterministic: operations that add in an order of chance.
    """

    launches: int = 0
    syncs: int = 0
    to_device: int = 0
    to_host: int = 0
    uploads: int = 0
    hidden_copies: int = 0
    nondeterministic: int = 0

    @property
    def stalls(self) -> dict[str, int]:
        """Everything that has no place in a forward or backward pass, where it happened at all."""
        names = ("syncs", "to_device", "to_host", "nondeterministic")
        return {name: number for name in names if (number := getattr(self, name))}


_listening: list[Counts] = []
_lock = Lock()


@contextmanager
def counting() -> Iterator[Counts]:
    """Count what happens inside the `with` block, on any thread."""
    counts = Counts()
    with _lock:
        _listening.append(counts)
    try:
        yield counts
    finally:
        with _lock:
            _listening[:] = [other for other in _listening if other is not counts]


def count(name: str) -> None:
    """Note that it happened once."""
    with _lock:
        for counts in _listening:
            setattr(counts, name, getattr(counts, name) + 1)
