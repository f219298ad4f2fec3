import numpy as np
import pytest

from minicap.errors import ClassIndexError, InputError, ShapeError
from minicap.metrics.classification import accuracy, confusion_matrix, top_k_accuracy

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.4, 0.1, 0.3]])
Y = np.array([1, 1, 2, 2])


def test_accuracy_is_the_share_of_right_answers():
    assert accuracy(SCORES, Y) == 0.5


def test_the_second_best_answers_count_for_top_two():
    assert top_k_accuracy(SCORES, Y, k=1) == 0.5
    assert top_k_accuracy(SCORES, Y, k=2) == 1
    assert top_k_accuracy(SCORES, np.array([0, 2, 0, 1]), k=2) == 0


def test_of_equal_scores_the_first_class_counts():
    same = np.zeros((3, 4))
    assert accuracy(same, np.array([0, 0, 1])) == pytest.approx(2 / 3)
    assert top_k_accuracy(same, np.array([0, 1, 2]), k=2) == pytest.approx(2 / 3)


def test_rows_of_the_confusion_matrix_are_the_true_classes():
    np.testing.assert_array_equal(confusion_matrix(SCORES, Y), [[0, 0, 0], [1, 1, 0], [1, 0, 1]])


def test_equal_to_scikit_learn(rng):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    scores, y = rng.normal(size=(200, 7)), rng.integers(7, size=200)
    best, labels = scores.argmax(axis=1), np.arange(7)
    assert accuracy(scores, y) == pytest.approx(metrics.accuracy_score(y, best))
    for k in (1, 3):
        theirs = metrics.top_k_accuracy_score(y, scores, k=k, labels=labels)
        assert top_k_accuracy(scores, y, k) == pytest.approx(theirs)
    np.testing.assert_array_equal(confusion_matrix(scores, y), metrics.confusion_matrix(y, best))


@pytest.mark.parametrize("metric", [accuracy, top_k_accuracy, confusion_matrix])
@pytest.mark.parametrize(
    ("scores", "y", "error", "message"),
    [
        (np.zeros(6), np.zeros(6, int), ShapeError, r"scores is \(6,\) but must be \(N, K\)"),
        (np.zeros((0, 6)), np.zeros(0, int), InputError, "no samples"),
        (np.zeros((2, 6)), np.zeros(3, int), ShapeError, r"y must be \(2,\)"),
        (np.zeros((2, 6)), np.array([0, 6]), ClassIndexError, "6"),
        (np.array([[np.nan] * 6]), np.array([0]), InputError, "6 scores are not numbers"),
    ],
)
def test_wrong_arguments_are_refused(metric, scores, y, error, message):
    with pytest.raises(error, match=f"{metric.__name__}.*{message}"):
        metric(scores, y)


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32])
def test_top_k_takes_scores_of_any_numbers(dtype):
    scores = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype)
    assert top_k_accuracy(scores, np.array([0, 1, 1]), k=1) == pytest.approx(2 / 3)


@pytest.mark.parametrize("k", [0, 4, 1.5])
def test_k_lies_among_the_classes(k):
    with pytest.raises(InputError, match=f"k is {k} but must be 1 to 3, the number of classes"):
        top_k_accuracy(SCORES, Y, k)


def test_lists_are_refused():
    with pytest.raises(InputError, match="accuracy: scores and y must be NumPy arrays"):
        accuracy([[1.0, 2.0]], [1])
