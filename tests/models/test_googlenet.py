import numpy as np
import pytest
from models.peers import check_beside_torch, check_gradients, parameter_count

from minicap.models import googlenet
from minicap.models.googlenet import _inception, _unit
from minicap.nn import Affine, Dropout, GlobalAvgPool, Sequential


def without_dropout(net):
    for module in net.modules():
        if isinstance(module, Dropout):
            module.options["rate"] = 0.0
    return net


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"heads": False}, 6_624_904),  # torchvision's
        ({"heads": True}, 13_004_888),
        ({"batch_norm": False, "heads": False}, 6_998_552),  # Caffe's
        ({"batch_norm": False, "heads": True}, 13_378_280),
    ],
)
def test_the_network_has_the_parameters_of_the_published_ones(options, count):
    assert parameter_count(googlenet(**options)) == count


@pytest.mark.parametrize("size", [32, 33, 47, 64, 100])
def test_photos_of_any_size_give_three_scores_in_training_and_one_behind_it(size, rng):
    net = googlenet(7, image_size=size, width=0.05).initialize()
    x = rng.normal(size=(2, 3, size, size)).astype(np.float32)
    assert net.forward(x, train=True, rng=0)[0].shape == (3, 2, 7)
    assert net(x).shape == (2, 7)


def test_a_photo_of_224_pixels_is_halved_five_times_as_in_the_paper():
    net = googlenet(width=0.05, batch_norm=False).initialize()
    x, sides = np.ones((1, 3, 224, 224), np.float32), {}
    for name, layer in list(net.trunk.children.items())[:-3]:
        x = layer(x)
        sides[name] = x.shape[2]
    assert [sides[name] for name in ("conv1", "maxpool1", "conv3", "maxpool2", "maxpool3", "maxpool4")] == [
        *(112, 56, 56, 28, 14, 7)
    ]
    assert sides["inception5b"] == 7


def test_the_papers_form_has_5x5_filters_and_torchvisions_3x3():
    sizes = {
        norm: googlenet(batch_norm=norm).trunk.inception3a.branch3.children["1"].conv.declared["w"].shape
        for norm in (True, False)
    }
    assert sizes == {True: (32, 16, 3, 3), False: (32, 16, 5, 5)}


@pytest.mark.parametrize("batch_norm", [True, False])
def test_gradients_of_a_block(batch_norm, rng):
    def unit(*args, **options):
        return _unit(batch_norm, *args, **options)

    net = Sequential(_inception(unit, 3, [2, 2, 3, 1, 2, 2], 5), GlobalAvgPool(), Affine(9, 3))
    check_gradients(net, rng.normal(size=(3, 3, 5, 6)), rng)


# By hand: the layers of each stage, and the pooling behind it, as in table 1 of the paper.
STAGES = [("3ab", 3), ("4abcde", 2), ("5ab", None)]


def torch_googlenet(batch_norm, last_pool):
    def run(torch, p, x):
        f = torch.nn.functional

        def unit(x, name, stride=1):
            w = p[f"{name}.conv.w"]
            x = f.conv2d(x, w, p.get(f"{name}.conv.b"), stride=stride, padding=w.shape[2] // 2)
            if batch_norm:
                gamma, beta = p[f"{name}.bn.gamma"], p[f"{name}.bn.beta"]
                x = f.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-3)
            return f.relu(x)

        def norm(x):
            return x if batch_norm else f.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)

        def head(x, name):
            x = unit(f.avg_pool2d(x, min(5, x.shape[2]), 3), f"{name}.conv").flatten(1)
            x = f.relu(x @ p[f"{name}.fc1.w"] + p[f"{name}.fc1.b"])
            return x @ p[f"{name}.fc2.w"] + p[f"{name}.fc2.b"]

        x = norm(f.max_pool2d(unit(x, "trunk.conv1", 2), 3, 2, ceil_mode=True))
        x = norm(unit(unit(x, "trunk.conv2"), "trunk.conv3"))
        x = f.max_pool2d(x, 3, 2, ceil_mode=True)
        heads = []
        for blocks, pool in STAGES:
            for letter in blocks[1:]:
                at = f"trunk.inception{blocks[0]}{letter}"
                ways = [unit(x, f"{at}.branch1")]
                ways += [unit(unit(x, f"{at}.branch{n}.0"), f"{at}.branch{n}.1") for n in (2, 3)]
                ways += [unit(f.max_pool2d(x, 3, 1, 1), f"{at}.branch4.1")]
                x = torch.cat(ways, dim=1)
                if f"heads.inception{blocks[0]}{letter}.fc1.w" in p:
                    heads.append(head(x, f"heads.inception{blocks[0]}{letter}"))
            if pool:
                x = f.max_pool2d(x, last_pool if blocks[0] == "4" else 3, 2, ceil_mode=True)
        return torch.stack([x.mean(dim=(2, 3)) @ p["trunk.fc.w"] + p["trunk.fc.b"], *heads])

    return run


@pytest.mark.parametrize(("batch_norm", "last_pool"), [(True, 2), (False, 3)])
def test_scores_and_gradients_equal_pytorchs(batch_norm, last_pool, rng):
    net = without_dropout(googlenet(3, batch_norm, image_size=95, width=0.06))
    x = rng.normal(size=(3, 3, 95, 95))
    check_beside_torch(net, x, torch_googlenet(batch_norm, last_pool), rng)
