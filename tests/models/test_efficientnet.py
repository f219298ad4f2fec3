import numpy as np
from models.peers import check_beside_torch, check_gradients, parameter_count

from minicap.models import efficientnet_lite0
from minicap.nn import Affine, GlobalAvgPool, Residual, Sequential

# Filter size and stride of the depthwise convolution in each block (Tan & Le 2019, table 1).
BLOCKS = [(3, 1), (3, 2), (3, 1), (5, 2), (5, 1), (3, 2), (3, 1), (3, 1), (5, 1), (5, 1), (5, 1)]
BLOCKS += [(5, 2), (5, 1), (5, 1), (5, 1), (3, 1)]


def test_the_network_has_as_many_parameters_as_its_authors_say():
    assert parameter_count(efficientnet_lite0()) == 4_652_008


def test_blocks_that_keep_their_shape_add_their_input():
    blocks = efficientnet_lite0().blocks.children
    assert [int(name) for name, block in blocks.items() if isinstance(block, Residual)] == [
        *(2, 4, 6, 7, 9, 10, 12, 13, 14)
    ]


def test_a_photo_is_halved_five_times_and_odd_sizes_are_rounded_up():
    net = efficientnet_lite0(num_classes=7, width=0.1).initialize()
    x = np.ones((2, 3, 65, 96), np.float32)
    for name in ("conv_stem", "bn0", "relu0", "blocks", "conv_head", "bn1", "relu1"):
        x = net.children[name](x)
    assert x.shape == (2, 128, 3, 3)
    assert net.fc(net.pool(x)).shape == (2, 7)


def test_gradients_of_three_blocks(rng):
    """One without widening, one with a stride, one that adds its input; the rest is PyTorch's to judge."""
    blocks = efficientnet_lite0(width=0.1).blocks
    some = Sequential(*(blocks.children[name] for name in "012"))
    net = Sequential(some, GlobalAvgPool(), Affine(2, 3))
    check_gradients(net, rng.normal(size=(3, 3, 6, 5)), rng)


def torch_efficientnet_lite0(torch, p, x):
    """By hand, padded as TensorFlow does: as many zeros as ceil(size / stride) windows need."""
    f = torch.nn.functional

    def conv_norm(x, conv, bn, stride=1, groups=1):
        w, pads = p[f"{conv}.w"], []
        for size in (x.shape[3], x.shape[2]):
            zeros = max(0, (-(-size // stride) - 1) * stride + w.shape[2] - size)
            pads += [zeros // 2, zeros - zeros // 2]
        x = f.conv2d(f.pad(x, pads), w, stride=stride, groups=groups)
        return f.batch_norm(x, None, None, p[f"{bn}.gamma"], p[f"{bn}.beta"], training=True, eps=1e-3)

    x = f.relu6(conv_norm(x, "conv_stem", "bn0", 2))
    for number, (_, stride) in enumerate(BLOCKS):
        adds = f"blocks.{number}.body.project_conv.w" in p
        at, out = f"blocks.{number}" + ".body" * adds, x
        if f"{at}.expand_conv.w" in p:
            out = f.relu6(conv_norm(out, f"{at}.expand_conv", f"{at}.bn0"))
        out = f.relu6(conv_norm(out, f"{at}.depthwise_conv", f"{at}.bn1", stride, out.shape[1]))
        out = conv_norm(out, f"{at}.project_conv", f"{at}.bn2")
        x = out + x if adds else out
    x = f.relu6(conv_norm(x, "conv_head", "bn1"))
    return x.mean(dim=(2, 3)) @ p["fc.w"] + p["fc.b"]


def test_scores_and_gradients_equal_pytorchs(rng):
    net = efficientnet_lite0(num_classes=3, width=0.1)
    net.dropout.options["rate"] = 0.0
    check_beside_torch(net, rng.normal(size=(4, 3, 64, 49)), torch_efficientnet_lite0, rng)


def test_filters_have_the_sizes_of_the_paper():
    net = efficientnet_lite0()
    sizes = [
        block.body.depthwise_conv if isinstance(block, Residual) else block.depthwise_conv
        for block in net.blocks.children.values()
    ]
    assert [(conv.declared["w"].shape[2], conv.options["stride"]) for conv in sizes] == BLOCKS
