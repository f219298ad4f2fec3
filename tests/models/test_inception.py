import numpy as np
import pytest
from models.peers import check_beside_torch, check_gradients, parameter_count
from models.test_googlenet import without_dropout

from minicap.errors import InputError
from minicap.models import inception_v3
from minicap.models.inception import _BLOCKS, _block
from minicap.nn import Affine, AvgPool2d, GlobalAvgPool, Sequential


@pytest.mark.parametrize(("heads", "count"), [(False, 23_834_568), (True, 27_161_264)])
def test_the_network_has_the_parameters_of_torchvisions(heads, count):
    assert parameter_count(inception_v3(heads=heads)) == count


@pytest.mark.parametrize("size", [75, 76, 97, 130])
def test_photos_of_any_size_give_two_scores_in_training_and_one_behind_it(size, rng):
    net = inception_v3(7, image_size=size, width=0.03).initialize()
    x = rng.normal(size=(2, 3, size, size)).astype(np.float32)
    assert net.forward(x, train=True, rng=0)[0].shape == (2, 2, 7)
    assert net(x).shape == (2, 7)


def test_the_grids_of_a_photo_of_299_pixels_are_those_of_the_paper():
    net = inception_v3(width=0.03).initialize()
    x, sides = np.ones((1, 3, 299, 299), np.float32), {}
    for name, layer in list(net.trunk.children.items())[:-3]:
        x = layer(x)
        sides[name] = x.shape[2]
    assert list(sides.values()) == [149, 147, 147, 73, 73, 71, 35, 35, 35, 35, *[17] * 5, 8, 8, 8]


def test_blocks_end_in_as_many_channels_as_in_the_paper():
    net = inception_v3(heads=False)
    readers = {name: net.trunk.children[name].children["branch1x1"] for name in ("Mixed_5c", "Mixed_7c")}
    assert {name: branch.conv.declared["w"].shape[1] for name, branch in readers.items()} == {
        "Mixed_5c": 256,
        "Mixed_7c": 2048,
    }
    assert net.trunk.fc.declared["w"].shape == (2048, 1000)


def test_what_it_cannot_be_is_refused():
    with pytest.raises(InputError, match="graph is 'caffe' but must be one of torchvision, keras, tf2015"):
        inception_v3(graph="caffe")
    with pytest.raises(InputError, match="image_size is 74 but must be at least 75"):
        inception_v3(image_size=74)


@pytest.mark.parametrize("name", ["Mixed_6b", "Mixed_7b"])
def test_gradients_of_a_block(name, rng):
    block, channels = _block(3, _BLOCKS[name], AvgPool2d(3, 1, 1), 0.01)
    net = Sequential(block, GlobalAvgPool(), Affine(channels, 3))
    check_gradients(net, rng.normal(size=(3, 3, 5, 4)), rng)


def torch_inception_v3(graph):
    """By hand, in the words of torchvision's module; in evaluation where p has running statistics.

    Returns the scores, and those of the head, or what is behind the pooling where there is no classifier.
    """

    def run(torch, p, x):
        f = torch.nn.functional

        def unit(x, name, stride=1, pad=True):
            w = p[f"{name}.conv.w"]
            pads = [size // 2 for size in w.shape[2:]] if pad and stride == 1 else 0
            x = f.conv2d(x, w, stride=stride, padding=pads)
            gamma, beta = p[f"{name}.bn.gamma"], p[f"{name}.bn.beta"]
            mean, var = p.get(f"{name}.bn.running_mean"), p.get(f"{name}.bn.running_var")
            return f.relu(f.batch_norm(x, mean, var, gamma, beta, training=mean is None, eps=1e-3))

        def chain(x, name, count, last_stride=1):
            for number in range(1, count + 1):
                x = unit(x, f"{name}.{number}", last_stride if number == count else 1)
            return x

        def both(x, name):
            return torch.cat([unit(x, f"{name}.a"), unit(x, f"{name}.b")], dim=1)

        def pooled(x, name):
            if graph == "tf2015" and name.endswith("7c"):
                return unit(f.max_pool2d(x, 3, 1, 1), f"{name}.branch_pool")
            mean = f.avg_pool2d(x, 3, 1, 1, count_include_pad=graph == "torchvision")
            return unit(mean, f"{name}.branch_pool")

        def head(x):
            x = unit(f.avg_pool2d(x, min(5, x.shape[2]), 3), "heads.Mixed_6e.conv0")
            x = unit(x, "heads.Mixed_6e.conv1", pad=False).mean(dim=(2, 3))
            return x @ p["heads.Mixed_6e.fc.w"] + p["heads.Mixed_6e.fc.b"]

        for name, stride, pad in (("1a", 2, False), ("2a", 1, False), ("2b", 1, True)):
            x = unit(x, f"trunk.Conv2d_{name}_3x3", stride, pad)
        x = unit(f.max_pool2d(x, 3, 2), "trunk.Conv2d_3b_1x1")
        x = f.max_pool2d(unit(x, "trunk.Conv2d_4a_3x3", pad=False), 3, 2)
        for at in ("trunk.Mixed_5b", "trunk.Mixed_5c", "trunk.Mixed_5d"):
            ways = [unit(x, f"{at}.branch1x1"), chain(x, f"{at}.branch5x5", 2)]
            x = torch.cat([*ways, chain(x, f"{at}.branch3x3dbl", 3), pooled(x, at)], dim=1)
        at = "trunk.Mixed_6a"
        ways = [unit(x, f"{at}.branch3x3", 2), chain(x, f"{at}.branch3x3dbl", 3, last_stride=2)]
        x = torch.cat([*ways, f.max_pool2d(x, 3, 2)], dim=1)
        for at in ("trunk.Mixed_6b", "trunk.Mixed_6c", "trunk.Mixed_6d", "trunk.Mixed_6e"):
            ways = [unit(x, f"{at}.branch1x1"), chain(x, f"{at}.branch7x7", 3)]
            x = torch.cat([*ways, chain(x, f"{at}.branch7x7dbl", 5), pooled(x, at)], dim=1)
        beside = head(x) if "heads.Mixed_6e.fc.w" in p else None
        at = "trunk.Mixed_7a"
        ways = [
            chain(x, f"{at}.branch3x3", 2, last_stride=2),
            chain(x, f"{at}.branch7x7x3", 4, last_stride=2),
        ]
        x = torch.cat([*ways, f.max_pool2d(x, 3, 2)], dim=1)
        for at in ("trunk.Mixed_7b", "trunk.Mixed_7c"):
            ways = [unit(x, f"{at}.branch1x1"), both(unit(x, f"{at}.branch3x3.1"), f"{at}.branch3x3.2")]
            ways += [both(chain(x, f"{at}.branch3x3dbl", 2), f"{at}.branch3x3dbl.3"), pooled(x, at)]
            x = torch.cat(ways, dim=1)
        x = x.mean(dim=(2, 3))
        return x if beside is None else torch.stack([x @ p["trunk.fc.w"] + p["trunk.fc.b"], beside])

    return run


@pytest.mark.parametrize("graph", ["torchvision", "keras", "tf2015"])
def test_scores_and_gradients_equal_pytorchs(graph, rng):
    net = without_dropout(inception_v3(3, graph, image_size=99, width=0.03))
    check_beside_torch(net, rng.normal(size=(3, 3, 99, 99)), torch_inception_v3(graph), rng)
