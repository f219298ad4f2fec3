"""How good a tagger is on a set: precision, recall and F1 by photo, by label and by number of labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array
from minicap.metrics.multilabel import PerClass, f1, per_class, precision, recall
from minicap.multilabel.tagger import Tagger

_GIVEN = 0.5  # a threshold between 0 (not given) and 1 (given)
Average = Literal["samples", "classes", "overall"]


@dataclass(frozen=True, eq=False)
class TagEvaluation:
    """given, there: (N, K), 1 where the tagger gives a photo a label, and where the photo has it.
    labels: their names."""

    given: NDArray[np.float64]
    there: NDArray[np.float64]
    labels: tuple[str, ...]

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
    def by_number(self) -> dict[int, tuple[int, float]]:
        """For each number of labels per photo: how many photos have so many, and their mean F1."""
        numbers = self.there.sum(axis=1).astype(int)
        rows = {int(n): numbers == n for n in np.unique(numbers)}
        return {
            n: (int(chosen.sum()), f1(self.given[chosen], self.there[chosen], "samples", _GIVEN))
            for n, chosen in rows.items()
        }

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
    return TagEvaluation(given, there, tagger.labels)


def one_hot(labels: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.float64]:
    """(N, K), 1 where a photo has the label; names that are not among the K are left out."""
    index = {name: k for k, name in enumerate(names)}
    found = np.zeros((len(labels), len(names)))
    for row, of_photo in enumerate(labels):
        found[row, [index[name] for name in of_photo if name in index]] = 1
    return found
