"""Learning-rate schedules: functions of the step that give a factor for the learning rate."""

from collections.abc import Callable
from math import cos, pi
from typing import Any

from minicap.errors import InputError

Schedule = Callable[[int], float]


def constant() -> Schedule:
    """Always 1."""
    return lambda step: 1.0


def step_decay(every: int, factor: float = 0.1) -> Schedule:
    """Multiply by factor after every so many steps."""
    return lambda step: factor ** (step // every)


def cosine(total: int, floor: float = 0.0) -> Schedule:
    """From 1 to floor along half a cosine (Loshchilov & Hutter 2017, eq. 5, one cycle)."""
    return lambda step: floor + (1 - floor) * (1 + cos(pi * min(step / total, 1.0))) / 2


def linear_warmup(steps: int, after: Schedule) -> Schedule:
    """Rise from 0 to 1 over the first steps, then follow another schedule from its start."""
    return lambda step: (step + 1) / steps if step < steps else after(step - steps)


def make_schedule(name: str, total_steps: int, **options: Any) -> Schedule:
    """A schedule by its name: constant, cosine, step.  Raises InputError for an unknown one."""
    if name == "constant":
        return constant()
    if name == "cosine":
        return cosine(total_steps, **options)
    if name == "step":
        return step_decay(**{"every": max(1, total_steps // 3), **options})
    raise InputError(f"unknown schedule {name!r}; choose one of constant, cosine, step")
