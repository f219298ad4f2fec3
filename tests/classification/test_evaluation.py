import numpy as np
import pytest

from minicap.classification import Classifier, Evaluation, evaluate
from minicap.classification.multi_crop import multi_crop
from minicap.data import ArrayDataset, Preprocess
from minicap.errors import InputError
from minicap.models.registry import SmallNetworkConfig

# Two photos of a, two of b, one of c; the second a is called b, the second b is called c.
SCORES = np.array([[5, 0, 0], [0, 1, 0], [0, 4, 0], [0, 0, 2], [0, 0, 3]], np.float32)
FOUND = Evaluation(SCORES, np.array([0, 0, 1, 1, 2]), ("a", "b", "c"))


def test_shares_are_those_counted_by_hand():
    assert FOUND.accuracy == 3 / 5
    assert FOUND.top_5 == 1  # of three classes
    assert FOUND.confusion.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert FOUND.by_class == [("a", 2, 0.5, 1.0), ("b", 2, 0.5, 0.5), ("c", 1, 1.0, 0.5)]


def test_a_class_without_photos_has_no_share_of_them():
    found = Evaluation(SCORES[:1], np.array([0]), ("a", "b", "c"))
    assert found.by_class[1] == ("b", 0, 0.0, 0.0)


def test_the_surest_mistakes_come_first():
    sure_b, sure_c = np.e / (np.e + 2), np.e**2 / (np.e**2 + 2)
    found = FOUND.mistakes(most=5)
    assert [(photo, said) for photo, said, _ in found] == [(3, 2), (1, 1)]
    assert [p for *_, p in found] == pytest.approx([sure_c, sure_b], rel=1e-6)
    assert FOUND.mistakes(most=1) == found[:1]


def make(classes=("a", "b")):
    classifier = Classifier.create(
        SmallNetworkConfig("softmax"), classes, Preprocess("test", 8, 8), channels=1
    )
    classifier.model.initialize(seed=0)
    return classifier


def test_every_photo_of_a_set_is_scored_in_its_order(rng):
    x = rng.integers(256, size=(300, 1, 8, 8)).astype(np.uint8)  # more than are scored together
    dataset = ArrayDataset(x, rng.integers(2, size=300), ("a", "b"))
    classifier = make()
    found = evaluate(classifier, dataset)
    expected = classifier.model.net(x.astype(np.float32) / 255)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4, atol=1e-5)


def test_a_set_of_other_classes_is_refused():
    dataset = ArrayDataset(np.zeros((1, 1, 8, 8), np.uint8), np.zeros(1, int), ("a", "c"))
    with pytest.raises(InputError, match=r"knows 2 classes \(a, b\) but the data set has 2 \(a, c\)"):
        evaluate(make(), dataset)


def test_several_crops_are_scored_as_one_photo(rng):
    x = rng.integers(256, size=(20, 1, 8, 8)).astype(np.uint8)
    dataset, classifier = ArrayDataset(x, rng.integers(2, size=20), ("a", "b")), make()
    found = evaluate(classifier, dataset, several_crops=True)
    expected = multi_crop(classifier.model.net, x.astype(np.float32) / 255)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4, atol=1e-5)
