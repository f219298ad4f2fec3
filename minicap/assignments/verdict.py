"""Compare an answer with the right one, and say in a line what is wrong with it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.assignments.fingerprints import alike, fingerprint, parts_of
from minicap.assignments.trials import Trial
from minicap.assignments.values import Foreign, Named, leaves

_CLOSE = 1e-5
FLOOR = 1e-8


class Verdict(NamedTuple):
    """passed: whether the answer is right.  text: what is wrong.  where: "file:line" of an exception.

    written: False when the exercise has not been begun.
    """

    passed: bool
    text: str = ""
    where: str = ""
    written: bool = True


def judge(trial: Trial, reply: dict[str, Any]) -> Verdict:
    """The verdict on a worker's reply to a trial."""
    if "lost" in reply:
        return Verdict(False, _lost(trial, str(reply["lost"])))
    if "error" in reply:
        return _raised(trial, reply)
    if "answer" not in reply or not isinstance(reply.get("wrote"), list):
        return Verdict(False, "an answer that is none")
    answer = reply["answer"]
    # A known mistake that explains wrong numbers says more than that an argument was written into.
    complaint = _wrong(trial, answer)
    known = _known_mistake(trial, answer) if complaint else ""
    wrote = [str(path) for path in reply["wrote"]]
    if complaint and known:
        return Verdict(False, f"{complaint[0]}: {known}")
    if wrote:
        return Verdict(False, f"{trial.function} wrote into {', '.join(wrote)}; work on a copy instead")
    return Verdict(not complaint, ": ".join(part for part in complaint or () if part))


def _lost(trial: Trial, why: str) -> str:
    if why.startswith("time limit"):
        slow = "; a gradient measured numerically takes that long" if trial.is_backward else ""
        return f"{why}: a loop without an end, or far too many loops in Python{slow}"
    return why


def _raised(trial: Trial, reply: dict[str, Any]) -> Verdict:
    kind, message, where = (str(reply.get(name, "")) for name in ("error", "message", "where"))
    if kind == "NotImplementedError" and f"{trial.exercise}: not written yet" in message:
        return Verdict(False, "not written yet", where, written=False)
    waiting = [str(name) for name in reply.get("stand_ins", [])]
    if waiting:
        return Verdict(
            False,
            f"calls {waiting[0]} with other arguments than the right {trial.function} does "
            f"({waiting[0]} itself is not written yet)",
            where,
        )
    if "read-only" in message:
        message += "; it writes into an array that it was handed"
    return Verdict(False, f"raises {kind}: {message}" if message else f"raises {kind}", where)


def _wrong(trial: Trial, answer: Any) -> tuple[str, str] | None:
    """What is wrong with an answer, and a guess at the cause; None when it is right."""
    expected, labels = trial.expected, trial.labels
    if answer is None:
        return f"{trial.function} returns None", "is the return forgotten?"
    if len(labels) > 1:
        if not isinstance(answer, (tuple, list)):
            return f"{trial.function} returns one {_kind(answer)}", f"it returns {', '.join(labels)}"
        if len(answer) != len(expected):
            return f"{trial.function} returns {len(answer)} values", f"it returns {', '.join(labels)}"
        answer = tuple(answer)
    rights, answers = parts_of(expected, labels), parts_of(answer, labels)
    for label, right in rights.items():
        if label not in answers:
            cache = label.partition(".")[0]
            fields = [name.partition(".")[2] for name in rights if name.startswith(f"{cache}.")]
            return f"the cache has no {label.partition('.')[2]}", f"it holds {', '.join(fields)}"
        complaint = _wrong_part(trial, label, right, answers[label], rights)
        if complaint:
            return complaint
    return None


def _wrong_part(
    trial: Trial, label: str, right: Any, given: Any, rights: dict[str, Any]
) -> tuple[str, str] | None:
    ours, theirs = dict(leaves(given, label)), dict(leaves(right, label))
    if set(ours) != set(theirs):
        return f"{label} is {_kind(given)}", f"it should be {_kind(right)}"
    for path, wanted in theirs.items():
        complaint = _wrong_leaf(trial, _named(path), wanted, ours[path], rights)
        if complaint:
            return complaint
    return None


def _named(path: str) -> str:
    """What a part is called: "the answer['dx']" is dx."""
    return re.sub(r"^the answer\['([^']+)'\]", r"\1", path)


def _wrong_leaf(
    trial: Trial, path: str, right: Any, given: Any, rights: dict[str, Any]
) -> tuple[str, str] | None:
    if not isinstance(right, (np.ndarray, np.generic, float)):
        same = type(right) is type(given) and right == given
        return None if same else (f"{path} is {_shown(given)}", f"it should be {_shown(right)}")
    if isinstance(given, bool) or not isinstance(given, (np.ndarray, np.generic, float, int)):
        return f"{path} is {_kind(given)}", f"it should be {_kind(right)}"
    a, n = np.asarray(given), np.asarray(right)
    if a.shape != n.shape:
        others = [name for name, other in rights.items() if np.shape(other) == a.shape and name != path]
        cause = (
            f"that is the shape of {others[0]}; they come in the order {', '.join(rights)}" if others else ""
        )
        if a.ndim == 2 and a.shape == n.shape[::-1]:
            cause = "transposed"
        return f"{path} has shape {a.shape}, expected {n.shape}", cause
    if isinstance(right, np.ndarray) and a.dtype != n.dtype:
        return f"{path} is {a.dtype}, expected {n.dtype}", "the dtype that comes in goes out"
    finite = np.isfinite(a) if a.dtype.kind == "f" else np.ones(a.shape, bool)
    if not finite.all() and np.isfinite(n).all():
        return f"{path} is not finite in {int((~finite).sum())} of {a.size} entries", _not_finite(trial)
    if n.dtype.kind != "f":
        same = np.array_equal(a, n)
        return None if same else (f"{path} is wrong in {int((a != n).sum())} of {a.size} entries", "")
    error = float(np.abs(a - n).max(initial=0.0))
    scale = max(FLOOR, float(np.abs(n).max(initial=0.0)))
    if error <= trial.tolerance * scale:
        return None
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(a - n)), a.shape))
    at = f" at {list(worst)}" if worst else ""
    told = f"{path} {a.shape} is off by {error / scale:.1e}{at}: {a[worst]:.6g}, expected {n[worst]:.6g}"
    return told, guess(path, a, n, rights, _batch(trial))


def _not_finite(trial: Trial) -> str:
    return "an exp of a large number, a log of 0, or a division by 0"


def _known_mistake(trial: Trial, answer: Any) -> str:
    """The cause of a classic mistake that computes the same wrong numbers, or ""."""
    parts = parts_of(tuple(answer) if isinstance(answer, list) else answer, trial.labels)
    rights = parts_of(trial.expected, trial.labels)
    for label, part in parts.items():
        own = fingerprint(part)
        if own is None or alike(own, fingerprint(rights.get(label))):
            continue
        for cause, of, noted in trial.mistakes:
            if of == label and alike(own, noted):
                return str(cause)
    return ""


def guess(name: str, a: Array, n: Array, rights: dict[str, Any], batch: int) -> str:
    """The likeliest cause, from how the numbers differ from the right ones."""
    if not a.any():
        return "all zeros"
    if not n.any():
        return "it should be all zeros"
    scale = float(np.vdot(a, n) / np.vdot(n, n))
    if _same(a, scale * n):
        return _factor(scale, batch)
    for other, right in rights.items():
        if other != name and isinstance(right, np.ndarray) and _same(a, right):
            return f"it holds what {other} should be; they come in the order {', '.join(rights)}"
    for words, moved in _rearranged(n):
        if _same(a, moved):
            return words
    if a.size > 2 and _same(a - n, np.full(n.shape, (a - n).mean())):
        return f"off by the constant {float((a - n).mean()):.4g}"
    both = (a != 0) & (n != 0)
    if both.any() and not both.all() and _same(a[both], n[both]):
        return "zeros in other places: is a mask drawn again, or the wrong entry chosen?"
    wrong = np.abs(a - n) > _CLOSE * np.abs(n).max()
    if wrong.any() and not a[wrong].any():
        return f"{int(wrong.sum())} of {a.size} entries are zero and should not be"
    if wrong.any() and not n[wrong].any():
        return f"{int(wrong.sum())} of {a.size} entries should be zero"
    return f"wrong in {int(wrong.sum())} of {a.size} entries"


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max() <= _CLOSE * max(np.abs(b).max(), 1e-300))


def _factor(scale: float, batch: int) -> str:
    if abs(scale + 1) < _CLOSE:
        return "right except for its sign"
    words = f"{scale:.6g} times what it should be"
    for factor, meaning in ((1 / batch, "divided"), (batch, "multiplied")):
        if batch > 1 and abs(scale - factor) < _CLOSE * factor:
            words += f" ({meaning} by the batch size {batch} once too often)"
    return words


def _rearranged(n: Array) -> Iterator[tuple[str, Array]]:
    if n.ndim > 1:
        yield "transposed", n.T.reshape(n.shape)
    for axis in range(n.ndim):
        yield f"reversed along axis {axis}", np.flip(n, axis)
        yield f"shifted by one along axis {axis}", np.roll(n, 1, axis)
        yield f"shifted by one along axis {axis}", np.roll(n, -1, axis)


def _batch(trial: Trial) -> int:
    """The size of the first axis of the first array that the function is handed."""
    handed: Sequence[Any] = [*trial.args, *trial.kwargs.values()]
    return next((len(a) for a in handed if isinstance(a, np.ndarray) and a.ndim), 1)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}"
    if isinstance(value, Named):
        return f"a {value.name}({', '.join(value.fields)})"
    if isinstance(value, Foreign):
        return f"a {value.type}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"


def _shown(value: Any) -> str:
    return repr(value)[:60] if isinstance(value, (bool, int, str, type(None))) else _kind(value)
