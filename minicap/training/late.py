"""The loss of a step, read only when the next batch is ready: meanwhile a GPU computes it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from minicap.arrays import to_host
from minicap.arrays.backends import NUMPY, find_backend
from minicap.training.interfaces import StepResult


def is_late(loss: Any) -> bool:
    """Whether a device may still be computing it."""
    return find_backend(loss) not in (None, NUMPY)


class LateLoss:
    """Keeps what a step found, without its gradients, until its loss is wanted.

    look: called with the number of the step and what it found, the loss a float.
    """

    def __init__(self, look: Callable[[int, StepResult], None]) -> None:
        self._look = look
        self._kept: tuple[int, StepResult] | None = None

    def keep(self, step: int, found: StepResult) -> None:
        """Look at it later, or at once if no device is computing it."""
        self._kept = step, replace(found, grads={})
        if not is_late(found.loss):
            self.settle()

    def settle(self) -> None:
        """Wait for the loss that is kept, if any, and look at it."""
        if self._kept:
            (step, found), self._kept = self._kept, None
            self._look(step, replace(found, loss=float(to_host(found.loss))))
