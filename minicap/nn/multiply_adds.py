"""How many multiply-adds a network takes for one photo, as papers count them."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from minicap.arrays.windows import window_over
from minicap.layers import conv_forward
from minicap.nn.affine import Affine
from minicap.nn.conv import Conv2d
from minicap.nn.module import Module
from minicap.nn.whitening import PatchWhitening


def multiply_adds(net: Module, image: tuple[int, int, int]) -> int:
    """Of the convolutions and matrices in one forward for a photo of shape `image`, (C, H, W).

    Nothing is multiplied: zeros of the right shape go through the network, which needs no numbers.
    """
    counts: list[int] = []
    counted = [module for module in net.modules() if module.declared]
    try:
        for module in counted:
            vars(module)["forward"] = _counting(module, counts)
        net(_zeros(1, *image))
    finally:
        for module in counted:
            vars(module).pop("forward", None)
    return sum(counts)


def _counting(module: Module, counts: list[int]) -> Callable[..., tuple[Any, None]]:
    def forward(x: Any, *_: Any, **__: Any) -> tuple[Any, None]:
        if isinstance(module, Conv2d):
            filters, seen, height, width = module.declared["w"].shape
            options = {name: module.options[name] for name in ("stride", "pad", "dilation")}
            out = window_over(conv_forward, x.shape[2:], (height, width), **options).out
            counts.append(filters * seen * height * width * prod(out))
            return _zeros(len(x), filters, *out), None
        if isinstance(module, PatchWhitening):
            whitened, _ = conv_forward(x, module.buffers["w"].astype(x.dtype), None)
            counts.append(module.buffers["w"].size * prod(whitened.shape[2:]))
            return whitened, None
        if isinstance(module, Affine):
            counts.append(prod(module.declared["w"].shape))
            return _zeros(len(x), module.declared["w"].shape[1]), None
        return x, None  # what is left scales and shifts

    return forward


def _zeros(*shape: int) -> np.ndarray:
    """Without their memory."""
    return np.broadcast_to(np.float32(0), shape)
