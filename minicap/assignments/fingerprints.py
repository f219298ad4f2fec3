"""A few numbers that tell wrong answers apart, so that a known mistake is recognised by what it computes."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicap.assignments.values import Named, leaves

PROJECTIONS = 3
_CLOSE = 1e-6


def parts_of(answer: Any, labels: Sequence[str]) -> dict[str, Any]:
    """The parts of an answer by their labels, caches field by field: {"out": ..., "cache.x": ...}."""
    if len(labels) <= 1:
        parts = {(labels[0] if labels else "the answer"): answer}
    else:
        parts = dict(zip(labels, answer, strict=False)) if isinstance(answer, tuple) else {}
    spread: dict[str, Any] = {}
    for label, part in parts.items():
        if isinstance(part, Named):
            spread |= {f"{label}.{name}": value for name, value in zip(part.fields, part.values, strict=True)}
        else:
            spread[label] = part
    return spread


def fingerprint(part: Any) -> list[float] | None:
    """A few numbers that tell the arrays of a part from others; None if there are none, or not all finite."""
    arrays = [leaf for _, leaf in leaves(part) if isinstance(leaf, (np.ndarray, np.generic, float))]
    if not arrays:
        return None
    flat = np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])
    if not np.isfinite(flat).all():
        return None
    shapes = str([np.shape(a) for a in arrays])
    rng = np.random.default_rng(zlib.crc32(shapes.encode()))
    return [float(np.linalg.norm(flat)), *(rng.normal(size=(PROJECTIONS, flat.size)) @ flat).tolist()]


def fingerprints(cause: str, answer: Any, expected: Any, labels: Sequence[str]) -> list[Any]:
    """[cause, label, fingerprint] of every part of a mistake's answer that is not the right one."""
    right = {label: fingerprint(part) for label, part in parts_of(expected, labels).items()}
    found = []
    for label, part in parts_of(answer, labels).items():
        print_of = fingerprint(part)
        if print_of and not alike(print_of, right.get(label)):
            found.append([cause, label, print_of])
    return found


def alike(a: list[float] | None, b: list[float] | None) -> bool:
    """Whether two fingerprints are of the same numbers, up to rounding."""
    if a is None or b is None:
        return a is b
    first, second = np.asarray(a), np.asarray(b)
    scale = max(float(np.abs(second).max()), 1e-12)
    return bool(np.abs(first - second).max() <= _CLOSE * scale)
