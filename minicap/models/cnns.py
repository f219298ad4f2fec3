"""Eight small networks for small photos, from one matrix to eight layers.

They are those of the paper that compares them on MNIST, CIFAR-10 and Tiny ImageNet and captions photos with
what they learn.  It leaves the padding open; here a convolution keeps the size of its image.  Each function
returns a network that takes photos of shape `image`, (C, H, W), and ends in scores (N, num_classes).
"""

from collections.abc import Callable

from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential
from minicap.nn.init import HEAD

Image = tuple[int, int, int]


def softmax_regression(image: Image = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """One matrix."""
    return Sequential(Affine(_pixels(image), num_classes, HEAD))


def mlp(image: Image = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """One hidden layer of 512."""
    return Sequential(*_dense(_pixels(image), 512), Affine(512, num_classes, HEAD))


def lenet(image: Image = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """A convolution and pooling, twice, and a hidden layer of 512."""
    return Sequential(
        *_conv(image[0], 32),
        MaxPool2d(),
        *_conv(32, 32),
        MaxPool2d(),
        *_dense(_pixels(image, 32, pools=2), 512),
        Affine(512, num_classes, HEAD),
    )


def cnn1(image: Image = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Two convolutions, one pooling, dropout."""
    return Sequential(
        *_conv(image[0], 32),
        *_conv(32, 32),
        MaxPool2d(),
        Dropout(0.25),
        *_dense(_pixels(image, 32, pools=1), 128),
        Dropout(0.5),
        Affine(128, num_classes, HEAD),
    )


def cnn2(image: Image = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Two convolutions, pooling and dropout, twice."""
    return Sequential(
        *_conv(image[0], 32),
        *_conv(32, 32),
        MaxPool2d(),
        Dropout(0.25),
        *_conv(32, 64),
        *_conv(64, 64),
        MaxPool2d(),
        Dropout(0.25),
        *_dense(_pixels(image, 64, pools=2), 512),
        Dropout(0.5),
        Affine(512, num_classes, HEAD),
    )


def cnn3(image: Image = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Three narrow convolutions and no hidden layer."""
    return Sequential(
        *_conv(image[0], 16, 5),
        MaxPool2d(),
        *_conv(16, 16),
        MaxPool2d(),
        *_conv(16, 32),
        Affine(_pixels(image, 32, pools=2), num_classes, HEAD),
    )


def cnn4(image: Image = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Four convolutions of growing width."""
    return Sequential(
        *_conv(image[0], 32, 5),
        *_conv(32, 32),
        MaxPool2d(),
        *_conv(32, 64),
        MaxPool2d(),
        *_conv(64, 128),
        MaxPool2d(),
        *_dense(_pixels(image, 128, pools=3), 256),
        Dropout(0.5),
        Affine(256, num_classes, HEAD),
    )


def cnn5(image: Image = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Six convolutions and two hidden layers."""
    return Sequential(
        *_conv(image[0], 64, 5),
        *_conv(64, 64, 5),
        MaxPool2d(),
        *_conv(64, 64),
        *_conv(64, 64),
        *_conv(64, 64),
        MaxPool2d(),
        *_conv(64, 128),
        *_dense(_pixels(image, 128, pools=2), 256),
        Dropout(0.5),
        *_dense(256, 256),
        Dropout(0.5),
        Affine(256, num_classes, HEAD),
    )


SMALL_NETWORKS: dict[str, Callable[[Image, int], Sequential]] = {
    "softmax": softmax_regression,
    "mlp": mlp,
    "lenet": lenet,
    "cnn1": cnn1,
    "cnn2": cnn2,
    "cnn3": cnn3,
    "cnn4": cnn4,
    "cnn5": cnn5,
}


def _conv(in_channels: int, filters: int, size: int = 3) -> tuple[Module, Module]:
    return Conv2d(in_channels, filters, size, pad="same"), ReLU()


def _dense(in_features: int, units: int) -> tuple[Module, Module]:
    return Affine(in_features, units), ReLU()


def _pixels(image: Image, channels: int | None = None, pools: int = 0) -> int:
    """How many numbers an image has after some halvings, with this many channels."""
    C, H, W = image
    return (channels or C) * (H >> pools) * (W >> pools)
