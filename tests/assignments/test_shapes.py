import numpy as np

from minicap.assignments.shapes import CLASSES, shapes


def test_a_seed_draws_the_same_pictures():
    assert np.array_equal(shapes(20, seed=3).x, shapes(20, seed=3).x)
    assert not np.array_equal(shapes(20, seed=3).x, shapes(20, seed=4).x)


def test_every_class_has_its_share():
    data = shapes(40)
    assert data.x.shape == (40, 3, 16, 16)
    assert np.bincount(data.y).tolist() == [10] * len(CLASSES)


def test_the_mean_picture_tells_little():
    """Shapes are as often darker than their ground as brighter, so no single pixel tells a class."""
    data = shapes(4000)
    means = np.stack([data.x[data.y == k].mean(axis=0) for k in range(len(CLASSES))])
    assert np.abs(means - means.mean(axis=0)).max() < 0.1 * 255
