import numpy as np
import pytest

from minicap.multilabel import TagEvaluation
from minicap.multilabel.evaluation import one_hot

LABELS = ("cat", "dog", "sofa")
# Given cat; cat, dog and sofa; nothing.  There: cat; dog; sofa.
FOUND = TagEvaluation(
    np.array([[1, 0, 0], [1, 1, 1], [0, 0, 0]], float),
    np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], float),
    LABELS,
    np.array([[0.9, 0.1, 0.2], [0.7, 0.6, 0.8], [0.4, 0.3, 0.1]]),
)


def test_f1_is_that_of_the_averages():
    photos = FOUND.scores()
    assert photos["precision"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert photos["recall"] == pytest.approx(2 / 3)
    p, r = photos["precision"], photos["recall"]
    assert photos["f1"] == pytest.approx(2 * p * r / (p + r))
    overall = FOUND.scores("overall")
    assert (overall["precision"], overall["recall"]) == (2 / 4, 2 / 3)
    classes = FOUND.scores("classes")
    assert classes["precision"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert classes["recall"] == pytest.approx(2 / 3)


def test_labels_and_numbers_of_labels_are_told_apart():
    assert FOUND.by_label.recall.tolist() == [1, 1, 0]
    assert FOUND.by_number == {1: (3, pytest.approx((1 + 1 / 2 + 0) / 3))}
    assert FOUND.together.tolist() == [[1, 0, 0], [1, 1, 1], [0, 0, 0]]


def test_nothing_found_is_0_and_no_division_by_it():
    none = TagEvaluation(np.zeros((2, 3)), np.eye(3)[:2], LABELS, np.zeros((2, 3)))
    assert none.scores() == {"precision": 0, "recall": 0, "f1": 0}


def test_average_precision_ranks_the_photos_by_the_probability_of_each_label():
    # cat is on the first of the three, dog on the first; sofa on the last.
    assert FOUND.average_precisions.tolist() == [1, 1, pytest.approx(1 / 3)]
    assert FOUND.mean_average_precision == pytest.approx((1 + 1 + 1 / 3) / 3)
    nobody = TagEvaluation(FOUND.given, np.zeros((3, 3)), LABELS, FOUND.probabilities)
    assert nobody.mean_average_precision == 0


def test_the_best_photos_are_those_with_most_labels_right_and_the_worst_come_last():
    there = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]], float)
    given = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], float)
    found = TagEvaluation(given, there, LABELS, given)
    assert found.best_and_worst(1) == [1, 2]
    assert found.best_and_worst(2) == [1, 0, 3, 2]
    assert found.best_and_worst(9) == [1, 0, 3, 2]


def test_labels_that_a_tagger_does_not_know_are_left_out():
    assert one_hot([("dog", "horse"), ()], LABELS).tolist() == [[0, 1, 0], [0, 0, 0]]
