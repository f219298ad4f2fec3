"""Networks with published ImageNet weights: by name, with how their photos are prepared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from minicap.data.images import SQUEEZENET as SQUEEZENET_PHOTOS
from minicap.data.images import Preprocess
from minicap.errors import InputError
from minicap.formats import nearest
from minicap.models import keras_names
from minicap.models.cnns import Image
from minicap.models.imagenet import imagenet_classes
from minicap.models.inception import inception_v3
from minicap.models.packages import INCEPTION_V3_2015, RESNET50_V1, VGG16_FEATURES, Package
from minicap.models.registry import (
    AlexNetConfig,
    EfficientNetConfig,
    GoogLeNetConfig,
    InceptionV3Config,
    ResNetConfig,
    SqueezeNetConfig,
    VGGConfig,
    make_network,
)
from minicap.models.torch_names import (
    EFFICIENTNET,
    GOOGLENET,
    INCEPTION,
    RESNET,
    Rename,
    by_place,
    squeezenet,
)
from minicap.models.vgg import vgg
from minicap.nn import Module, Sequential

# For torchvision's networks, as in the evaluation of their published scores.
TORCHVISION_PHOTOS = Preprocess(
    name="torchvision",
    size=224,
    resize_to=256,
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
# Caffe's: BGR, 0..255, minus the mean of ImageNet.
CAFFE_PHOTOS = Preprocess(
    name="caffe", size=224, resize_to=256, channels="BGR", mean=(103.939, 116.779, 123.68)
)
EFFICIENTNET_LITE_PHOTOS = Preprocess(
    name="efficientnet_lite0",
    size=224,
    resize_to=256,
    interpolation="bicubic",
    scale=1 / 255,
    mean=(0.498, 0.498, 0.498),
    std=(0.502, 0.502, 0.502),
)
# Google's: from -1 to 1.  TensorFlow's first graph is centred on 128, and squashes the photo.
GOOGLENET_PHOTOS = Preprocess(
    name="googlenet", size=224, resize_to=256, scale=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
INCEPTION_PHOTOS = replace(GOOGLENET_PHOTOS, name="inception", size=299, resize_to=342)
INCEPTION_2015_PHOTOS = Preprocess(
    name="inception_2015",
    size=299,
    resize_to=299,
    fit="squash",
    mean=(128.0, 128.0, 128.0),
    std=(128.0, 128.0, 128.0),
)


@dataclass(frozen=True)
class Pretrained:
    """A network and what is known of its weights.

    config: the settings of the network.  preprocess: the photos it was trained on.
    rename: PyTorch's names of its parameters.
    accuracy: top-1 on ImageNet's validation set, in %, as published with the weights.
    left_out: prefixes of tensors that it has no place for.
    package: one that contains the weights, downloaded by the client of a package registry.
    keras: turns the arrays of a Keras file into PyTorch's tensors, if such a file fits this network.
    """

    config: Any
    preprocess: Preprocess
    rename: Callable[[Module], Rename]
    licence: str
    accuracy: float | None = None
    left_out: tuple[str, ...] = ()
    package: Package | None = None
    keras: keras_names.FromKeras | None = None

    def make(self) -> Module:
        """The network, not initialised yet."""
        size = self.preprocess.size
        return make_network(self.config, (3, size, size), len(imagenet_classes()))


@dataclass(frozen=True)
class VGG16Trunk:
    """VGG16 up to its fifth pooling, whose grid it returns, without the classifier."""

    name: str = "vgg16_features"

    def make(self, image: Image, num_classes: int) -> Module:
        return Sequential(features=vgg(16).children["features"])


@dataclass(frozen=True)
class InceptionTrunk:
    """TensorFlow's Inception v3 of 2015 up to its pooling: 2048 numbers, without the classifier."""

    name: str = "inception_v3_2015"

    def make(self, image: Image, num_classes: int) -> Module:
        layers = inception_v3(graph="tf2015", heads=False).trunk.children
        return Sequential(trunk=Sequential(**{n: layers[n] for n in layers if n not in ("dropout", "fc")}))


def _torchvision_vgg(depth: int, batch_norm: bool, accuracy: float) -> Pretrained:
    return Pretrained(
        VGGConfig(depth=depth, batch_norm=batch_norm, hidden=4096),
        TORCHVISION_PHOTOS,
        by_place,
        "BSD-3-Clause",
        accuracy,
    )


def _keras_vgg(depth: int, accuracy: float) -> Pretrained:
    """The authors' weights, which Keras publishes."""
    config = VGGConfig(depth=depth, batch_norm=False, hidden=4096)
    return Pretrained(config, CAFFE_PHOTOS, by_place, "CC-BY-4.0", accuracy, keras=keras_names.vgg)


def _torchvision_resnet(depth: int, accuracy: float) -> Pretrained:
    return Pretrained(
        ResNetConfig(depth=depth), TORCHVISION_PHOTOS, lambda net: RESNET, "BSD-3-Clause", accuracy
    )


DEFAULT = "efficientnet_lite0"
SHIPPED = (DEFAULT, "squeezenet1_1")  # their weights are in the package
PRETRAINED: Mapping[str, Pretrained] = {
    DEFAULT: Pretrained(
        EfficientNetConfig(), EFFICIENTNET_LITE_PHOTOS, lambda net: EFFICIENTNET, "Apache-2.0", 75.1
    ),
    "squeezenet1_1": Pretrained(SqueezeNetConfig(), SQUEEZENET_PHOTOS, squeezenet, "BSD-2-Clause", 57.5),
    "resnet50_v1": Pretrained(
        ResNetConfig(depth=50, version="v1"),
        CAFFE_PHOTOS,
        lambda net: RESNET,
        "MIT, ISC",
        74.9,
        package=RESNET50_V1,
        keras=keras_names.resnet50,
    ),
    "vgg16_features": Pretrained(
        VGG16Trunk(),
        TORCHVISION_PHOTOS,
        by_place,
        "BSD-3-Clause",
        left_out=("classifier.",),
        package=VGG16_FEATURES,
    ),
    "inception_v3_2015": Pretrained(
        InceptionTrunk(),
        INCEPTION_2015_PHOTOS,
        lambda net: INCEPTION,
        "Apache-2.0, MIT",
        left_out=("AuxLogits.", "fc."),
        package=INCEPTION_V3_2015,
    ),
    "alexnet": Pretrained(AlexNetConfig(), TORCHVISION_PHOTOS, by_place, "BSD-3-Clause", 56.5),
    "squeezenet1_0": Pretrained(
        SqueezeNetConfig("squeezenet1_0"), TORCHVISION_PHOTOS, squeezenet, "BSD-3-Clause", 58.1
    ),
    "googlenet": Pretrained(
        GoogLeNetConfig(heads=False),
        GOOGLENET_PHOTOS,
        lambda net: GOOGLENET,
        "BSD-3-Clause",
        69.8,
        left_out=("aux1.", "aux2."),
    ),
    "inception_v3": Pretrained(
        InceptionV3Config(heads=False),
        INCEPTION_PHOTOS,
        lambda net: INCEPTION,
        "BSD-3-Clause",
        77.3,
        left_out=("AuxLogits.",),
    ),
    "inception_v3_keras": Pretrained(
        InceptionV3Config(graph="keras", heads=False),
        INCEPTION_PHOTOS,
        lambda net: INCEPTION,
        "Apache-2.0",
        77.9,
        keras=keras_names.inception_v3,
    ),
    "resnet18": _torchvision_resnet(18, 69.8),
    "resnet34": _torchvision_resnet(34, 73.3),
    "resnet50": _torchvision_resnet(50, 76.1),
    "resnet101": _torchvision_resnet(101, 77.4),
    "vgg11": _torchvision_vgg(11, False, 69.0),
    "vgg13": _torchvision_vgg(13, False, 69.9),
    "vgg16": _torchvision_vgg(16, False, 71.6),
    "vgg19": _torchvision_vgg(19, False, 72.4),
    "vgg16_keras": _keras_vgg(16, 71.3),
    "vgg19_keras": _keras_vgg(19, 71.3),
    "vgg11_bn": _torchvision_vgg(11, True, 70.4),
    "vgg13_bn": _torchvision_vgg(13, True, 71.6),
    "vgg16_bn": _torchvision_vgg(16, True, 73.4),
    "vgg19_bn": _torchvision_vgg(19, True, 74.2),
}
_TRUNKS = ("vgg16_features", "inception_v3_2015")
CLASSIFIERS = [name for name in PRETRAINED if name not in _TRUNKS]  # those with a classifier for ImageNet


def pretrained(name: str) -> Pretrained:
    """What is known of the network of this name.  Raises InputError for another name."""
    if name not in PRETRAINED:
        hint = nearest(name, PRETRAINED) or f"; known: {', '.join(PRETRAINED)}"
        raise InputError(f"unknown pretrained network {name!r}{hint}")
    return PRETRAINED[name]
