"""What multi-label models read: the stages of an encoder that is left alone, or whose end is trained."""

from typing import Any

import numpy as np

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.errors import ShapeError
from minicap.models.stages import LastStage
from minicap.nn import Gradients, prefixed
from minicap.nn.standardization import Standardization

_AT_ONCE = 64  # photos whose last stage is computed together before training


class FineTuned(Standardization):
    """x (N, F1 + F2 + ... + C h w), the means of all stages of an encoder but the last and the grid that the
    last one reads, to the standardised means (N, F1 + F2 + ...) of all.

    The last stage is a part of the model, and is trained with it (Ren 2017 retrains the end of VGG16).
    """

    def __init__(self, stages: tuple[int, ...], last: LastStage) -> None:
        super().__init__(sum(stages))
        self.below, self.last = sum(stages[:-1]), last

    def fit(self, x: Array, dtype: Any) -> None:
        """Take mean and deviation of all stages as the last one is before training."""
        starts = range(0, len(x), _AT_ONCE)
        means = [self._means(to_device(x[start : start + _AT_ONCE]), False, None)[0] for start in starts]
        super().fit(np.concatenate([to_host(rows) for rows in means]), dtype)

    def forward(self, x: Array, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        means, cache = self._means(x, train, rng)
        return super().forward(means, train)[0], cache

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        dmeans, _ = super().backward(dout, None)
        dgrid, grads = self.last.backward(dmeans[:, self.below :], cache, input_gradient)
        grads = prefixed("last", grads)
        if not input_gradient:
            return None, grads
        return backend_of(dout=dout).xp.concatenate([dmeans[:, : self.below], dgrid], axis=1), grads

    def _means(self, x: Array, train: bool, rng: RandomStream | None) -> tuple[Array, Any]:
        expected = self.below + int(np.prod(self.last.reads))
        if x.ndim != 2 or x.shape[1] != expected:
            raise ShapeError(f"FineTuned: x is {x.shape} but must be (N, {expected})")
        of_last, cache = self.last.forward(x[:, self.below :], train, rng)
        return backend_of(x=x).xp.concatenate([x[:, : self.below], of_last], axis=1), cache


def standardized(stages: tuple[int, ...], last: LastStage | None) -> Standardization:
    """From features to the standardised means of all stages.  last: the stage to be trained too, if any."""
    return FineTuned(stages, last) if last else Standardization(sum(stages))
