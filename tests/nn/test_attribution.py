import numpy as np
import pytest

from minicap.errors import ClassIndexError, InputError, ShapeError
from minicap.models import NETWORK_SETTINGS, SMALL_NETWORKS, make_network
from minicap.nn import Affine, Conv2d, GlobalAvgPool, ReLU, Residual, Sequential
from minicap.nn.attribution import (
    activations,
    find_layer,
    grad_cam,
    hidden,
    layers_in_order,
    occlusion,
    saliency,
    score_gradient,
)

SMALL = {"resnet": {"width": 4}, "efficientnet_lite0": {"width": 0.25}, "googlenet": {"width": 0.25}}
NETWORKS = ["cnn2", "resnet", "squeezenet1_1", "efficientnet_lite0", "googlenet"]


def by_hand():
    """The channels x and -2 x, and two scores that weigh their means by (3, 1) and (-1, 2)."""
    net = Sequential(conv=Conv2d(1, 2, 1), pool=GlobalAvgPool(), fc=Affine(2, 2)).initialize(0, np.float64)
    net.load(
        {
            "conv.w": np.array([1.0, -2.0]).reshape(2, 1, 1, 1),
            "conv.b": np.zeros(2),
            "fc.w": np.array([[3.0, -1.0], [1.0, 2.0]]),
            "fc.b": np.array([5.0, 7.0]),
        }
    )
    return net


X = np.array([[[[1.0, -2.0], [3.0, 0.0]]]])


def test_the_layers_of_nested_sequentials_stand_in_their_order():
    inner = Sequential(conv=Conv2d(1, 2, 1), relu=ReLU())
    net = Sequential(
        features=inner, rest=Residual(Sequential(relu=ReLU())), last=Sequential(pool=GlobalAvgPool())
    )
    assert list(layers_in_order(net)) == ["features.conv", "features.relu", "rest", "last.pool"]
    assert find_layer(net, "features") == "features.relu"
    assert find_layer(net, "rest") == "rest"
    with pytest.raises(InputError, match=r"there is no layer 'feature' \(did you mean"):
        find_layer(net, "feature")


def test_activations_end_in_the_scores():
    net = by_hand()
    found = dict(activations(net, X))
    assert list(found) == ["conv", "pool", "fc"]
    np.testing.assert_array_equal(found["conv"][0], [X[0, 0], -2 * X[0, 0]])
    np.testing.assert_array_equal(found["fc"], net(X))


def test_grad_cam_of_a_net_by_hand():
    net = by_hand()
    A, dA = score_gradient(net, X, [0], "conv")
    np.testing.assert_array_equal(A[0, 1], -2 * X[0, 0])
    np.testing.assert_array_equal(dA[0], np.broadcast_to([[[3 / 4]], [[1 / 4]]], (2, 2, 2)))
    # alpha is (3, 1) / 4 for class 0: 3/4 x - 2/4 x; and (-1, 2) / 4 for class 1: -1/4 x - 4/4 x.
    np.testing.assert_allclose(grad_cam(net, X, [0]), [[[0.25, 0], [0.75, 0]]])
    np.testing.assert_allclose(grad_cam(net, X, [1]), [[[0, 2.5], [0, 0]]])
    both = grad_cam(net, X.repeat(2, axis=0), [0, 1], "conv")
    np.testing.assert_allclose(both, [[[0.25, 0], [0.75, 0]], [[0, 2.5], [0, 0]]])


def test_saliency_of_a_net_by_hand():
    np.testing.assert_allclose(saliency(by_hand(), X, [0]), np.full((1, 2, 2), abs(3 - 2) / 4))
    np.testing.assert_allclose(saliency(by_hand(), X, [1]), np.full((1, 2, 2), abs(-1 - 4) / 4))


def test_saliency_is_the_largest_numeric_derivative_of_a_pixels_channels(rng):
    net, step = SMALL_NETWORKS["cnn1"]((3, 8, 8), 4).initialize(1, np.float64), 1e-6
    x = rng.normal(size=(2, 3, 8, 8))
    found = saliency(net, x, [1, 3])
    for n, k in enumerate([1, 3]):
        for h, w in [(0, 0), (3, 4), (7, 7)]:
            derivatives = []
            for c in range(3):
                ends = x[n : n + 1].repeat(2, axis=0)
                ends[:, c, h, w] += [-step, step]
                below, above = net(ends)[:, k]
                derivatives.append(abs(above - below) / (2 * step))
            assert found[n, h, w] == pytest.approx(max(derivatives), rel=1e-5, abs=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_through_every_network_is_that_of_its_own_backward(name, rng):
    image = (3, 32, 32)
    net = make_network(NETWORK_SETTINGS[name](name=name, **SMALL.get(name, {})), image, 5)
    net.initialize(seed=0, dtype=np.float64)
    x = rng.normal(size=(1, *image))
    _, cache = net.forward(x, train=False)
    dx, _ = net.backward(np.eye(5)[[2]], cache)
    np.testing.assert_allclose(score_gradient(net, x, [2])[1], dx, rtol=1e-9, atol=1e-12)
    A, dA = score_gradient(net, x, [2], next(iter(layers_in_order(net))))
    assert A.shape == dA.shape


def test_what_cannot_be_attributed_is_told():
    net = by_hand()
    with pytest.raises(ClassIndexError, match=r"classes are \[2\] but there are 2"):
        saliency(net, X, [2])
    with pytest.raises(ShapeError, match="there are 2 classes for scores"):
        saliency(net, X.repeat(3, axis=0), [0, 1])
    with pytest.raises(ShapeError, match=r"grad_cam: pool gives \(1, 2\), no grid"):
        grad_cam(net, X, [0], "pool")
    with pytest.raises(InputError, match="no layer of this network gives a grid"):
        grad_cam(Sequential(fc=Affine(4, 2)).initialize(0, np.float64), X, [0])


@pytest.mark.parametrize("method", [saliency, grad_cam])
def test_one_image_may_be_asked_for_several_classes(method, rng):
    net = make_network(NETWORK_SETTINGS["cnn2"](), (3, 32, 32), 5).initialize(0)
    x = rng.normal(size=(1, 3, 32, 32)).astype(np.float32)
    together = method(net, x, [4, 0, 4])
    one_by_one = np.concatenate([method(net, x, [k]) for k in (4, 0, 4)])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-4, atol=1e-7)


def test_a_class_loses_where_its_evidence_lies_and_nowhere_else():
    net = by_hand()
    lost = occlusion(net, X, [0, 1], places=1)  # one square, which hides all of the image
    assert lost.shape == (2, 1, 1)
    shown, blank = (np.exp(net(x))[0] for x in (X, 0 * X))
    expected = 1 - (blank / blank.sum()) / (shown / shown.sum())
    np.testing.assert_allclose(lost[:, 0, 0], np.maximum(0, expected), rtol=1e-12)

    four = np.zeros((1, 1, 4, 4))
    four[0, 0, 0, 3] = 8.0  # a spot that speaks for the second class, in one corner
    (lost,) = occlusion(net, four, [int(net(four).argmax())], places=3)
    assert (lost > 0).sum() == 1
    assert lost[0, 2] > 0


def test_occlusion_is_of_one_image_and_of_classes_that_there_are():
    with pytest.raises(ShapeError, match=r"occlusion: x is .* but must hold one image"):
        occlusion(by_hand(), np.concatenate([X, X]), [0])
    with pytest.raises(ClassIndexError, match="classes are \\[2\\] but there are 2"):
        occlusion(by_hand(), X, [2])


def test_the_squares_overlap_by_half_and_cover_the_photo():
    dark = hidden(np.ones((3, 10, 10), np.float32), places=4) == 0
    assert dark.shape == (16, 3, 10, 10)
    assert (dark.sum(axis=(1, 2, 3)) == 3 * 4 * 4).all()
    times = dark[:, 0].sum(axis=0)
    assert times[0, 0] == 1  # the corners, by one square
    assert times[5, 5] == 4
