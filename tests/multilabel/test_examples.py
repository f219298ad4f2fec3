import numpy as np
import pytest

from minicap.arrays.random import RandomStream
from minicap.errors import ClassIndexError, InputError, ShapeError
from minicap.multilabel import LabelExamples

FEATURES = np.arange(8, dtype=np.float32).reshape(4, 2)
LABELS = [[2, 0], [], [1], [3, 1, 0]]
END, BEGIN = 4, 5


def test_labels_are_said_most_frequent_first_and_end_with_the_end():
    batch = LabelExamples(FEATURES, LABELS, 4).batch(np.array([0, 1, 3]))
    assert batch["labels"].tolist() == [
        [BEGIN, 0, 2, BEGIN],
        [BEGIN, BEGIN, BEGIN, BEGIN],
        [BEGIN, 0, 1, 3],
    ]
    assert batch["next_labels"].tolist() == [[0, 2, END, END], [END] * 4, [0, 1, 3, END]]
    assert batch["mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
    assert batch["y"].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]]
    assert batch["features"].tolist() == FEATURES[[0, 1, 3]].tolist()


def test_the_rarest_come_first_when_asked_for():
    batch = LabelExamples(FEATURES, LABELS, 4, "rare").batch(np.array([3]))
    assert batch["next_labels"].tolist() == [[3, 1, 0, END]]


def test_a_random_order_is_a_function_of_the_stream():
    examples = LabelExamples(FEATURES, [list(range(4))] * 4, 4, "random")

    def orders(key):
        return examples.batch(np.arange(4), RandomStream(key))["next_labels"].tolist()

    assert orders(1) == orders(1) != orders(2)
    assert all(sorted(row[:4]) == [0, 1, 2, 3] for row in orders(1))
    assert len({tuple(row) for key in range(5) for row in orders(key)}) > 4
    assert examples.batch(np.array([0]))["next_labels"].tolist() == [[0, 1, 2, 3, END]]


def test_a_label_that_is_listed_twice_is_said_once():
    assert LabelExamples(FEATURES[:1], [[1, 1]], 4).batch(np.array([0]))["mask"].sum() == 2


def test_each_photo_is_read_from_one_of_its_crops_drawn_anew_for_every_batch():
    crops = [FEATURES + 100 * number for number in range(3)]
    examples = LabelExamples(crops[0], LABELS, 4, crops=crops[1:])

    def drawn(key):
        found = examples.batch(np.array([3, 1]), RandomStream(key))["features"] - FEATURES[[3, 1]]
        assert (found[:, 0] == found[:, 1]).all()
        return tuple((found[:, 0] / 100).tolist())

    assert drawn(1) == drawn(1)
    assert {drawn(key) for key in range(40)} == {(a, b) for a in range(3) for b in range(3)}
    assert examples.batch(np.array([2]))["features"].tolist() == FEATURES[[2]].tolist()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="4 rows of features but 3 photos"):
        LabelExamples(FEATURES, LABELS[:3], 4)
    with pytest.raises(ClassIndexError, match=r"photo 3 has the labels \[3, 1, 0\], but there are 3"):
        LabelExamples(FEATURES, LABELS, 3)
    with pytest.raises(InputError, match="order is 'best' but must be one of frequent"):
        LabelExamples(FEATURES, LABELS, 4, "best")
    with pytest.raises(ShapeError, match=r"features are \(4, 2\) but a crop's \(4, 1\)"):
        LabelExamples(FEATURES, LABELS, 4, crops=[FEATURES[:, :1]])
