"""The net that trains before the reader's eyes."""

import numpy as np
import pytest

from minicap.errors import InputError
from minicap.playground.nets import POINTS, REACH, LiveNet


@pytest.mark.parametrize("name", POINTS)
def test_the_points_lie_in_the_picture_and_their_classes_apart(name, rng):
    x, y = POINTS[name](rng, 200, 0.0)
    assert x.shape == (200, 2)
    assert np.bincount(y).tolist() == [100, 100]
    assert np.abs(x).max() < REACH
    distance = np.linalg.norm(x[y == 0][:, None] - x[y == 1][None], axis=2)
    assert distance.min() > 0.03


def test_training_lowers_the_loss_and_draws_a_line_between_the_classes():
    net = LiveNet("rings", hidden=16, learning_rate=0.03)
    losses = net.run(150)
    assert np.mean(losses[-10:]) < 0.2 * np.mean(losses[:10])
    assert net.accuracy() > 0.95
    picture = np.array(net.picture(9))
    assert picture.shape == (9, 9)
    assert picture[4, 4] < 0.5 < picture[4, 8]  # the disc is class 0, the ring around it class 1


def test_the_picture_begins_at_the_upper_left():
    net = LiveNet(hidden=2)
    first, second = (
        np.eye(2, dtype=np.float32),
        np.array([[0, 0], [0, 9]], dtype=np.float32),
    )  # class 1 where y is large
    biases = {"net.affine1.b": np.zeros(2, np.float32), "net.affine2.b": np.array([0, -2], np.float32)}
    net.model.load({"net.affine1.w": first, "net.affine2.w": second} | biases)
    picture = np.array(net.picture(8))
    assert (picture[0] > 0.9).all()
    assert (picture[4:] < 0.2).all()


def test_the_same_settings_give_the_same_losses():
    first, second = (LiveNet("moons", seed=3).run(5) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("settings", [{"points": "x"}, {"rule": "x"}, {"slope": "x"}, {"hidden": 10**6}])
def test_unknown_settings_are_refused(settings):
    with pytest.raises(InputError, match="LiveNet: "):
        LiveNet(**settings)
