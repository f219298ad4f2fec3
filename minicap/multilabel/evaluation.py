"""How good a tagger is on a set: precision, recall and F1 by photo, by label and by number of labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array
from minicap.metrics.multilabel import (
    PerClass,
    average_precision,
    f1,
    mean_average_precision,
    per_class,
    precision,
    recall,
)
from minicap.multilabel.tagger import Tagger

_GIVEN = 0.5  # a threshold between 0 (not given) and 1 (given)
Average = Literal["samples", "classes", "overall"]


@dataclass(frozen=True, eq=False)
class TagEvaluation:
    """given, there: (N, K), 1 where the tagger gives a photo a label, and where the photo has it.
    labels: their names.  probabilities: (N, K), how sure the tagger is of every label.
    """

    given: NDArray[np.float64]
    there: NDArray[np.float64]
    labels: tuple[str, ...]
    probabilities: NDArray[np.floating]

    def scores(self, average: Average = "samples") -> dict[str, float]:
        """Precision, recall and F1, averaged over photos, over labels, or of all labels together.

        F1 is 2 P R / (P + R) of the averages, as the papers on multi-label classification have it.
        """
        p, r = (score(self.given, self.there, average, _GIVEN) for score in (precision, recall))
        return {"precision": p, "recall": r, "f1": 2 * p * r / max(p + r, 1e-12)}

    @cached_property
    def by_label(self) -> PerClass:
        """Precision, recall and F1 of each label."""
        return per_class(self.given, self.there, _GIVEN)

    @cached_property
    def average_precisions(self) -> NDArray[np.floating]:
        """The area under precision over recall of each label, NaN for one that no photo has."""
        return average_precision(self.probabilities, self.there)

    @cached_property
    def mean_average_precision(self) -> float:
        """The mean of average_precisions over the labels that some photo has; 0 where none has any."""
        return mean_average_precision(self.probabilities, self.there) if self.there.any() else 0.0

    @cached_property
    def by_number(self) -> dict[int, tuple[int, float]]:
        """For each number of labels per photo: how many photos have so many, and their mean F1."""
        numbers = self.there.sum(axis=1).astype(int)
        rows = {int(n): numbers == n for n in np.unique(numbers)}
        return {
            n: (int(chosen.sum()), f1(self.given[chosen], self.there[chosen], "samples", _GIVEN))
            for n, chosen in rows.items()
        }

    def best_and_worst(self, count: int) -> list[int]:
        """`count` photos of the highest F1, those with the most labels first, and as many of the lowest."""
        right, labels = (self.given * self.there).sum(axis=1), self.there.sum(axis=1)
        f1s = 2 * right / np.maximum(self.given.sum(axis=1) + labels, 1)
        order = np.lexsort((-labels, -f1s))
        count = min(count, len(order) // 2)
        return [*order[:count].tolist(), *order[len(order) - count :].tolist()]

    @cached_property
    def together(self) -> NDArray[np.int64]:
        """How many photos have label i (row) and are given label j (column), (K, K)."""
        found: NDArray[np.int64] = (self.there.T @ self.given).astype(np.int64)
        return found


def evaluate(
    tagger: Tagger, features: Array, labels: Sequence[Sequence[str]], beam: int = 3
) -> TagEvaluation:
    """What the tagger says about photos with these features (N, F), beside the names of their true labels.

    Labels that the tagger does not know are left out: it could not have given them.
    """
    there = one_hot(labels, tagger.labels)
    given = np.zeros_like(there)
    for row, tags in enumerate(tagger.tags(features, beam)):
        given[row, [tag.label for tag in tags]] = 1
    return TagEvaluation(given, there, tagger.labels, tagger.probabilities(features, beam))


def one_hot(labels: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.float64]:
    """(N, K), 1 where a photo has the label; names that are not among the K are left out."""
    index = {name: k for k, name in enumerate(names)}
    found = np.zeros((len(labels), len(names)))
    for row, of_photo in enumerate(labels):
        found[row, [index[name] for name in of_photo if name in index]] = 1
    return found
