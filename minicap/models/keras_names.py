"""Keras' published networks under PyTorch's names: one function for each family.

Each takes our network and the arrays of theirs by names such as "layer/kernel", as minicap.formats.keras_file
reads them, and raises InputError when one is missing.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from math import isqrt

import numpy as np

from minicap.errors import InputError, ShapeError
from minicap.models.torch_names import INCEPTION, by_place
from minicap.nn import Affine, Conv2d, Module

Arrays = Mapping[str, np.ndarray]
FromKeras = Callable[[Module, Arrays], dict[str, np.ndarray]]

_TORCH_EPS = 1e-5  # the epsilon of PyTorch's ResNets


def resnet50(net: Module, arrays: Arrays) -> dict[str, np.ndarray]:
    """ResNet-50, whose layers have had other names since 2019.

    Its convolutions have biases, which are subtracted from the running means after them, and its batch
    normalisation uses another epsilon than PyTorch's; both conversions are exact up to rounding.
    """
    first_names = "fc1000/kernel" in arrays
    eps = 1e-3 if first_names else 1.001e-5
    head = "fc1000" if first_names else "predictions"
    tensors = {"fc.weight": _weight(arrays, head), "fc.bias": _array(arrays, f"{head}/bias")}
    for own_conv, own_bn, conv, bn in _resnet50_layers(first_names):
        tensors[f"{own_conv}.weight"] = _weight(arrays, conv)
        tensors[f"{own_bn}.weight"] = _array(arrays, f"{bn}/gamma")
        tensors[f"{own_bn}.bias"] = _array(arrays, f"{bn}/beta")
        mean, var = (_array(arrays, f"{bn}/moving_{word}") for word in ("mean", "variance"))
        tensors[f"{own_bn}.running_mean"] = mean - _array(arrays, f"{conv}/bias")
        tensors[f"{own_bn}.running_var"] = var + np.float32(eps - _TORCH_EPS)
    return tensors


def _resnet50_layers(first_names: bool) -> Iterator[tuple[str, str, str, str]]:
    """PyTorch's names of each convolution and its normalisation, and Keras' names of the two."""
    theirs = ("conv1", "bn_conv1") if first_names else ("conv1_conv", "conv1_bn")
    yield "conv1", "bn1", *theirs
    for stage, count in enumerate((3, 4, 6, 3), 2):
        for block in range(count):
            for place, branch in enumerate(("1", "2a", "2b", "2c")):
                if place == 0 and block > 0:  # only the first block has a shortcut of its own
                    continue
                at = f"layer{stage - 1}.{block}"
                conv, bn = (f"conv{place}", f"bn{place}") if place else ("downsample.0", "downsample.1")
                old = f"{stage}{'abcdef'[block]}_branch{branch}"
                new = f"conv{stage}_block{block + 1}_{place}"
                theirs = (f"res{old}", f"bn{old}") if first_names else (f"{new}_conv", f"{new}_bn")
                yield f"{at}.{conv}", f"{at}.{bn}", *theirs


def vgg(net: Module, arrays: Arrays) -> dict[str, np.ndarray]:
    """VGG16 and VGG19: convolutions numbered within their blocks, three matrices.

    The first matrix reads its grid channel by channel in PyTorch, but pixel by pixel in Keras.
    """
    rename = by_place(net)
    convs = sorted({name.partition("/")[0] for name in arrays if re.match(r"block\d_conv\d/", name)})
    tensors = {}
    for part, kind, theirs in (("features", Conv2d, convs), ("classifier", Affine, _VGG_MATRICES)):
        own = [name for name, module in net.children[part].children.items() if isinstance(module, kind)]
        if len(own) != len(theirs):
            raise InputError(f"the file has {len(theirs)} convolutions, the network {len(own)}")
        for name, layer in zip(own, theirs, strict=True):
            tensors[f"{rename(f'{part}.{name}')}.weight"] = _weight(arrays, layer)
            tensors[f"{rename(f'{part}.{name}')}.bias"] = _array(arrays, f"{layer}/bias")
    first = f"{rename('classifier.affine1')}.weight"
    channels = len(_array(arrays, f"{convs[-1]}/bias"))
    side = isqrt(tensors[first].shape[1] // channels)
    pixels = tensors[first].reshape(-1, side, side, channels)
    return tensors | {first: pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)}


_VGG_MATRICES = ["fc1", "fc2", "predictions"]


def inception_v3(net: Module, arrays: Arrays) -> dict[str, np.ndarray]:
    """Inception v3, whose layers are numbered in the order of the paper's branches."""
    tensors = {"fc.weight": _weight(arrays, "predictions"), "fc.bias": _array(arrays, "predictions/bias")}
    convs, norms = (_numbered(arrays, kind) for kind in ("conv2d", "batch_normalization"))
    own = inception_units(net)
    if not len(own) == len(convs) == len(norms):
        raise InputError(f"the file has {len(convs)} convolutions, the network {len(own)}")
    for unit, conv, norm in zip(own, convs, norms, strict=True):
        words = ("beta", "moving_mean", "moving_variance")
        tensors |= inception_unit(
            unit, _weight(arrays, conv), *(_array(arrays, f"{norm}/{word}") for word in words)
        )
    return tensors


def inception_units(net: Module) -> list[str]:
    """PyTorch's paths of the network's convolutions with their normalisation, in its order."""
    return [INCEPTION(name).removesuffix(".conv.w") for name in net.shapes if name.endswith(".conv.w")]


def inception_unit(
    unit: str, weight: np.ndarray, beta: np.ndarray, mean: np.ndarray, var: np.ndarray
) -> dict[str, np.ndarray]:
    """The tensors of one unit, whose normalisation has no scale."""
    return {
        f"{unit}.conv.weight": weight,
        f"{unit}.bn.weight": np.ones_like(beta),
        f"{unit}.bn.bias": beta,
        f"{unit}.bn.running_mean": mean,
        f"{unit}.bn.running_var": var,
    }


def _numbered(arrays: Arrays, kind: str) -> list[str]:
    """Layers "kind", "kind_1", "kind_2", ... in the order of their numbers, which need not begin at 0."""
    numbers = {}
    for name in arrays:
        if found := re.fullmatch(rf"({kind}(?:_(\d+))?)/.*", name):
            numbers[found[1]] = int(found[2] or 0)
    return sorted(numbers, key=numbers.__getitem__)


def _weight(arrays: Arrays, layer: str) -> np.ndarray:
    """Filters (HH, WW, C, F) as (F, C, HH, WW), a matrix (in, out) as (out, in)."""
    kernel = _array(arrays, f"{layer}/kernel")
    if kernel.ndim not in (2, 4):
        raise ShapeError(f"{layer}/kernel is {kernel.shape}, neither filters nor a matrix")
    return kernel.T if kernel.ndim == 2 else kernel.transpose(3, 2, 0, 1)


def _array(arrays: Arrays, name: str) -> np.ndarray:
    try:
        return arrays[name]
    except KeyError:
        raise InputError(f"{name} is missing; is it a file of another network?") from None
