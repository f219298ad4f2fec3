import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minicap.errors import InputError, ShapeError
from minicap.metrics.multilabel import (
    average_precision,
    f1,
    mean_average_precision,
    per_class,
    precision,
    recall,
)

# Given: 0 and 1; 2; nothing; 0, 1 and 2.
SCORES = np.array([[2.0, 1, -1], [-1, -2, 3], [-1, -1, -1], [1, 1, 1]])
Y = np.array([[1, 0, 1], [0, 0, 1], [0, 1, 0], [1, 1, 0]])


def test_averages_over_samples_by_hand():
    assert precision(SCORES, Y) == pytest.approx((1 / 2 + 1 + 0 + 2 / 3) / 4)
    assert recall(SCORES, Y) == pytest.approx((1 / 2 + 1 + 0 + 1) / 4)
    assert f1(SCORES, Y) == pytest.approx((2 / 4 + 1 + 0 + 4 / 5) / 4)


def test_each_class_by_hand():
    of_each = per_class(SCORES, Y)
    np.testing.assert_allclose(of_each.precision, [1, 1 / 2, 1 / 2])
    np.testing.assert_allclose(of_each.recall, [1, 1 / 2, 1 / 2])
    np.testing.assert_allclose(of_each.f1, [1, 1 / 2, 1 / 2])
    assert precision(SCORES, Y, "classes") == pytest.approx(2 / 3)


def test_all_labels_together_by_hand():
    assert precision(SCORES, Y, "overall") == pytest.approx(4 / 6)
    assert recall(SCORES, Y, "overall") == pytest.approx(4 / 6)
    assert f1(SCORES, Y, "overall") == pytest.approx(8 / 12)


def test_a_threshold_of_a_half_is_for_probabilities():
    probabilities = 1 / (1 + np.exp(-SCORES))
    assert f1(probabilities, Y, threshold=0.5) == f1(SCORES, Y)


def test_average_precision_by_hand():
    scores, y = np.array([[4.0], [3], [2], [1]]), np.array([[1], [0], [1], [0]])
    np.testing.assert_allclose(average_precision(scores, y), [1 / 2 * 1 + 1 / 2 * 2 / 3])
    np.testing.assert_allclose(average_precision(np.ones((4, 1)), y), [1 / 2])  # all at once


@pytest.mark.parametrize("same", [np.inf, -np.inf])
def test_infinite_scores_are_equal_too(same):
    y = np.array([[1], [0], [1], [0]])
    np.testing.assert_allclose(average_precision(np.full((4, 1), same), y), [1 / 2])


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_average_precision_takes_scores_of_any_numbers(dtype):
    y = np.array([[1], [0], [1], [0]])
    np.testing.assert_allclose(average_precision(y.astype(dtype), y), [1])


def test_a_class_that_no_sample_has_is_left_out_of_the_mean():
    scores, y = np.array([[4.0, 1], [3, 2]]), np.array([[0, 0], [1, 0]])
    np.testing.assert_array_equal(average_precision(scores, y), [1 / 2, np.nan])
    assert mean_average_precision(scores, y) == 1 / 2
    with pytest.raises(InputError, match="no sample has any label"):
        mean_average_precision(scores, 0 * y)


@given(
    arrays(float, (5, 3), elements=st.integers(-2, 2).map(float)),
    arrays(int, (5, 3), elements=st.integers(0, 1)),
)
def test_all_lie_between_0_and_1_and_the_truth_itself_has_1(scores, y):
    for average in ("samples", "classes", "overall"):
        for metric in (precision, recall, f1):
            assert 0 <= metric(scores, y, average) <= 1
    areas = average_precision(scores, y)
    assert all(np.isnan(area) or 0 < area <= 1 for area in areas)
    if y.any(axis=1).all():
        assert precision(y, y) == recall(y, y) == f1(y, y) == 1


def test_equal_to_scikit_learn(rng):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    scores, y = rng.normal(size=(100, 6)).round(1), rng.integers(2, size=(100, 6))
    for ours, name in (("samples", "samples"), ("classes", "macro"), ("overall", "micro")):
        theirs = metrics.precision_recall_fscore_support(y, scores > 0, average=name, zero_division=0)[:3]
        np.testing.assert_allclose([m(scores, y, ours) for m in (precision, recall, f1)], theirs)
    np.testing.assert_allclose(
        mean_average_precision(scores, y), metrics.average_precision_score(y, scores, average="macro")
    )


@pytest.mark.parametrize("metric", [precision, recall, f1, per_class, average_precision])
@pytest.mark.parametrize(
    ("scores", "y", "error", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), ShapeError, r"scores is \(2, 3\) and y \(3, 2\)"),
        (np.zeros(3), np.zeros(3), ShapeError, r"\(N, K\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), InputError, "no samples"),
        (np.zeros((1, 3)), np.array([[0, 1, -1]]), InputError, "y must be 1 where a sample has a label"),
        (np.full((1, 3), np.nan), np.zeros((1, 3)), InputError, "3 scores are not numbers"),
    ],
)
def test_wrong_arguments_are_refused(metric, scores, y, error, message):
    with pytest.raises(error, match=f"{metric.__name__}: .*{message}"):
        metric(scores, y)


def test_another_average_is_refused():
    with pytest.raises(
        InputError, match="average is 'weighted' but must be one of samples, classes, overall"
    ):
        precision(SCORES, Y, "weighted")


def test_lists_are_refused():
    with pytest.raises(InputError, match="precision: scores and y must be NumPy arrays"):
        precision([[1.0, -1.0]], [[1, 0]])
