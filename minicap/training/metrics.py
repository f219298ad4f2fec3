"""What is measured after an epoch."""

from collections.abc import Callable, Collection, Iterable, Mapping
from math import isfinite
from typing import Any, Protocol

import numpy as np

from minicap.arrays import Array, to_device, to_host
from minicap.errors import InputError
from minicap.training.shards import Batch


class HasMetrics(Protocol):
    """A model with scores, and metrics of these (see minicap.nn.Supervised).

    metrics: functions of scores (N, ...) and targets (N, ...), NumPy arrays of a whole set, by name.
    """

    @property
    def metrics(self) -> Mapping[str, Callable[[np.ndarray, np.ndarray], float]]: ...
    def scores(self, batch: Batch) -> Array: ...


def set_metrics(model: HasMetrics, batches: Iterable[Batch]) -> dict[str, float]:
    """Every metric of the model over a set.  batches: {"x", "y"}; scores are gathered on the host."""
    scores, targets = [], []
    for batch in batches:
        on_device = {name: to_device(array) for name, array in batch.items()}
        scores.append(to_host(model.scores(on_device)))
        targets.append(to_host(batch["y"]))
    every_score, every_target = np.concatenate(scores), np.concatenate(targets)
    return {name: float(metric(every_score, every_target)) for name, metric in model.metrics.items()}


def as_numbers(metrics: Mapping[str, Any], taken: Collection[str]) -> dict[str, float | None]:
    """Metrics as JSON values: numbers, None where they are not finite.

    Raises InputError for anything but a number, and for a name that is taken.
    """
    numbers: dict[str, float | None] = {}
    for name, value in metrics.items():
        if name in taken:
            raise InputError(f'a metric cannot be called "{name}", which every epoch already records')
        try:
            host = to_host(value)
            if np.ndim(host):  # NumPy before 2.4 converts an array of one entry to a number
                raise TypeError
            number = float(host)
        except (TypeError, ValueError):
            raise InputError(f'the metric "{name}" is {value!r} but must be a number') from None
        numbers[name] = number if isfinite(number) else None
    return numbers
