"""How good a classifier is on a set: right answers, class by class, and what it takes for what."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minicap.classification.classifier import Classifier
from minicap.classification.multi_crop import multi_crop
from minicap.data import ArrayDataset
from minicap.errors import InputError
from minicap.layers import softmax_forward
from minicap.metrics.classification import accuracy, confusion_matrix, top_k_accuracy

_AT_ONCE = 256  # images that are prepared together


class ClassScores(NamedTuple):
    """One class of a set.

    photos: of the class.  recall: the share of them that is called so.
    precision: the share of what is called so that is of the class.
    Both shares are 0 where there is nothing to divide.
    """

    name: str
    photos: int
    recall: float
    precision: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores (N, K) of a set beside its classes y (N,)."""

    scores: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: tuple[str, ...]

    @cached_property
    def accuracy(self) -> float:
        """The share of photos whose own class has the highest score."""
        return accuracy(self.scores, self.y)

    @cached_property
    def top_5(self) -> float:
        """The share of photos whose own class is among the five with the highest scores."""
        return top_k_accuracy(self.scores, self.y, min(5, len(self.classes)))

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """How many photos of class i (row) were taken for class j (column)."""
        return confusion_matrix(self.scores, self.y)

    @cached_property
    def by_class(self) -> list[ClassScores]:
        """Every class, in the order of the scores."""
        right, there, called = np.diag(self.confusion), self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        recall, precision = right / np.maximum(there, 1), right / np.maximum(called, 1)
        return [
            ClassScores(name, int(there[i]), float(recall[i]), float(precision[i]))
            for i, name in enumerate(self.classes)
        ]

    def mistakes(self, most: int) -> list[tuple[int, int, float]]:
        """The surest wrong answers: index of the photo, the class it was taken for, its probability."""
        probabilities = softmax_forward(self.scores)[0]
        said = probabilities.argmax(axis=1)
        sure = probabilities.max(axis=1)
        wrong = np.flatnonzero(said != self.y)
        worst = wrong[np.argsort(-sure[wrong], kind="stable")[:most]]
        return [(int(i), int(said[i]), float(sure[i])) for i in worst]


def evaluate(classifier: Classifier, dataset: ArrayDataset, several_crops: bool = False) -> Evaluation:
    """What the classifier says of images (N, C, size, size) uint8, prepared as those it was trained on.

    several_crops: whether the scores are means over six views of each image (see multi_crop).
    Raises InputError for a set of other classes.
    """
    if dataset.classes != classifier.classes:
        raise InputError(
            f"evaluate: the classifier knows {len(classifier.classes)} classes ({_some(classifier.classes)}) "
            f"but the data set has {len(dataset.classes)} ({_some(dataset.classes)})"
        )
    prepare, channels = classifier.preprocess, classifier.channels
    dataset = replace(dataset, mean=prepare.mean[:channels], std=prepare.std[:channels], augment=None)
    score = partial(multi_crop, classifier.scores) if several_crops else classifier.scores
    batches = (np.arange(i, min(i + _AT_ONCE, len(dataset))) for i in range(0, len(dataset), _AT_ONCE))
    scores = [score(dataset.batch(indices)["x"]) for indices in batches]
    return Evaluation(np.concatenate(scores), dataset.y, classifier.classes)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
