"""Do two sides compute the same?  Arrays are compared by a sample and their norm, small enough for a pipe."""

from collections.abc import Mapping
from typing import Any

import numpy as np

_SAMPLE = 1024  # entries of each array

Sketch = dict[str, Any]


def sketch(array: Any) -> Sketch:
    """Shape, root mean square, and the entries; of more than 1024 a sample, drawn alike for equal sizes."""
    flat = np.asarray(array, dtype=np.float64)
    shape, flat = list(flat.shape), flat.ravel()
    rms = float(np.sqrt(np.mean(flat**2)))
    if flat.size > _SAMPLE:
        flat = flat[np.random.default_rng(flat.size).integers(flat.size, size=_SAMPLE)]
    return {"shape": shape, "rms": rms, "entries": flat.tolist()}


def difference(ours: Sketch, theirs: Sketch) -> float:
    """Root mean square of the difference over that of the array; infinite for other shapes or NaN."""
    if ours["shape"] != theirs["shape"]:
        return float("inf")
    scale = max(ours["rms"], theirs["rms"])
    if scale == 0:
        return 0.0
    gap = np.subtract(ours["entries"], theirs["entries"])
    worst = max(float(np.sqrt(np.mean(gap**2))), abs(ours["rms"] - theirs["rms"])) / scale
    return worst if np.isfinite(worst) else float("inf")


def disagreement(ours: Mapping[str, Sketch], theirs: Mapping[str, Sketch], tolerance: float) -> str:
    """What differs most beyond the tolerance, in words; empty when the sides agree.

    A side may leave arrays out (a bias that its model does without), but not all.
    """
    shared = sorted(set(ours) & set(theirs))
    if not shared:
        return "nothing to compare"
    worst, name = max((difference(ours[name], theirs[name]), name) for name in shared)
    return f"{name} differs by {worst:.1e} (tolerance {tolerance:.0e})" if worst > tolerance else ""
