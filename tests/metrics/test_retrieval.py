import numpy as np
import pytest

from minicap.errors import InputError, ShapeError
from minicap.metrics.retrieval import ranks, recall_and_median, retrieval_scores

# Two images, three sentences; the first two are image 0's.
OWNER = np.array([0, 0, 1])
SIMILARITY = np.array([[0.1, 0.9, 0.3], [0.8, 0.2, 0.1]])


def test_the_best_of_an_image_s_own_sentences_counts_and_a_sentence_asks_for_its_image():
    of_images, of_sentences = ranks(SIMILARITY, OWNER)
    assert of_images.tolist() == [1, 3]  # image 1 prefers both foreign ones
    assert of_sentences.tolist() == [2, 1, 2]


def test_of_equals_half_stand_before_the_right_answer():
    of_images, of_sentences = ranks(np.zeros((4, 4)), np.arange(4))
    assert of_images.tolist() == of_sentences.tolist() == [2.5] * 4


def test_recall_and_median_are_of_the_ranks():
    assert recall_and_median(np.array([1, 2, 5, 6, 11])) == {
        "r1": pytest.approx(0.2),
        "r5": pytest.approx(0.6),
        "r10": pytest.approx(0.8),
        "median_rank": 5.0,
    }


def test_scores_go_both_ways():
    scores = retrieval_scores(SIMILARITY, OWNER)
    assert scores["sentence_r1"] == pytest.approx(1 / 2)
    assert scores["image_r1"] == pytest.approx(1 / 3)
    assert scores["sentence_median_rank"] == scores["image_median_rank"] == 2
    assert scores["mean_recall"] == pytest.approx((1 / 2 + 1 / 3 + 4) / 6)


def test_a_perfect_model_finds_all():
    scores = retrieval_scores(np.eye(3)[:, [0, 0, 1, 2]], np.array([0, 0, 1, 2]))
    assert scores["mean_recall"] == 1


@pytest.mark.parametrize(
    ("similarity", "owner", "error", "message"),
    [
        (np.ones((2, 3)), np.array([0, 1]), ShapeError, r"owner \(2,\) must be \(M,\)"),
        (np.ones(3), np.array([0, 1, 1]), ShapeError, r"must be \(N, M\)"),
        (np.ones((2, 2)), np.array([0, 0]), InputError, "image 1 has no sentence"),
    ],
)
def test_what_does_not_fit_is_refused(similarity, owner, error, message):
    with pytest.raises(error, match=message):
        ranks(similarity, owner)


def test_no_ranks_are_refused():
    with pytest.raises(InputError, match="there are no ranks"):
        recall_and_median(np.array([], dtype=int))
