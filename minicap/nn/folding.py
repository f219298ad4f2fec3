"""Batch normalisation folded into the convolution before it, for a network that no longer trains."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from minicap.arrays import backend_of
from minicap.nn.composition import Branches, Residual, Sequential
from minicap.nn.conv import Conv2d
from minicap.nn.heads import WithHeads
from minicap.nn.module import Module
from minicap.nn.normalization import BatchNorm2d


def fold_batch_norm(net: Module) -> Module:
    """A network that gives the same output as this one in evaluation, with less to compute.

    conv(x, w, b), normalised by running statistics, is conv(x, w s, (b - mean) s + beta) with
    s = gamma / sqrt(var + eps).  The normalisation is gone; other parameters keep their names, and heads that
    only training uses are dropped.  Modules without batch normalisation are shared with `net`.
    A network that is not initialised gives one that is not either.
    """
    if not any(isinstance(module, (BatchNorm2d, WithHeads)) for module in net.modules()):
        return net
    if isinstance(net, WithHeads):
        return WithHeads(_sequential(net.trunk))
    if isinstance(net, Residual):
        return Residual(fold_batch_norm(net.body), fold_batch_norm(net.shortcut))
    if isinstance(net, Branches):
        return Branches(**{name: fold_batch_norm(child) for name, child in net.children.items()})
    return _sequential(net) if isinstance(net, Sequential) else net


def unfolded(net: Module, folded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of `net`, with its batch normalisation, from those of its folded form.

    The normalisation then only adds the folded bias.  Raises KeyError if a bias is missing.
    """
    arrays, shapes = dict(folded), net.shapes
    for conv, norm, module in _pairs(net):
        bias = arrays.pop(f"{conv}.b")
        arrays[f"{norm}.beta"], arrays[f"{norm}.running_mean"] = bias, np.zeros_like(bias)
        arrays[f"{norm}.running_var"] = np.full_like(bias, 1 - module.options["eps"])
        if "gamma" in module.declared:
            arrays[f"{norm}.gamma"] = np.ones_like(bias)
        if f"{conv}.b" in shapes:
            arrays[f"{conv}.b"] = np.zeros_like(bias)
    return arrays


def _pairs(net: Module, path: str = "") -> Iterator[tuple[str, str, BatchNorm2d]]:
    """The names of each convolution and of the normalisation after it, and that normalisation."""
    for (conv, first), (norm, second) in pairwise(net.children.items()):
        if isinstance(net, Sequential) and isinstance(first, Conv2d) and isinstance(second, BatchNorm2d):
            yield f"{path}{conv}", f"{path}{norm}", second
    for name, child in net.children.items():
        yield from _pairs(child, f"{path}{name}.")


def _sequential(net: Sequential) -> Sequential:
    folded: dict[str, Module] = {}
    last = ""
    for name, child in net.children.items():
        before = folded.get(last)
        if isinstance(child, BatchNorm2d) and isinstance(before, Conv2d):
            folded[last] = _convolution(before, child)
        else:
            folded[name], last = fold_batch_norm(child), name
    return Sequential(**folded)


def _convolution(conv: Conv2d, norm: BatchNorm2d) -> Conv2d:
    filters, seen, *size = conv.declared["w"].shape
    options: dict[str, Any] = {name: value for name, value in conv.options.items() if name != "b"}
    folded = Conv2d(seen * options["groups"], filters, (size[0], size[1]), **options)
    if conv.own:
        xp = backend_of(w=conv["w"]).xp
        mean, var = norm.buffers["running_mean"], norm.buffers["running_var"]
        scale = norm.own.get("gamma", 1) / xp.sqrt(var + norm.options["eps"])
        bias = (conv.own.get("b", 0) - mean) * scale + norm["beta"]
        dtype = conv["w"].dtype
        folded.own = {
            "w": (conv["w"] * scale[:, None, None, None]).astype(dtype, copy=False),
            "b": bias.astype(dtype, copy=False),
        }
    return folded
