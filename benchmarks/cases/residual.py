"""ResNet-50 (He et al. 2016), with the stride in the 3x3 convolution of a block as everybody has it now."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from benchmarks.cases.networks import Network, classifier_case
from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.nn import (
    Affine,
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool,
    Gradients,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    prefixed,
)

# Blocks, and width of their 3x3 convolutions, in each of the four stages.
_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))


def _block_sizes() -> dict[str, tuple[int, int, int]]:
    """channels in, width and stride of every block"""
    sizes, channels = {}, 64
    for stage, (blocks, width) in enumerate(_STAGES, 1):
        for block in range(1, blocks + 1):
            sizes[f"block{stage}_{block}"] = (channels, width, 2 if stage > 1 and block == 1 else 1)
            channels = 4 * width
    return sizes


class Block(Module):
    """out = relu(main(x) + shortcut(x)), where main is 1x1, 3x3, 1x1."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.main = Sequential(
            conv1=Conv2d(channels, width, 1),
            bn1=BatchNorm2d(width),
            relu1=ReLU(),
            conv2=Conv2d(width, width, 3, stride, pad=1),
            bn2=BatchNorm2d(width),
            relu2=ReLU(),
            conv3=Conv2d(width, 4 * width, 1),
            bn3=BatchNorm2d(4 * width),
        )
        keeps_shape = channels == 4 * width and stride == 1
        self.shortcut = (
            Sequential()
            if keeps_shape
            else Sequential(conv=Conv2d(channels, 4 * width, 1, stride), bn=BatchNorm2d(4 * width))
        )
        self.relu = ReLU()

    def forward(self, x: Array, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        main, main_cache = self.main.forward(x, train, rng)
        shortcut, shortcut_cache = self.shortcut.forward(x, train, rng)
        out, relu_cache = self.relu.forward(main + shortcut, train)
        return out, (main_cache, shortcut_cache, relu_cache)

    def __call__(self, x: Array) -> Array:
        return self.relu(self.main(x) + self.shortcut(x))

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        main_cache, shortcut_cache, relu_cache = cache
        dsum, _ = self.relu.backward(dout, relu_cache)
        dx_main, main = self.main.backward(dsum, main_cache, input_gradient)
        dx_shortcut, shortcut = self.shortcut.backward(dsum, shortcut_cache, input_gradient)
        grads = prefixed("main", main) | prefixed("shortcut", shortcut)
        return dx_main + dx_shortcut if input_gradient else None, grads


def minicap_resnet50(classes: int) -> Sequential:
    """In minicap.  Its convolutions have biases, which the batch normalisation behind them takes out."""
    return Sequential(
        conv=Conv2d(3, 64, 7, stride=2, pad=3),
        bn=BatchNorm2d(64),
        relu=ReLU(),
        pool=MaxPool2d(3, stride=2, pad=1),
        **{name: Block(*sizes) for name, sizes in _block_sizes().items()},
        mean=GlobalAvgPool(),
        fc=Affine(2048, classes),
    )


def torch_resnet50(classes: int) -> Any:
    """In torch, under the same names; no biases before batch normalisation, as usual."""
    from torch import nn

    def stack(**layers: nn.Module) -> nn.Sequential:
        return nn.Sequential(OrderedDict(layers))

    def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Module:
        return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)

    class TorchBlock(nn.Module):
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.main = stack(
                conv1=conv(channels, width, 1),
                bn1=nn.BatchNorm2d(width),
                relu1=nn.ReLU(inplace=True),
                conv2=conv(width, width, 3, stride),
                bn2=nn.BatchNorm2d(width),
                relu2=nn.ReLU(inplace=True),
                conv3=conv(width, 4 * width, 1),
                bn3=nn.BatchNorm2d(4 * width),
            )
            keeps_shape = channels == 4 * width and stride == 1
            self.shortcut = (
                stack()
                if keeps_shape
                else stack(conv=conv(channels, 4 * width, 1, stride), bn=nn.BatchNorm2d(4 * width))
            )
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            return self.relu(self.main(x) + self.shortcut(x))

    return stack(
        conv=conv(3, 64, 7, 2),
        bn=nn.BatchNorm2d(64),
        relu=nn.ReLU(inplace=True),
        pool=nn.MaxPool2d(3, 2, 1),
        **{name: TorchBlock(*sizes) for name, sizes in _block_sizes().items()},
        mean=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(2048, classes),
    )


@dataclass(frozen=True)
class ResNet50(Network):
    """The network built by hand instead of from a list of layers."""

    def minicap_model(self) -> Module:
        return minicap_resnet50(self.classes).initialize(seed=0)

    def torch_model(self, ours: Module) -> Any:
        return torch_resnet50(self.classes)


# In float64 both sides agree to 1e-12 (tests/benchmarks).  In float32 each, PyTorch too, is 4 % from that in
# some gradient of a training step: rounding flips ReLUs, and 50 layers of batch normalisation spread it.
_TOLERANCE = {"infer": 1e-2, "train": 1e-1}

CASES = [
    classifier_case(
        f"resnet50/{name}",
        ResNet50("", 8, (3, 224, 224), 1000, train=name == "train"),
        tolerance=tolerance,
        slow=True,
    )
    for name, tolerance in _TOLERANCE.items()
]
