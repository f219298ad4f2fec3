"""The loss of a step, read only when the next batch is ready: meanwhile a GPU computes it."""

from collections.abc import Callable
from dataclasses import replace

from minicap.arrays import is_late, to_host
from minicap.training.interfaces import StepResult


class LateLoss:
    """Keeps what a step found, without its gradients, until its loss is wanted.

    look: called with the number of the step and what it found, loss and norm floats.
    """

    def __init__(self, look: Callable[[int, StepResult], None]) -> None:
        self._look = look
        self._kept: tuple[int, StepResult] | None = None

    def keep(self, step: int, found: StepResult) -> None:
        """Look at it later, or at once if no device is computing it."""
        self._kept = step, replace(found, grads={})
        if not (is_late(found.loss) or is_late(found.norm)):
            self.settle()

    def settle(self) -> None:
        """Wait for the loss that is kept, if any, and look at it."""
        if self._kept:
            (step, found), self._kept = self._kept, None
            loss, norm = float(to_host(found.loss)), float(to_host(found.norm))
            self._look(step, replace(found, loss=loss, norm=norm))
