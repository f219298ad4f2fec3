"""Learning-rate schedules: functions of the step that give a factor for the learning rate."""

from collections.abc import Callable
from math import cos, pi
from typing import Any

from minicap.errors import InputError
from minicap.formats.settings import options_of

Schedule = Callable[[int], float]


def constant(total: int = 0) -> Schedule:
    """Always 1."""
    return lambda step: 1.0


def step_decay(total: int, every: int = 0, factor: float = 0.1) -> Schedule:
    """Multiply by factor after every so many steps; every 0 takes a third of the total."""
    _require(every >= 0, f"step: every is {every} but must not be negative")
    _require(0 < factor <= 1, f"step: factor is {factor} but must be above 0 and at most 1")
    stretch = every or max(1, total // 3)
    return lambda step: factor ** (step // stretch)


def cosine(total: int, floor: float = 0.0) -> Schedule:
    """From 1 to floor along half a cosine (Loshchilov & Hutter 2017, eq. 5, one cycle)."""
    _require(total > 0, f"cosine: total is {total} but must be positive")
    _require(0 <= floor <= 1, f"cosine: floor is {floor} but must be from 0 to 1")
    return lambda step: floor + (1 - floor) * (1 + cos(pi * min(step / total, 1.0))) / 2


def linear_warmup(steps: int, after: Schedule) -> Schedule:
    """Rise from 0 to 1 over the first steps, then follow another schedule from its start."""
    return lambda step: (step + 1) / steps if step < steps else after(step - steps)


# Every schedule takes the number of steps it has in all, then its own options.
SCHEDULES: dict[str, Callable[..., Schedule]] = {"constant": constant, "cosine": cosine, "step": step_decay}


def make_schedule(name: str, total_steps: int, **options: Any) -> Schedule:
    """A schedule by its name.  Raises InputError for an unknown name or option."""
    if name not in SCHEDULES:
        raise InputError(f"unknown schedule {name!r}; choose one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name](total_steps, **options_of(SCHEDULES[name], options, f"schedule {name}"))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)
