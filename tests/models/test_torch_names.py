import numpy as np
import pytest

from minicap.errors import InputError, ShapeError
from minicap.models import SqueezeNet, alexnet, efficientnet_lite0, googlenet, inception_v3, resnet, vgg
from minicap.models.torch_names import (
    EFFICIENTNET,
    GOOGLENET,
    INCEPTION,
    RESNET,
    by_place,
    from_torch,
    squeezenet,
)
from minicap.nn import Affine, BatchNorm2d, Conv2d, Flatten, Sequential

NETWORKS = {
    "resnet18": (lambda: resnet(18, 4, width=2), lambda net: RESNET),
    "resnet50": (lambda: resnet(50, 4, width=2), lambda net: RESNET),
    "squeezenet": (lambda: SqueezeNet(4), squeezenet),
    "squeezenet1_0": (lambda: SqueezeNet(4, "1.0"), squeezenet),
    "googlenet": (lambda: googlenet(4, width=0.03), lambda net: GOOGLENET),
    "inception": (lambda: inception_v3(4, width=0.03), lambda net: INCEPTION),
    "efficientnet": (lambda: efficientnet_lite0(4, width=0.1), lambda net: EFFICIENTNET),
    "alexnet": (lambda: alexnet(4, image_size=63, filters=(2,) * 5, hidden=3), by_place),
    "vgg11": (
        lambda: vgg(11, 4, image_size=32, filters=(2,) * 5, hidden=3),
        by_place,
    ),
}


def tiny():
    """A convolution, its normalisation and a matrix that is not square."""
    return Sequential(conv=Conv2d(1, 2, 1, bias=False), bn=BatchNorm2d(2), flat=Flatten(), fc=Affine(2, 3))


def tiny_tensors():
    return {
        "conv.weight": np.array([[[[1.0]]], [[[2.0]]]]),
        "bn.weight": np.array([3.0, 4.0]),
        "bn.bias": np.array([5.0, 6.0]),
        "bn.running_mean": np.array([7.0, 8.0]),
        "bn.running_var": np.array([9.0, 10.0]),
        "bn.num_batches_tracked": np.array(11),
        "fc.weight": np.arange(6.0).reshape(3, 2),
        "fc.bias": np.array([12.0, 13.0, 14.0]),
    }


def same(path):
    return path


def test_tensors_come_under_our_names_and_a_matrix_is_turned():
    arrays = from_torch(tiny(), tiny_tensors(), same)
    assert {name: array.ravel().tolist() for name, array in arrays.items()} == {
        "conv.w": [1, 2],
        "bn.gamma": [3, 4],
        "bn.beta": [5, 6],
        "bn.running_mean": [7, 8],
        "bn.running_var": [9, 10],
        "fc.w": [0, 2, 4, 1, 3, 5],
        "fc.b": [12, 13, 14],
    }
    assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}
    tiny().load(arrays)


def test_a_network_that_was_trained_on_several_devices_is_read_too():
    wrapped = {f"module.{name}": tensor for name, tensor in tiny_tensors().items()}
    np.testing.assert_equal(from_torch(tiny(), wrapped, same), from_torch(tiny(), tiny_tensors(), same))


def test_what_is_missing_is_named_as_pytorch_names_it():
    tensors = tiny_tensors()
    del tensors["bn.running_var"]
    with pytest.raises(InputError, match=r"^a\.pth: bn\.running_var is missing$"):
        from_torch(tiny(), tensors, same, where="a.pth")


def test_a_file_of_another_network_is_told_apart():
    with pytest.raises(InputError, match=r"and 3 more are missing; is it a file of another network\?"):
        from_torch(tiny(), {"features.0.weight": np.ones((1, 1, 1, 1))}, same)


def test_what_is_left_over_is_named_unless_it_is_left_out():
    tensors = tiny_tensors() | {"aux.weight": np.ones(1), "aux.bias": np.ones(1)}
    with pytest.raises(InputError, match=r"aux\.bias, aux\.weight are left over"):
        from_torch(tiny(), tensors, same)
    assert set(from_torch(tiny(), tensors, same, left_out=["aux."])) == set(tiny().shapes)


def test_another_shape_is_refused_in_pytorchs_order():
    tensors = tiny_tensors() | {"fc.weight": np.ones((2, 3))}
    with pytest.raises(ShapeError, match=r"fc\.weight is \(2, 3\), but the network needs \(3, 2\)"):
        from_torch(tiny(), tensors, same)


@pytest.mark.parametrize(
    ("network", "ours", "theirs"),
    [
        ("resnet50", "layer1.0.residual.body.conv3", "layer1.0.conv3"),
        ("resnet50", "layer2.0.residual.shortcut.conv", "layer2.0.downsample.0"),
        ("resnet50", "layer2.0.residual.shortcut.bn", "layer2.0.downsample.1"),
        ("resnet50", "fc", "fc"),
        ("squeezenet", "features.conv1", "features.0"),
        ("squeezenet", "features.fire9.squeeze.conv", "features.12.squeeze"),
        ("squeezenet", "features.fire4.expand.expand3x3.conv", "features.6.expand3x3"),
        ("squeezenet", "classifier.conv10", "classifier.1"),
        ("squeezenet1_0", "features.fire4.squeeze.conv", "features.5.squeeze"),
        ("squeezenet1_0", "features.fire9.squeeze.conv", "features.12.squeeze"),
        ("googlenet", "trunk.conv1.bn", "conv1.bn"),
        ("googlenet", "trunk.inception4e.branch1.conv", "inception4e.branch1.conv"),
        ("googlenet", "trunk.inception3a.branch4.1.conv", "inception3a.branch4.1.conv"),
        ("googlenet", "heads.inception4d.fc1", "aux2.fc1"),
        ("inception", "trunk.Conv2d_1a_3x3.bn", "Conv2d_1a_3x3.bn"),
        ("inception", "trunk.Mixed_5b.branch5x5.2.conv", "Mixed_5b.branch5x5_2.conv"),
        ("inception", "trunk.Mixed_6a.branch3x3.conv", "Mixed_6a.branch3x3.conv"),
        ("inception", "trunk.Mixed_7c.branch3x3dbl.3.b.bn", "Mixed_7c.branch3x3dbl_3b.bn"),
        ("inception", "trunk.Mixed_6e.branch_pool.conv", "Mixed_6e.branch_pool.conv"),
        ("inception", "heads.Mixed_6e.conv1.conv", "AuxLogits.conv1.conv"),
        ("efficientnet", "conv_stem", "_conv_stem"),
        ("efficientnet", "blocks.2.body.depthwise_conv", "_blocks.2._depthwise_conv"),
        ("efficientnet", "blocks.15.bn2", "_blocks.15._bn2"),
        ("alexnet", "features.conv5", "features.10"),
        ("alexnet", "classifier.affine1", "classifier.1"),
        ("vgg11", "features.conv2", "features.3"),
        ("vgg11", "classifier.affine3", "classifier.6"),
    ],
)
def test_modules_have_these_names_in_pytorch(network, ours, theirs):
    make, rename = NETWORKS[network]
    net = make()
    assert rename(net)(ours) == theirs
    assert any(name.startswith(f"{ours}.") for name in net.shapes)


@pytest.mark.parametrize("network", NETWORKS)
def test_no_two_modules_have_one_name_in_pytorch(network):
    make, rename = NETWORKS[network]
    net = make()
    paths = {name.rpartition(".")[0] for name in net.shapes}
    assert len({rename(net)(path) for path in paths}) == len(paths)
