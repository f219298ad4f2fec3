"""Image classifiers under the names that a run knows them by, each with its settings."""

from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from minicap.errors import InputError
from minicap.models.alexnet import alexnet
from minicap.models.cnns import SMALL_NETWORKS, Image
from minicap.models.efficientnet import efficientnet_lite0
from minicap.models.fast_cifar import Widths, fast_cifar
from minicap.models.googlenet import googlenet
from minicap.models.inception import Graph, inception_v3
from minicap.models.resnet import Version as ResNetVersion
from minicap.models.resnet import resnet
from minicap.models.squeezenet import SqueezeNet, Version
from minicap.models.variations import with_activation, with_draw, with_dropout
from minicap.models.vgg import vgg
from minicap.nn import ELU, LeakyReLU, Module, Sigmoid, Tanh
from minicap.nn.init import Initializer, glorot_uniform, he_normal, uniform


@dataclass(frozen=True)
class SmallNetworkConfig:
    """Settings of one of the eight small networks.

    name: softmax, mlp, lenet, or cnn1 to cnn5.
    activation: the nonlinearity behind every hidden layer.
    init: how weights are drawn, by default as the layers do; uniform is from -0.05 to 0.05.
    dropout: a factor on the network's own dropout rates, 0 for no dropout.
    """

    name: Literal["softmax", "mlp", "lenet", "cnn1", "cnn2", "cnn3", "cnn4", "cnn5"] = "cnn2"
    activation: Literal["relu", "leaky_relu", "elu", "tanh", "sigmoid"] = "relu"
    init: Literal["default", "he", "glorot", "uniform"] = "default"
    dropout: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 2:
            raise InputError(f"dropout is {self.dropout} but must be at least 0 and below 2")

    def make(self, image: Image, num_classes: int) -> Module:
        _require(min(image[1:]) >= 8, self.name, "photos of 8 x 8 pixels or more", image)
        net = SMALL_NETWORKS[self.name](image, num_classes)
        if self.activation != "relu":
            net = with_activation(net, _ACTIVATIONS[self.activation])
        if self.dropout != 1:
            net = with_dropout(net, self.dropout)
        return net if self.init == "default" else with_draw(net, _DRAWS[self.init])


@dataclass(frozen=True)
class ResNetConfig:
    """Settings of a residual network (He et al. 2016).

    name: resnet.  depth: layers, 18, 34, 50 or 101.
    version: where a block of depth 50 or 101 halves its photo, in its first convolution (v1) or in the 3x3
    one (v1.5).
    width: channels of the first stage.
    """

    name: Literal["resnet"] = "resnet"
    depth: int = 18
    version: ResNetVersion = "v1.5"
    width: int = 64

    def __post_init__(self) -> None:
        _at_least_1(self, "width")

    def make(self, image: Image, num_classes: int) -> Module:
        _require(image[0] == 3, self.name, "photos in colour", image)
        return resnet(self.depth, num_classes, self.version, self.width)


@dataclass(frozen=True)
class VGGConfig:
    """Settings of a VGG (Simonyan & Zisserman 2015).

    name: vgg.  depth: layers, 11, 13, 16 or 19.
    batch_norm: whether every convolution is normalised.
    hidden: units of the two hidden layers.
    """

    name: Literal["vgg"] = "vgg"
    depth: int = 16
    batch_norm: bool = True
    hidden: int = 512

    def __post_init__(self) -> None:
        _at_least_1(self, "hidden")

    def make(self, image: Image, num_classes: int) -> Module:
        fits = image[0] == 3 and image[1] == image[2] and image[1] % 32 == 0
        _require(fits, self.name, "photos in colour, square, of 32, 64, ... pixels a side", image)
        return vgg(self.depth, num_classes, self.batch_norm, image[1], hidden=self.hidden)


@dataclass(frozen=True)
class SqueezeNetConfig:
    """Settings of SqueezeNet (Iandola et al. 2016): it has none.

    name: squeezenet1_0 or squeezenet1_1.
    """

    name: Literal["squeezenet1_0", "squeezenet1_1"] = "squeezenet1_1"

    def make(self, image: Image, num_classes: int) -> Module:
        version: Version = "1.0" if self.name == "squeezenet1_0" else "1.1"
        least = {"1.0": 29, "1.1": 25}[version]
        fits = image[0] == 3 and min(image[1:]) >= least
        _require(fits, self.name, f"photos in colour of {least} x {least} or more", image)
        return SqueezeNet(num_classes, version)


@dataclass(frozen=True)
class GoogLeNetConfig:
    """Settings of GoogLeNet (Szegedy et al. 2015).

    name: googlenet.  batch_norm: whether every convolution is normalised; else it is the paper's network.
    heads: whether two more classifiers, behind inner layers, take part in training.
    width: a factor on the filters of every layer.
    """

    name: Literal["googlenet"] = "googlenet"
    batch_norm: bool = True
    heads: bool = True
    width: float = 1.0

    def make(self, image: Image, num_classes: int) -> Module:
        least = 32 if self.batch_norm else 47
        fits = image[0] == 3 and image[1] == image[2] and image[1] >= least
        _require(fits, self.name, f"photos in colour, square, of {least} pixels a side or more", image)
        return googlenet(num_classes, self.batch_norm, self.heads, image[1], self.width)


@dataclass(frozen=True)
class InceptionV3Config:
    """Settings of Inception v3 (Szegedy et al. 2016).

    name: inception_v3.  graph: whose way of pooling its blocks have, torchvision, keras or tf2015.
    heads: whether one more classifier, behind an inner layer, takes part in training.
    width: a factor on the filters of every layer.
    """

    name: Literal["inception_v3"] = "inception_v3"
    graph: Graph = "torchvision"
    heads: bool = True
    width: float = 1.0

    def make(self, image: Image, num_classes: int) -> Module:
        fits = image[0] == 3 and image[1] == image[2] and image[1] >= 75
        _require(fits, self.name, "photos in colour, square, of 75 pixels a side or more", image)
        return inception_v3(num_classes, self.graph, self.heads, image[1], self.width)


@dataclass(frozen=True)
class AlexNetConfig:
    """Settings of AlexNet (Krizhevsky et al. 2012; in one tower, Krizhevsky 2014).

    name: alexnet.  grouped: whether it is the original, in two groups and with local response normalisation.
    hidden: units of the two hidden layers.
    """

    name: Literal["alexnet"] = "alexnet"
    grouped: bool = False
    hidden: int = 4096

    def __post_init__(self) -> None:
        _at_least_1(self, "hidden")

    def make(self, image: Image, num_classes: int) -> Module:
        fits = image[0] == 3 and image[1] == image[2] and image[1] >= 63
        _require(fits, self.name, "photos in colour, square, of 63 pixels a side or more", image)
        return alexnet(num_classes, self.grouped, image[1], hidden=self.hidden)


@dataclass(frozen=True)
class EfficientNetConfig:
    """Settings of EfficientNet-Lite0 (Tan & Le 2019; the authors' "lite" variant).

    name: efficientnet_lite0.  width: a factor on the channels of every stage.
    """

    name: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    width: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.width < inf:
            raise InputError(f"width is {self.width} but must be above 0 and finite")

    def make(self, image: Image, num_classes: int) -> Module:
        _require(image[0] == 3, self.name, "photos in colour", image)
        return efficientnet_lite0(num_classes, self.width)


@dataclass(frozen=True)
class FastCifarConfig:
    """Settings of the small network that learns CIFAR-10 in ten epochs (Jordan 2024).

    name: fast_cifar.  widths: channels of its three blocks.
    whitening: whether the filters of the first layer come from the photos and stay, or are learned.
    start_as_identity: whether a convolution at first passes its input on.
    """

    name: Literal["fast_cifar"] = "fast_cifar"
    widths: Widths = (64, 256, 256)
    whitening: bool = True
    start_as_identity: bool = True

    def make(self, image: Image, num_classes: int) -> Module:
        fits = image[0] == 3 and all(31 <= side <= 38 for side in image[1:])
        _require(fits, self.name, "photos in colour of 31 x 31 to 38 x 38 pixels", image)
        return fast_cifar(num_classes, self.widths, self.whitening, self.start_as_identity)


_ACTIVATIONS = {"leaky_relu": LeakyReLU, "elu": ELU, "tanh": Tanh, "sigmoid": Sigmoid}
_DRAWS: dict[str, Initializer] = {"he": he_normal, "glorot": glorot_uniform, "uniform": uniform(0.05)}

NETWORK_SETTINGS: dict[str, type[Any]] = {
    **dict.fromkeys(SMALL_NETWORKS, SmallNetworkConfig),
    "resnet": ResNetConfig,
    "vgg": VGGConfig,
    **dict.fromkeys(("squeezenet1_0", "squeezenet1_1"), SqueezeNetConfig),
    "alexnet": AlexNetConfig,
    "googlenet": GoogLeNetConfig,
    "inception_v3": InceptionV3Config,
    "efficientnet_lite0": EfficientNetConfig,
    "fast_cifar": FastCifarConfig,
}


def make_network(config: Any, image: Image, num_classes: int) -> Module:
    """The network of these settings for photos of shape `image`, (C, H, W), not initialised yet.

    Raises InputError for photos that it cannot read.
    """
    network: Module = config.make(image, num_classes)
    return network


def _at_least_1(settings: Any, *names: str) -> None:
    for name in names:
        if getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)} but must be at least 1")


def _require(fits: bool, name: str, reads: str, image: Image) -> None:
    if not fits:
        raise InputError(f"{name} reads {reads}, but these are {' x '.join(map(str, image))} (C, H, W)")
