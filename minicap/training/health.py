"""Stop a run that has gone wrong before it passes for a good one."""

from collections.abc import Mapping
from math import isfinite, sqrt
from pathlib import Path
from typing import NoReturn

import numpy as np

from minicap.arrays import Array, backend_of, to_host
from minicap.errors import TrainingError

_DIVERGED = 1e4  # times the loss of the untrained model


class Health:
    """Checks that raise TrainingError, which names what is wrong and the last good checkpoint."""

    def __init__(self, last_good: Path) -> None:
        self.last_good = last_good

    def require_finite(self, value: float, what: str, where: str) -> None:
        """No number of a step may overflow."""
        if not isfinite(value):
            self._stop(f"the {what} is {value} {where}")

    def require_no_divergence(self, loss: float, first_loss: float, what: str, where: str) -> None:
        """No loss may be thousands of times that of the untrained model."""
        if loss > _DIVERGED * max(1.0, abs(first_loss)):
            self._stop(
                f"training has diverged: the loss was {first_loss:.3g} at first, "
                f"the {what} is {loss:.3g} {where}"
            )

    def require_sound(self, arrays: Mapping[str, Array], params: Mapping[str, Array], where: str) -> None:
        """Every array must be finite, and so must the squares of the parameters."""
        for name, array in arrays.items():
            largest = float(to_host(backend_of(array=array).xp.abs(array).max()))
            most = float(np.finfo(array.dtype).max)
            if not largest <= (sqrt(most) if name in params else most):
                self._stop(f"{name} holds {largest} {where}")

    def _stop(self, why: str) -> NoReturn:
        raise TrainingError(
            f"{why}; stopped. The last good checkpoint is {self.last_good}. Try a smaller learning rate"
        )
