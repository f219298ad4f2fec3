"""minicap's networks in PyTorch, layer by layer and under the same names."""

from typing import Any

from minicap.nn import (
    GELU,
    Affine,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool,
    MaxPool2d,
    Module,
    PatchWhitening,
    ReLU,
    Residual,
    Scale,
    Sequential,
)


def torch_peer(module: Module) -> Any:
    """The same network in torch, with parameters of its own; ReLUs work in place, which suits torch best.

    Raises ValueError for a module that is not known here.
    """
    from torch import nn

    match module:
        case Sequential():
            return _stack(module)
        case Residual():
            return _residual(module)
        case Conv2d():
            outputs, inputs, size, _ = module.declared["w"].shape
            pad = size // 2 if module.options["pad"] == "same" else module.options["pad"]
            return nn.Conv2d(
                inputs, outputs, size, module.options["stride"], pad, bias="b" in module.declared
            )
        case Affine():
            return nn.Linear(*module.declared["w"].shape)
        case PatchWhitening():
            return _whitening(module)
        case BatchNorm2d():
            norm = nn.BatchNorm2d(
                *module.declared["beta"].shape, module.options["eps"], 1 - module.options["momentum"]
            )
            norm.weight.requires_grad = "gamma" in module.declared
            return norm
        case ReLU():
            return nn.ReLU(inplace=True)
        case GELU():
            return nn.GELU()
        case Flatten():
            return nn.Flatten()
        case Scale():
            return _scale(module.options["factor"])
        case Dropout():
            return nn.Dropout(module.options["rate"])
        case MaxPool2d():
            return nn.MaxPool2d(module.options["size"], module.options["stride"], module.options["pad"])
        case GlobalAvgPool():
            return nn.AdaptiveAvgPool2d(1)
    raise ValueError(f"no torch peer is written for a {type(module).__name__}")


def _stack(module: Sequential) -> Any:
    from torch import nn

    stack = nn.Sequential()
    for name, child in module.children.items():
        if isinstance(child, Affine) and not hasattr(stack, "flatten"):
            stack.add_module("flatten", nn.Flatten())
        stack.add_module(name, torch_peer(child))
    return stack


def _whitening(module: PatchWhitening) -> Any:
    import torch

    w = torch.tensor(module.buffers["w"], dtype=torch.float32)
    conv = torch.nn.Conv2d(w.shape[1], len(w), w.shape[2])
    conv.weight = torch.nn.Parameter(w, requires_grad=False)
    return conv


def _scale(factor: float) -> Any:
    from torch import nn

    class Scaled(nn.Module):
        def forward(self, x: Any) -> Any:
            return factor * x

    return Scaled()


def _residual(module: Residual) -> Any:
    from torch import nn

    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.shortcut = torch_peer(module.body), torch_peer(module.shortcut)

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.shortcut(x)

    return Sum()
