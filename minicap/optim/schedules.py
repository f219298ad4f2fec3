"""Learning-rate schedules: functions from the step to a factor of the learning rate."""

from collections.abc import Callable
from math import cos, pi
from typing import Any, Literal

from minicap.errors import InputError
from minicap.formats.settings import options_of

Schedule = Callable[[int], float]


def constant(total: int = 0) -> Schedule:
    """Always 1."""
    return lambda step: 1.0


def step_decay(total: int, every: int = 0, factor: float = 0.1) -> Schedule:
    """Multiply by factor after every `every` steps; 0 means a third of the total."""
    _require(every >= 0, f"step: every is {every} but must not be negative")
    _require(0 < factor <= 1, f"step: factor is {factor} but must be above 0 and at most 1")
    stretch = every or max(1, -(-total // 3))
    return lambda step: factor ** (step // stretch)


def cosine(total: int, floor: float = 0.0) -> Schedule:
    """From 1 to floor along half a cosine (Loshchilov & Hutter 2017, eq. 5, one cycle)."""
    _require(total > 0, f"cosine: total is {total} but must be positive")
    _require(0 <= floor <= 1, f"cosine: floor is {floor} but must be from 0 to 1")
    return lambda step: floor + (1 - floor) * (1 + cos(pi * min(step / total, 1.0))) / 2


def linear(total: int, floor: float = 0.0) -> Schedule:
    """From 1 to floor along a straight line."""
    _require(total > 0, f"linear: total is {total} but must be positive")
    _require(0 <= floor <= 1, f"linear: floor is {floor} but must be from 0 to 1")
    return lambda step: 1 - (1 - floor) * min(step / total, 1.0)


def exponential(total: int, final: float = 0.01) -> Schedule:
    """From 1 to final, by the same factor at every step."""
    _require(total > 0, f"exponential: total is {total} but must be positive")
    _require(0 < final <= 1, f"exponential: final is {final} but must be above 0 and at most 1")
    return lambda step: final ** min(step / total, 1.0)


def triangular(total: int, rise: int = 0, floor: float = 0.1) -> Schedule:
    """Up from floor to 1 in `rise` steps, down again in as many, over and over (Smith 2017, section 3).

    rise 0 means an eighth of the total: four triangles.
    """
    _require(rise >= 0, f"triangular: rise is {rise} but must not be negative")
    _require(0 <= floor <= 1, f"triangular: floor is {floor} but must be from 0 to 1")
    side = rise or max(1, total // 8)
    return lambda step: 1 - (1 - floor) * abs(step % (2 * side) / side - 1)


def one_cycle(
    total: int,
    peak: float = 0.3,
    start: float = 0.04,
    final: float = 0.0,
    shape: Literal["cosine", "linear"] = "cosine",
) -> Schedule:
    """Once up from start to 1 and down to final (Smith & Topin 2018).  peak: share of the steps before it."""
    _require(total > 0, f"one_cycle: total is {total} but must be positive")
    _require(0 < peak < 1, f"one_cycle: peak is {peak} but must be above 0 and below 1")
    for name, value in (("start", start), ("final", final)):
        _require(0 <= value <= 1, f"one_cycle: {name} is {value} but must be from 0 to 1")
    top, rest = peak * total, (1 - peak) * total

    def factor(step: int) -> float:
        rises = step < top
        low, share = (start, step / top) if rises else (final, max(0.0, 1 - (step - top) / rest))
        return low + (1 - low) * ((1 - cos(pi * share)) / 2 if shape == "cosine" else share)

    return factor


def linear_warmup(steps: int, after: Schedule) -> Schedule:
    """Rise from 0 to 1 over the first steps, then follow another schedule from its start."""
    _require(steps >= 0, f"linear_warmup: steps is {steps} but must not be negative")
    return lambda step: (step + 1) / steps if step < steps else after(step - steps)


# Every schedule takes the total number of steps, then its own options.
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "step": step_decay,
    "exponential": exponential,
    "linear": linear,
    "cosine": cosine,
    "triangular": triangular,
    "one-cycle": one_cycle,
}


def make_schedule(name: str, total_steps: int, **options: Any) -> Schedule:
    """A schedule by its name.  Raises InputError for an unknown name or option."""
    if name not in SCHEDULES:
        raise InputError(f"unknown schedule {name!r}; choose one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name](total_steps, **options_of(SCHEDULES[name], options, f"schedule {name}"))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)
