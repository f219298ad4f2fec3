"""How a torch side is run: the one thing in which the three torch peers differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# torch's names of the parameters that minicap calls otherwise.
_NAMES = {"w": "weight", "b": "bias", "gamma": "weight", "beta": "bias", "table": "weight"}


@dataclass(frozen=True)
class TorchMode:
    """channels_last: memory order N,H,W,C for images and filters.  fused: the fused optimizer.
    compiled: torch.compile of the model.  graph: the whole run recorded as a CUDA graph and replayed."""

    channels_last: bool = False
    fused: bool = False
    compiled: bool = False
    graph: bool = False

    def tensor(self, array: Any) -> Any:
        """The array as a tensor of its own, in this mode's memory order when it has four axes."""
        import torch

        tensor = torch.tensor(np.asarray(array))
        if self.channels_last and tensor.ndim == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    def model(self, module: Any) -> Any:
        """The module in this mode's memory order."""
        import torch

        return module.to(memory_format=torch.channels_last) if self.channels_last else module

    def compile(self, function: Any) -> Any:
        """The function or module, compiled if this mode compiles."""
        import torch

        if not self.compiled:
            return function
        torch.compiler.reset()  # an earlier task's code would be taken again, with its dropout rates
        return torch.compile(function)

    def run(self, function: Callable[[], object]) -> Callable[[], object]:
        """What is timed: the function, or the graph of it, recorded when it is first called."""
        return Replayed(function) if self.graph else function

    def nesterov(self, parameters: Any, rate: float, momentum: float) -> Any:
        import torch

        return torch.optim.SGD(
            parameters, lr=rate, momentum=momentum, nesterov=True, fused=self.fused or None
        )


class Replayed:
    """A function of device tensors as a CUDA graph.  Its inputs, parameters and results keep their places."""

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.graph: Any = None

    def __call__(self) -> None:
        if self.graph is None:
            self.graph = self._record()
        self.graph.replay()

    def _record(self) -> Any:
        import torch

        # Libraries choose and allocate in the first runs, on the stream that is to be recorded.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.function()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.function()
        return graph


def torch_name(name: str) -> str:
    """conv1.w -> conv1.weight"""
    path, _, last = name.rpartition(".")
    return f"{path}.{_NAMES.get(last, last)}"


def _views(module: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """A module's parameters in minicap's layout, for those of minicap's names that the module has."""
    theirs = {name: parameter.detach() for name, parameter in module.named_parameters()}
    views = {}
    for name in params:
        if torch_name(name) in theirs:
            view = theirs[torch_name(name)]
            views[name] = view.T if name.endswith(".w") and view.ndim == 2 else view  # torch has (M, D)
    return views


def in_minicap_layout(module: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """A module's parameters now, as NumPy arrays under minicap's names.

    params: minicap's.  The layers of both must have the same names.
    """
    return {name: view.numpy(force=True).copy() for name, view in _views(module, params).items()}


def copy_parameters(module: Any, params: Mapping[str, Any]) -> None:
    """Give a torch module the numbers of minicap's parameters; names as in in_minicap_layout."""
    import torch

    for name, view in _views(module, params).items():
        view.copy_(torch.tensor(params[name]))
