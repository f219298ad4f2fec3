import numpy as np
import pytest

from minicap.gradcheck import check_model
from minicap.models.stages import LastStage, below_last, cut_after, stage_means
from minicap.nn import Conv2d, ReLU, Sequential


@pytest.fixture
def net():
    inner = Sequential(conv=Conv2d(3, 4, 3), relu=ReLU(), head=Conv2d(4, 9, 1))
    return Sequential(first=Conv2d(2, 3, 3), relu=ReLU(), inner=inner).initialize(0, np.float64)


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 2, 8, 7))


def test_a_network_is_cut_into_pieces_that_end_with_the_stops(net, images):
    low, high = cut_after(net, ["relu", "inner.relu"])
    np.testing.assert_array_equal(
        high(low(images)), net.inner.relu(net.inner.conv(net.relu(net.first(images))))
    )


def test_the_means_below_the_last_stage_and_its_grid_make_the_means_of_all_stages(net, images):
    stages = cut_after(net, ["relu", "inner.relu"])
    below = below_last(stages, images)
    assert below.shape == (2, 3 + 3 * 6 * 5)
    of_last = LastStage(stages[-1], (3, 6, 5))(below[:, 3:])
    np.testing.assert_allclose(np.hstack([below[:, :3], of_last]), stage_means(stages, images), rtol=1e-12)


def test_the_last_stage_is_a_copy_with_right_gradients(net, rng):
    x, weights = rng.normal(size=(2, 90)), rng.normal(size=(2, 4))
    last = LastStage(cut_after(net, ["relu", "inner.relu"])[-1], (3, 6, 5))

    def loss():
        out, cache = last.forward(x, True)
        return (out * weights).sum(), last.backward(weights, cache, input_gradient=False)[1]

    report = check_model(loss, last.params)
    assert report.passed, str(report)
    before = net.inner.conv["w"].copy()
    last.params["network.inner_conv.w"][...] = 0
    np.testing.assert_array_equal(net.inner.conv["w"], before)


def test_the_gradient_of_the_grid_is_right(net, rng):
    x, weights, direction = rng.normal(size=(2, 90)), rng.normal(size=(2, 4)), rng.normal(size=(2, 90))
    last = LastStage(cut_after(net, ["relu", "inner.relu"])[-1], (3, 6, 5))
    dx, _ = last.backward(weights, last.forward(x, True)[1])
    moved = [(last(x + step * direction) * weights).sum() for step in (1e-6, -1e-6)]
    assert (dx * direction).sum() == pytest.approx((moved[0] - moved[1]) / 2e-6, rel=1e-6)
