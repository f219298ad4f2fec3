"""Networks whose ImageNet weights somebody has published: by name, with how they want their photos."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from minicap.data.download import sha256_of
from minicap.data.images import SQUEEZENET as SQUEEZENET_PHOTOS
from minicap.data.images import Preprocess
from minicap.data.packages import fetch
from minicap.errors import FormatError, InputError
from minicap.formats import load_safetensors, nearest, save_safetensors
from minicap.formats.folders import default_cache_folder
from minicap.formats.torch_file import load_torch
from minicap.models.cnns import Image
from minicap.models.imagenet import imagenet_classes
from minicap.models.packages import EFFICIENTNET_LITE0, RESNET50_V1, VGG16_FEATURES, Package
from minicap.models.registry import (
    AlexNetConfig,
    EfficientNetConfig,
    ResNetConfig,
    SqueezeNetConfig,
    VGGConfig,
    make_network,
)
from minicap.models.squeezenet import SqueezeNet
from minicap.models.torch_names import EFFICIENTNET, RESNET, SQUEEZENET, Rename, by_place, from_torch
from minicap.models.vgg import vgg
from minicap.nn import Module, Sequential

# The photos that torchvision's networks were trained on, as their scores are measured.
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


@dataclass(frozen=True)
class Pretrained:
    """A network and what is known of its weights.

    config: the settings of the network.  preprocess: the photos it was trained on.
    rename: PyTorch's names of its parameters.
    accuracy: photos of ImageNet's validation set named rightly, in %, as published with the weights.
    left_out: how the names of tensors begin that it has no place for.
    package: what brings the weights, by the client of a package registry.
    """

    config: Any
    preprocess: Preprocess
    rename: Callable[[Module], Rename]
    licence: str
    accuracy: float | None = None
    left_out: tuple[str, ...] = ()
    package: Package | None = None

    def make(self) -> Module:
        """The network, without numbers yet."""
        size = self.preprocess.size
        return make_network(self.config, (3, size, size), len(imagenet_classes()))


@dataclass(frozen=True)
class VGG16Trunk:
    """VGG16 up to its fifth pooling: a grid, and no classes."""

    name: str = "vgg16_features"

    def make(self, image: Image, num_classes: int) -> Module:
        return Sequential(features=vgg(16).children["features"])


def _torchvision_vgg(depth: int, batch_norm: bool, accuracy: float) -> Pretrained:
    return Pretrained(
        VGGConfig(depth=depth, batch_norm=batch_norm, hidden=4096),
        TORCHVISION_PHOTOS,
        by_place,
        "BSD-3-Clause",
        accuracy,
    )


def _torchvision_resnet(depth: int, accuracy: float) -> Pretrained:
    return Pretrained(
        ResNetConfig(depth=depth), TORCHVISION_PHOTOS, lambda net: RESNET, "BSD-3-Clause", accuracy
    )


SHIPPED = "squeezenet1_1"  # its weights are in the package
PRETRAINED: Mapping[str, Pretrained] = {
    SHIPPED: Pretrained(
        SqueezeNetConfig(),
        SQUEEZENET_PHOTOS,
        lambda net: SQUEEZENET,
        "BSD-2-Clause",
        57.5,
    ),
    "efficientnet_lite0": Pretrained(
        EfficientNetConfig(),
        EFFICIENTNET_LITE_PHOTOS,
        lambda net: EFFICIENTNET,
        "Apache-2.0",
        75.1,
        package=EFFICIENTNET_LITE0,
    ),
    "resnet50_v1": Pretrained(
        ResNetConfig(depth=50, version="v1"),
        CAFFE_PHOTOS,
        lambda net: RESNET,
        "MIT, ISC",
        74.9,
        package=RESNET50_V1,
    ),
    "vgg16_features": Pretrained(
        VGG16Trunk(),
        TORCHVISION_PHOTOS,
        by_place,
        "BSD-3-Clause",
        left_out=("classifier.",),
        package=VGG16_FEATURES,
    ),
    "alexnet": Pretrained(AlexNetConfig(), TORCHVISION_PHOTOS, by_place, "BSD-3-Clause", 56.5),
    "resnet18": _torchvision_resnet(18, 69.8),
    "resnet34": _torchvision_resnet(34, 73.3),
    "resnet50": _torchvision_resnet(50, 76.1),
    "resnet101": _torchvision_resnet(101, 77.4),
    "vgg11": _torchvision_vgg(11, False, 69.0),
    "vgg13": _torchvision_vgg(13, False, 69.9),
    "vgg16": _torchvision_vgg(16, False, 71.6),
    "vgg19": _torchvision_vgg(19, False, 72.4),
    "vgg11_bn": _torchvision_vgg(11, True, 70.4),
    "vgg13_bn": _torchvision_vgg(13, True, 71.6),
    "vgg16_bn": _torchvision_vgg(16, True, 73.4),
    "vgg19_bn": _torchvision_vgg(19, True, 74.2),
}
CLASSIFIERS = [name for name in PRETRAINED if name != "vgg16_features"]  # they end in ImageNet's classes


def pretrained(name: str) -> Pretrained:
    """What is known of the network of this name.  Raises InputError for another name."""
    if name not in PRETRAINED:
        hint = nearest(name, PRETRAINED) or f"; known: {', '.join(PRETRAINED)}"
        raise InputError(f"unknown pretrained network {name!r}{hint}")
    return PRETRAINED[name]


def weights_file(name: str) -> Path:
    """Where the weights of this network lie once they are there: in minicap's cache folder."""
    return default_cache_folder() / "weights" / f"{name}.safetensors"


def have_weights(name: str) -> bool:
    """Whether the weights of this network are here."""
    return name == SHIPPED or weights_file(name).is_file()


def keep_weights(name: str, tensors: Mapping[str, np.ndarray], source: str, sha256: str) -> Path:
    """Write PyTorch's tensors, under our names, as the weights of this network; returns the file.

    source: the file they come from.  sha256: its checksum, kept beside it.
    Raises as from_torch; InputError for the network whose weights ship in the package.
    """
    known = pretrained(name)
    if name == SHIPPED:
        raise InputError(f"the weights of {name} are in the package already")
    net = known.make()
    arrays = from_torch(net, tensors, known.rename(net), known.left_out, f"{source}, as {name}")
    file = weights_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {"model": name, "preprocess": known.preprocess.to_json(), "licence": known.licence}
    save_safetensors(file, arrays, about | {"source": source, "sha256": sha256})
    return file


def load_pretrained(name: str) -> tuple[Module, Preprocess]:
    """The network with its weights, and how it wants its photos.

    Raises InputError, saying how to get them, when the weights are not there; FormatError for a file that
    holds something else.
    """
    known = pretrained(name)
    if name == SHIPPED:
        return SqueezeNet.pretrained(), known.preprocess
    file = require_weights(name)
    arrays, about = load_safetensors(file)
    if about.get("model") != name:
        raise FormatError(f"{file} does not hold the weights of {name}; delete it and get them again")
    net = known.make()
    net.load(arrays)
    return net, Preprocess.from_json(about.get("preprocess", ""))


def weights_identity(name: str) -> str:
    """16 hexadecimal digits that say which weights are here: of the file that they come from."""
    return load_safetensors(require_weights(name), mmap=True)[1].get("sha256", "")[:16]


def require_weights(name: str) -> Path:
    """The file with the weights of this network.  Raises InputError, saying how to get it, without one."""
    file = weights_file(name)
    if not file.is_file():
        by_package = f"minicap weights get {name}" if pretrained(name).package else ""
        by_file = f"minicap weights import FILE --model {name}"
        raise InputError(f"the weights of {name} are not here yet; get them with: {by_package or by_file}")
    return file


def get_weights(name: str) -> Path:
    """Download the weights of this network with the client of a package registry; returns the file.

    Raises InputError where no package has them, and as `fetch`.
    """
    package = pretrained(name).package
    if package is None:
        ships = "they are in minicap already" if name == SHIPPED else "import a PyTorch file"
        raise InputError(f"no known package carries the weights of {name}; {ships}")
    with TemporaryDirectory() as folder:
        archive = fetch(package, Path(folder))
        return keep_weights(name, package.read(archive), str(package), package.sha256)


def import_weights(name: str, file: Path) -> Path:
    """Convert a file of PyTorch's (.pth, .pt) or a safetensors file with PyTorch's names; returns ours.

    Raises FormatError for a file that is neither, and as keep_weights.
    """
    tensors = load_safetensors(file)[0] if file.suffix == ".safetensors" else load_torch(file)
    return keep_weights(name, tensors, str(file), sha256_of(file))
