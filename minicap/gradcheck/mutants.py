"""The checker, checked: break every layer in every known way, and count what the checker misses."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import textbook
from minicap.gradcheck.judge import judge
from minicap.gradcheck.kinds import KINDS
from minicap.gradcheck.layouts import LAYOUTS, contiguous
from minicap.gradcheck.library import subjects
from minicap.gradcheck.measure import measure
from minicap.gradcheck.nested import arrays_in, flatten
from minicap.gradcheck.report import Report, Row, count
from minicap.gradcheck.subject import Misfit, Subject


class Survivor(NamedTuple):
    kind: str
    layer: str
    variant: str
    argument: str


@dataclass
class Tally:
    """How many mutants of each kind were killed, survived, or were the same as the original."""

    killed: dict[str, int] = field(default_factory=dict)
    survived: dict[str, int] = field(default_factory=dict)
    same: dict[str, int] = field(default_factory=dict)
    survivors: list[Survivor] = field(default_factory=list)
    unfit: list[Row] = field(default_factory=list)  # cases that fail without a mutation
    layers: set[str] = field(default_factory=set)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.survivors and not self.unfit and sum(self.killed.values()) > 0


def run_mutants(layers: Sequence[str] = (), progress: Callable[[str], None] | None = None) -> Tally:
    """Apply every kind of mutant to every case of the layers (all by default) and check each.

    Cases with large arrays are left out: they cost time and show nothing that the others don't.

    The derivatives of a case are measured once: no mutant changes what the forward computes.
    A mutant that the checker passes is "same" when no use of it differs from the original (see
    `_observe`), and has survived otherwise.  Raises InputError for an unknown layer.
    """
    started = time.perf_counter()
    tally = Tally({k.name: 0 for k in KINDS}, {k.name: 0 for k in KINDS}, {k.name: 0 for k in KINDS})
    with textbook():
        for subject in subjects(layers):
            if progress:
                progress(subject.layer)
            tally.layers.add(subject.layer)
            if isinstance(subject, Row):
                tally.unfit.append(subject)
                continue
            if not subject.directions:
                _mutate_one(subject, tally)
    tally.seconds = time.perf_counter() - started
    return tally


def _mutate_one(subject: Subject, tally: Tally) -> None:
    try:
        reference = measure(subject)
        failures = Report(judge(subject, reference)).failures
    except Misfit as misfit:
        failures = [Row(subject.layer, subject.variant, verdict=str(misfit))]
    if failures:
        tally.unfit += failures
        return
    original: list[Any] = []
    for kind in KINDS:
        for position in range(len(subject.arguments)) if kind.each_argument else (0,):
            mutant = kind.make(subject, position)
            if mutant is None:
                tally.same[kind.name] += 1
            elif not all(row.passed for row in judge(mutant, reference)):  # the first failure will do
                tally.killed[kind.name] += 1
            else:
                original = original or _observe(subject)
                fresh = kind.make(subject, position)  # some keep a state
                if fresh is not None and _alike(_observe(fresh), original):
                    tally.same[kind.name] += 1
                else:
                    tally.survived[kind.name] += 1
                    argument = subject.arguments[position] if kind.each_argument else ""
                    tally.survivors.append(Survivor(kind.name, subject.layer, subject.variant, argument))


def table(tally: Tally) -> str:
    """Killed, survived and same for each kind, then the survivors by name and a line of totals."""
    width = max(len(kind.name) for kind in KINDS)
    lines = [f"{'mutant':<{width}}  killed  survived  same"]
    for kind in KINDS:
        counts = tally.killed[kind.name], tally.survived[kind.name], tally.same[kind.name]
        lines.append(f"{kind.name:<{width}}  {counts[0]:>6}  {counts[1]:>8}  {counts[2]:>4}")
    for survivor in tally.survivors:
        where = " ".join(part for part in survivor[1:] if part)
        lines.append(f"SURVIVED: {survivor.kind}: {where}")
    for row in tally.unfit:
        lines.append(f"NOT MUTATED, fails as it is: {row.layer} {row.variant} {row.argument}: {row.verdict}")
    lines.append(
        f"{count(len(tally.layers), 'layer')}, {len(KINDS)} kinds; {sum(tally.killed.values())} killed, "
        f"{sum(tally.survived.values())} survived, {sum(tally.same.values())} the same as the original; "
        f"{tally.seconds:.1f} s"
    )
    return "\n".join(lines)


def to_json(tally: Tally) -> str:
    """The counts of each kind, the survivors and the cases that could not be mutated."""
    value = {
        "layers": len(tally.layers),
        "kinds": {
            k.name: {
                "killed": tally.killed[k.name],
                "survived": tally.survived[k.name],
                "same": tally.same[k.name],
            }
            for k in KINDS
        },
        "survivors": [survivor._asdict() for survivor in tally.survivors],
        "unfit": [{"layer": r.layer, "variant": r.variant, "verdict": r.verdict} for r in tally.unfit],
        "seconds": tally.seconds,
    }
    return json.dumps(value, indent=1)


# --- does a mutant differ?
# ---------------------------------------------------------------------------------------


def _observe(subject: Subject) -> list[Any]:
    """What a user of the pair sees, bit for bit: two forwards, then backward of each, then the first again.

    This includes everything returned and the arguments afterwards, in both dtypes and all memory orders.
    """
    seen: list[Any] = []

    def note(value: Any) -> None:
        leaves = flatten(value)
        seen.append([leaf if leaf is None or isinstance(leaf, str) else np.array(leaf) for leaf in leaves])

    orders = [(np.float64, layout) for layout in LAYOUTS.values()]
    for dtype, layout in [(np.float64, contiguous), (np.float32, contiguous), *orders]:
        first, other = subject.inputs_as(dtype, layout=layout), subject.elsewhere(dtype)
        try:
            if subject.backward is None:
                for inputs in (other, first, first):
                    note(subject.call(inputs))
            else:
                caches = []
                for inputs in (first, other):
                    outs, cache = subject.outputs_and_cache(subject.call(inputs))
                    note(outs)
                    douts = _upstream(outs, 3 if inputs is first else -2)
                    caches.append(([layout(dout) for dout in douts], cache))
                for douts, cache in (caches[1], caches[0], caches[0]):
                    note(subject.aligned(subject.backward(*douts, cache)))
                    note([array for _, array in arrays_in([douts, cache])])
            note([array for _, array in arrays_in([first, other])])
        except Exception as error:
            note(f"{type(error).__name__}: {error}")
    return seen


def _upstream(outs: list[Any], factor: int) -> list[Any]:
    """Upstream gradients shaped like the outputs: a ramp, so that no two entries agree."""
    return [
        (factor * (0.7 + np.arange(out.size, dtype=out.dtype)) / out.size)
        .reshape(out.shape)
        .astype(out.dtype)
        for out in outs
    ]


def _alike(a: list[Any], b: list[Any]) -> bool:
    def equal(x: Any, y: Any) -> bool:
        if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
            return type(x) is type(y) and x == y
        return x.dtype == y.dtype and np.array_equal(x, y)

    return len(a) == len(b) and all(
        len(x) == len(y) and all(equal(p, q) for p, q in zip(x, y, strict=True))
        for x, y in zip(a, b, strict=True)
    )
