"""How good a classifier is: the share of right answers, and which classes it confuses."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.errors import InputError, ShapeError
from minicap.layers.losses import check_classes

Scores = NDArray[np.floating]
Classes = NDArray[np.integer]


def accuracy(scores: Scores, y: Classes) -> float:
    """The share of samples whose own class has the highest score; among equal scores the first class counts.

    scores: (N, K).  y: (N,) integer classes.
    Raises ShapeError, DtypeError, ClassIndexError when a class is not 0..K-1, InputError for no samples and
    for NaN scores.
    """
    _check(accuracy, scores, y)
    return float((scores.argmax(axis=1) == y).mean())


def top_k_accuracy(scores: Scores, y: Classes, k: int = 5) -> float:
    """The share of samples whose own class is among the k with the highest scores.

    scores: (N, K).  y: (N,) integer classes.  k: 1..K; 1 is the accuracy.  Raises as accuracy, and
    InputError for another k.
    """
    _check(top_k_accuracy, scores, y)
    if not (isinstance(k, Integral) and 1 <= k <= scores.shape[1]):
        raise InputError(
            f"top_k_accuracy: k is {k!r} but must be 1 to {scores.shape[1]}, the number of classes"
        )
    best = np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :k]
    return float((best == y[:, None]).any(axis=1).mean())


def confusion_matrix(scores: Scores, y: Classes) -> NDArray[np.int64]:
    """How many samples of class i (row) were classified as class j (column).

    scores: (N, K).  y: (N,) integer classes.  Returns (K, K) counts.  Raises as accuracy.
    """
    _check(confusion_matrix, scores, y)
    counts = np.zeros((scores.shape[1],) * 2, dtype=np.int64)
    np.add.at(counts, (y, scores.argmax(axis=1)), 1)
    return counts


def _check(function: Callable[..., Any], scores: Scores, y: Classes) -> None:
    name = function.__name__
    if not (isinstance(scores, np.ndarray) and isinstance(y, np.ndarray)):
        raise InputError(f"{name}: scores and y must be NumPy arrays")
    if scores.ndim != 2:
        raise ShapeError(f"{name}: scores is {scores.shape} but must be (N, K), one row per sample")
    if len(scores) == 0:
        raise InputError(f"{name}: there are no samples")
    check_classes(function, "class", scores, y)
    if np.isnan(scores).any():
        raise InputError(f"{name}: {int(np.isnan(scores).sum())} scores are not numbers (NaN)")
