import json

import numpy as np
import pytest

from minicap.data import load_image
from minicap.gradcheck import check_model
from minicap.models import Fire, SqueezeNet, imagenet_classes
from minicap.nn import BatchNorm2d, Conv2d, Sequential


@pytest.fixture(scope="module")
def pretrained():
    return SqueezeNet.pretrained()


def torch_squeezenet(torch, p, x):
    """SqueezeNet 1.1 in PyTorch's functions, as its authors' prototxt lists it."""
    f = torch.nn.functional

    def conv(x, name, **options):
        return f.relu(f.conv2d(x, p[f"{name}.w"], p[f"{name}.b"], **options))

    def fire(x, name):
        squeezed = conv(x, f"{name}.squeeze.conv")
        small, large = (conv(squeezed, f"{name}.expand.expand{k}x{k}.conv", padding=k // 2) for k in (1, 3))
        return torch.cat([small, large], dim=1)

    x = conv(x, "features.conv1", stride=2)
    for bricks in (("fire2", "fire3"), ("fire4", "fire5"), ("fire6", "fire7", "fire8", "fire9")):
        x = f.max_pool2d(x, 3, 2, ceil_mode=True)
        for brick in bricks:
            x = fire(x, f"features.{brick}")
    return conv(x, "classifier.conv10").mean(dim=(2, 3))


def test_scores_equal_pytorchs_with_the_same_weights(pretrained, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    x = rng.normal(scale=60, size=(2, 3, 227, 227)).astype(np.float32)
    params = {name: torch.from_numpy(array) for name, array in pretrained.params.items()}
    with torch.no_grad():
        theirs = torch_squeezenet(torch, params, torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(pretrained(x), theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_the_grid_of_fire9_is_14_by_14(pretrained):
    grid = pretrained.features(np.zeros((1, 3, 227, 227), np.float32))
    assert grid.shape == (1, 512, 14, 14)


def test_the_weights_are_those_of_the_paper_in_size(pretrained):
    assert sum(p.size for p in pretrained.params.values()) == 1_235_496


def draw_biases(model, rng):
    """A bias of zero behind a dead squeeze layer would leave its ReLU exactly at the kink."""
    for name, array in model.params.items():
        if name.endswith(".b"):
            array[...] = rng.uniform(0.1, 0.5, size=array.shape)


def test_gradients_of_a_fire_module(rng):
    fire, x = Fire(4, 2, 3).initialize(1, np.float64), rng.normal(size=(2, 4, 3, 3))
    draw_biases(fire, rng)
    dout = rng.normal(size=(2, 6, 3, 3))

    def loss():
        out, cache = fire.forward(x, train=True)
        dx, grads = fire.backward(dout, cache)
        return (out * dout).sum(), grads | {"x": dx}

    report = check_model(loss, fire.params | {"x": x})
    assert report.passed, str(report)


def test_gradients_of_the_whole_network_equal_pytorchs(rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    model = SqueezeNet(num_classes=3).initialize(1, np.float64)
    draw_biases(model, rng)
    x, dout = rng.normal(size=(2, 3, 67, 67)), rng.normal(size=(2, 3))
    params = {name: torch.tensor(array, requires_grad=True) for name, array in model.params.items()}
    image = torch.tensor(x, requires_grad=True)
    torch_squeezenet(torch, params, image).backward(torch.tensor(dout))
    _, cache = model.forward(x, train=False)
    dx, grads = model.backward(dout, cache)
    assert set(grads) == set(params)
    for name, tensor in (params | {"x": image}).items():
        ours, theirs = (dx if name == "x" else grads[name]), tensor.grad.numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11 * np.abs(theirs).max())


def test_there_are_a_thousand_classes_with_a_name_each():
    names = imagenet_classes()
    assert len(names) == 1000
    assert all(name == name.strip() != "" for name in names)
    assert (names[0], names[-1]) == ("tench", "toilet tissue")


@pytest.mark.slow
def test_accuracy_on_imagenet_is_that_of_the_same_weights_in_pytorch(pretrained, shared_data):
    folder = shared_data / "imagenet_200"
    classes = json.loads((folder / "classes.json").read_text(encoding="utf-8"))["classes"]
    index_of = {entry["wnid"]: entry["index"] for entry in classes}
    photos = sorted((folder / "images").iterdir())
    correct1 = correct5 = 0
    for photo in photos:
        label = index_of[photo.name.partition("_")[0]]
        scores = pretrained(pretrained.preprocess(load_image(photo))[None])[0]
        best = np.argsort(-scores)[:5]
        correct1 += best[0] == label
        correct5 += label in best
    assert len(photos) == 200
    assert abs(correct1 - 125) <= 2  # one point of 200
    assert abs(correct5 - 167) <= 2


def test_training_reaches_what_stands_inside_a_fire(rng):
    fire = Fire(4, 2, 3)
    fire.squeeze = Sequential(conv=Conv2d(4, 2, 1), norm=BatchNorm2d(2))
    fire.initialize(0, np.float64)
    fire.forward(rng.normal(loc=3, size=(2, 4, 3, 3)), train=True)
    assert (fire.squeeze.norm.buffers["running_mean"] != 0).all()
