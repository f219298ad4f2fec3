"""The checker checked: break every layer in every way we know, and count what the checker lets through."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array, textbook
from minicap.gradcheck.check import judge, measure
from minicap.gradcheck.library import subjects
from minicap.gradcheck.nested import arrays_in, flatten
from minicap.gradcheck.report import Report, Row, count
from minicap.gradcheck.subject import Misfit, Subject


class Kind(NamedTuple):
    """A way to be wrong.

    make: the subject with that fault in the gradient of the argument at a position (or, where
    each_argument is False, in the pair as a whole), or None when the subject has nothing to break.
    """

    name: str
    make: Callable[[Subject, int], Subject | None]
    each_argument: bool = True


class Survivor(NamedTuple):
    kind: str
    layer: str
    variant: str
    argument: str


@dataclass
class Tally:
    """How many mutants of each kind were killed, survived, or were no mutants at all (same)."""

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

    The derivatives of a case are measured once: no mutant changes what the forward computes.
    A mutant that the checker passes is "same" when it cannot be told from the original by use (see
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


# --- is a mutant one? ---------------------------------------------------------------------------------------


def _observe(subject: Subject) -> list[Any]:
    """What a user of the pair sees, bit for bit: two forwards, then backward of each, then the first again.

    Everything returned and everything handed over, afterwards, in both dtypes.
    """
    seen: list[Any] = []

    def note(value: Any) -> None:
        leaves = flatten(value)
        seen.append([leaf if leaf is None or isinstance(leaf, str) else np.array(leaf) for leaf in leaves])

    for dtype in (np.float64, np.float32):
        first, other = subject.inputs_as(dtype), subject.elsewhere(dtype)
        try:
            if subject.backward is None:
                for inputs in (other, first, first):
                    note(subject.call(inputs))
            else:
                caches = []
                for inputs in (first, other):
                    outs, cache = subject.outputs_and_cache(subject.call(inputs))
                    caches.append((_upstream(outs, 3 if inputs is first else -2), cache))
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


# --- the kinds ----------------------------------------------------------------------------------------------


def _returning(subject: Subject, change: Callable[[list[Any]], Sequence[Any]]) -> Subject:
    """The subject with its list of gradients sent through change."""
    if subject.backward is None:
        loss = subject.forward

        @wraps(loss)
        def mutated_loss(*args: Any, **kwargs: Any) -> Any:
            value, *gradients = loss(*args, **kwargs)
            return value, *change(flatten(gradients))

        return replace(subject, forward=mutated_loss)
    backward = subject.backward

    @wraps(backward)
    def mutated_backward(*douts_and_cache: Any) -> Any:
        return tuple(change(subject.aligned(backward(*douts_and_cache))))

    return replace(subject, backward=mutated_backward)


def _value(name: str, change: Callable[[Array], Any]) -> Kind:
    """A kind that changes one gradient at a time by itself."""

    def make(subject: Subject, position: int) -> Subject:
        def change_one(gradients: list[Any]) -> list[Any]:
            return [change(g) if i == position else g for i, g in enumerate(gradients)]

        return _returning(subject, change_one)

    return Kind(name, make)


def _longest_axis(g: Array) -> int:
    return int(np.argmax(g.shape))


def _size(g: Array) -> Any:
    """A thousandth of the largest entry (of 1 when all are zero), in the dtype of g."""
    return g.dtype.type(1e-3) * (np.abs(g).max() or g.dtype.type(1))


def _with_entry(g: Array, position: int, value: Any) -> Array:
    changed = g.copy()
    changed.flat[position] = value
    return changed


def _without_last(g: Array) -> Array:
    if not g.ndim:
        return 0 * g
    changed = g.copy()
    changed[-1] = 0
    return changed


def _batch_averaged(subject: Subject, position: int) -> Subject:
    size = len(np.atleast_1d(subject.differentiated(subject.inputs)[0]))

    def average(gradients: list[Any]) -> list[Any]:
        return [g / g.dtype.type(size) if i == position else g for i, g in enumerate(gradients)]

    return _returning(subject, average)


def _of_another(subject: Subject, position: int) -> Subject | None:
    count = len(subject.arguments)
    if count == 1:
        return None

    def swap(gradients: list[Any]) -> list[Any]:
        changed = list(gradients)
        other = (position + 1) % count
        changed[position], changed[other] = gradients[other], gradients[position]
        return changed

    return _returning(subject, swap)


def _too_few(subject: Subject, _: int) -> Subject:
    return _returning(subject, lambda gradients: gradients[:-1])


def _too_many(subject: Subject, _: int) -> Subject:
    return _returning(subject, lambda gradients: [*gradients, gradients[-1]])


def _stale(subject: Subject, _: int) -> Subject:
    kept: dict[Any, list[Any]] = {}

    def first_answer(gradients: list[Any]) -> list[Any]:
        return kept.setdefault(gradients[0].dtype, [g.copy() for g in gradients])

    return _returning(subject, first_answer)


def _accumulating(subject: Subject, _: int) -> Subject:
    total: dict[Any, list[Any]] = {}

    def add(gradients: list[Any]) -> list[Any]:
        before = total.get(gradients[0].dtype, [0 * g for g in gradients])
        total[gradients[0].dtype] = [b + g for b, g in zip(before, gradients, strict=True)]
        return total[gradients[0].dtype]

    return _returning(subject, add)


def _shared_buffer(subject: Subject, _: int) -> Subject | None:
    """The pair keeps what the backward needs in one place, so a second forward overwrites the first's."""
    if subject.backward is None:
        return None
    forward, backward = subject.forward, subject.backward
    latest: list[Any] = []

    @wraps(forward)
    def mutated_forward(*args: Any, **kwargs: Any) -> Any:
        result = forward(*args, **kwargs)
        latest[:] = [result[-1]]
        return result

    @wraps(backward)
    def mutated_backward(*douts_and_cache: Any) -> Any:
        return backward(*douts_and_cache[:-1], latest[0])

    return replace(subject, forward=mutated_forward, backward=mutated_backward)


def _with_douts(subject: Subject, change: Callable[[Array], Array]) -> Subject | None:
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        *douts, cache = douts_and_cache
        return backward(*(change(dout) for dout in douts), cache)

    return replace(subject, backward=mutated)


def _missing_path(subject: Subject, _: int) -> Subject | None:
    """What flows back through the last entry of the outputs' last axis is forgotten."""

    def forget(dout: Array) -> Array:
        changed = dout.copy()
        changed[..., -1] = 0
        return changed

    return _with_douts(subject, forget)


def _missing_output(subject: Subject, _: int) -> Subject | None:
    """What flows back through the first of several outputs is forgotten."""
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        first, *others = douts_and_cache
        return backward(0 * first, *others) if len(others) > 1 else backward(first, *others)

    return replace(subject, backward=mutated)


def _writing(subject: Subject, arrays_of: Callable[[tuple[Any, ...]], Any]) -> Subject | None:
    """After its work the backward doubles, in place, the first array of floats in what arrays_of picks."""
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        gradients = tuple(g.copy() for g in subject.aligned(backward(*douts_and_cache)))
        _double_first(arrays_of(douts_and_cache))
        return gradients

    return replace(subject, backward=mutated)


def _writing_inputs(subject: Subject, _: int) -> Subject:
    """The forward doubles its first array of floats in place, after its work."""
    forward = subject.forward

    @wraps(forward)
    def mutated(*args: Any, **kwargs: Any) -> Any:
        result = forward(*args, **kwargs)
        _double_first([args, kwargs])
        return result

    return replace(subject, forward=mutated)


def _double_first(value: Any) -> None:
    for _, array in arrays_in(value):
        if array.dtype.kind == "f":
            array *= 2
            return


def _raising(subject: Subject, _: int) -> Subject:
    def fail(gradients: list[Any]) -> list[Any]:
        raise RuntimeError("not implemented yet")

    return _returning(subject, fail)


KINDS: tuple[Kind, ...] = (
    _value("zeroed", lambda g: 0 * g),
    _value("sign flipped", lambda g: -g),
    _value("scaled by 1.001", lambda g: g * g.dtype.type(1.001)),
    Kind("averaged over the batch twice", _batch_averaged),
    _value("transposed", lambda g: g.T.reshape(g.shape)),
    _value("reversed along an axis", lambda g: np.flip(g, _longest_axis(g)) if g.ndim else g),
    _value("shifted by one along an axis", lambda g: np.roll(g, 1, _longest_axis(g)) if g.ndim else g),
    _value("one entry wrong", lambda g: _with_entry(g, g.size // 2, g.flat[g.size // 2] + _size(g))),
    _value("constant added", lambda g: g + _size(g)),
    _value("last sample missing", _without_last),
    _value("precision lost", lambda g: g.astype(np.float16).astype(g.dtype)),
    Kind("gradients swapped", _of_another),
    _value("not a number", lambda g: _with_entry(g, 0, np.nan)),
    _value("None", lambda g: None),
    _value("wrong shape", lambda g: g[None]),
    _value("always float64", lambda g: g.astype(np.float64)),
    _value("always float32", lambda g: g.astype(np.float32)),
    Kind("one gradient too few", _too_few, each_argument=False),
    Kind("one gradient too many", _too_many, each_argument=False),
    Kind("dout ignored", lambda s, _: _with_douts(s, np.ones_like), each_argument=False),
    Kind("a path missing", _missing_path, each_argument=False),
    Kind("an output's gradient missing", _missing_output, each_argument=False),
    Kind("first answer for ever", _stale, each_argument=False),
    Kind("answers add up", _accumulating, each_argument=False),
    Kind("cache of another call", _shared_buffer, each_argument=False),
    Kind("writes into dout", lambda s, _: _writing(s, lambda args: list(args[:-1])), each_argument=False),
    Kind("writes into the cache", lambda s, _: _writing(s, lambda args: args[-1]), each_argument=False),
    Kind("forward writes into its input", _writing_inputs, each_argument=False),
    Kind("raises", _raising, each_argument=False),
)
