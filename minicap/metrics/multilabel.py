"""How good a model is that gives each sample several labels.

A label is predicted where its score is above a threshold: 0 for logits, 0.5 for probabilities.  With TP the
number of correct predictions, precision is TP / predicted, recall TP / present, and F1 is
2 TP / (predicted + present).  0 / 0 counts as 0.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minicap.errors import InputError, ShapeError

Average = Literal["samples", "classes", "overall"]
Floats = NDArray[np.floating]


class PerClass(NamedTuple):
    """One number per class, (K,) each."""

    precision: Floats
    recall: Floats
    f1: Floats


def precision(scores: Floats, y: Floats, average: Average = "samples", threshold: float = 0.0) -> float:
    """The share of predicted labels that are correct.

    scores: (N, K).  y: (N, K), 1 where a sample has a label, else 0.
    average: the mean of each sample's precision ("samples") or of each class's ("classes"), or the precision
    of all labels together ("overall").
    Raises ShapeError when the shapes differ, InputError for no samples, targets other than 0 and 1, NaN
    scores or another average.
    """
    right, given, _ = _counts(precision, scores, y, average, threshold)
    return float(_ratio(right, given).mean())


def recall(scores: Floats, y: Floats, average: Average = "samples", threshold: float = 0.0) -> float:
    """The share of present labels that are predicted.  Arguments and errors as in precision."""
    right, _, there = _counts(recall, scores, y, average, threshold)
    return float(_ratio(right, there).mean())


def f1(scores: Floats, y: Floats, average: Average = "samples", threshold: float = 0.0) -> float:
    """The harmonic mean of precision and recall.  Arguments and errors as in precision.

    An average is over the F1 of each sample or class.
    """
    right, given, there = _counts(f1, scores, y, average, threshold)
    return float(_ratio(2 * right, given + there).mean())


def per_class(scores: Floats, y: Floats, threshold: float = 0.0) -> PerClass:
    """Precision, recall and F1 of each class.  Arguments and errors as in precision."""
    right, given, there = _counts(per_class, scores, y, "classes", threshold)
    return PerClass(_ratio(right, given), _ratio(right, there), _ratio(2 * right, given + there))


def average_precision(scores: Floats, y: Floats) -> Floats:
    """The area under precision over recall of each class:  sum_n (R_n - R_n-1) P_n.

    P_n and R_n: precision and recall when the label is predicted down to the n-th highest score; samples with
    equal scores count together.
    scores, y: (N, K).  Returns (K,), NaN for a class without samples.  Raises as precision.
    """
    _check(average_precision, scores, y)
    return np.array([_area(scores[:, k], y[:, k]) for k in range(scores.shape[1])])


def mean_average_precision(scores: Floats, y: Floats) -> float:
    """The mean of average_precision over the classes that some sample has.

    Raises as precision, and InputError when no sample has any label.
    """
    areas = average_precision(scores, y)
    if np.isnan(areas).all():
        raise InputError("mean_average_precision: no sample has any label")
    return float(np.nanmean(areas))


def _area(scores: Floats, y: Floats) -> float:
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    found, falling = np.cumsum(y[order]), scores[order]
    if found[-1] == 0:
        return float("nan")
    last_of_equals = np.append(np.flatnonzero(falling[:-1] != falling[1:]), len(order) - 1)
    precisions = found[last_of_equals] / (last_of_equals + 1)
    recalls = found[last_of_equals] / found[-1]
    return float((np.diff(recalls, prepend=0.0) * precisions).sum())


def _counts(
    function: Callable[..., Any], scores: Floats, y: Floats, average: str, threshold: float
) -> tuple[Floats, Floats, Floats]:
    """Labels predicted correctly, predicted, and present: of each sample, each class, or all together."""
    axes: dict[str, int | None] = {"samples": 1, "classes": 0, "overall": None}
    if average not in axes:
        raise InputError(f"{function.__name__}: average is {average!r} but must be one of {', '.join(axes)}")
    _check(function, scores, y)
    given, axis = scores > threshold, axes[average]
    right = (given * y).sum(axis=axis)
    return right, given.sum(axis=axis), y.sum(axis=axis)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)


def _check(function: Callable[..., Any], scores: Floats, y: Floats) -> None:
    name = function.__name__
    if not (isinstance(scores, np.ndarray) and isinstance(y, np.ndarray)):
        raise InputError(f"{name}: scores and y must be NumPy arrays")
    if scores.ndim != 2 or scores.shape != y.shape:
        raise ShapeError(f"{name}: scores is {scores.shape} and y {y.shape}, but both must be (N, K)")
    if scores.size == 0:
        raise InputError(f"{name}: there are no samples")
    if not np.isin(y, (0, 1)).all():
        raise InputError(f"{name}: y must be 1 where a sample has a label, else 0")
    if np.isnan(scores).any():
        raise InputError(f"{name}: {int(np.isnan(scores).sum())} scores are not numbers (NaN)")
