"""Recurrent layers over whole sequences, and the projection to a vocabulary with its loss."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.case import Case, Task
from benchmarks.cases.steps import normal, on_shards, parts_of
from benchmarks.torch_mode import TorchMode
from minicap.arrays import to_device
from minicap.layers import temporal_affine_softmax_loss
from minicap.nn import RECURRENT

# Blocks of torch's gates in minicap's order; the same list leads back.
_GATES = {"rnn": [0], "lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}


def reordered_gates(array: Any, cell: str) -> Any:
    """Gate blocks of the last axis from torch's order to minicap's, or back."""
    blocks = np.split(np.asarray(array), len(_GATES[cell]), axis=-1)
    return np.concatenate([blocks[i] for i in _GATES[cell]], axis=-1)


@dataclass(frozen=True)
class RecurrentLayer:
    """Forward and backward over T steps: N sequences of D features, H hidden units, from a zero state."""

    cell: str
    N: int
    D: int
    H: int
    T: int = 16

    def arrays(self) -> tuple[Any, Any]:
        """x (N, T, D), dh (N, T, H)"""
        return normal(self.N, self.T, self.D), normal(self.N, self.T, self.H)

    def minicap(self, threads: int) -> Task:
        x, dh = map(to_device, self.arrays())
        layer = RECURRENT[self.cell](self.D, self.H)
        layer.initialize(seed=0)

        def work(part: dict[str, Any]) -> dict[str, Any]:
            _h, cache = layer.forward(part["x"], train=True)
            _dx, grads = layer.backward(part["dh"], cache)
            return grads

        def answer() -> dict[str, Any]:
            h, cache = layer.forward(x, train=True)
            dx, grads = layer.backward(dh, cache)
            return {"h": h, "dx": dx} | grads

        shards = layer.shards({"x": x}, self.N * self.T, threads)
        return Task(on_shards(work, parts_of(shards, x=x, dh=dh)), answer)

    def torch(self, mode: TorchMode) -> Task:
        import torch

        # Time first: torch's own order, and its faster one.
        x, dh = (mode.tensor(array.transpose(1, 0, 2)).contiguous() for array in self.arrays())
        ours = RECURRENT[self.cell](self.D, self.H)
        ours.initialize(seed=0)
        layer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[self.cell](self.D, self.H)
        theirs = {"Wx": layer.weight_ih_l0, "Wh": layer.weight_hh_l0, "b": layer.bias_ih_l0}
        if self.cell == "gru":
            theirs["bh"] = layer.bias_hh_l0
        else:
            layer.bias_hh_l0.detach().zero_()  # minicap has one bias here
        for name, array in ours.params.items():
            theirs[name].detach().copy_(torch.tensor(reordered_gates(array, self.cell).T))
        x.requires_grad_(True)

        def run() -> Any:
            for leaf in (x, *layer.parameters()):
                leaf.grad = None
            h, _ = layer(x)
            h.backward(dh)
            return h

        def answer() -> dict[str, Any]:
            h = run().numpy(force=True).transpose(1, 0, 2)
            grads = {n: reordered_gates(p.grad.numpy(force=True).T, self.cell) for n, p in theirs.items()}
            return {"h": h, "dx": x.grad.numpy(force=True).transpose(1, 0, 2)} | grads

        return Task(mode.run(run), answer)


@dataclass(frozen=True)
class VocabularyProjection:
    """Scores (N, T, V) of h (N, T, H), their softmax loss, and the gradients of h and the weights."""

    V: int
    N: int = 64
    T: int = 16
    H: int = 512

    def arrays(self) -> tuple[Any, Any, Any, Any]:
        """h, w, b, y"""
        y = np.random.default_rng(0).integers(self.V, size=(self.N, self.T))
        return normal(self.N, self.T, self.H), normal(self.H, self.V, scale=self.H**-0.5), normal(self.V), y

    def minicap(self, threads: int) -> Task:
        h, w, b, y = self.arrays()

        def project(h: Any, y: Any, weights: Any) -> tuple[Any, Any, Any, Any]:
            return temporal_affine_softmax_loss(h, w, b, y, weights, reduction="sum")

        def work(part: dict[str, Any]) -> dict[str, Any]:
            _loss, _dh, dw, db = project(**part)
            return {"w": dw, "b": db}

        weights = np.full(y.shape, 1 / y.size, np.float32)
        parts = parts_of(threads, h=h, y=y, weights=weights)
        names = ("loss", "dh", "dw", "db")
        return Task(on_shards(work, parts), lambda: dict(zip(names, project(h, y, weights), strict=True)))

    def torch(self, mode: TorchMode) -> Task:
        import torch

        h, w, b, y = (mode.tensor(array) for array in self.arrays())
        projection = torch.nn.Linear(self.H, self.V)
        projection.weight.detach().copy_(w.T)
        projection.bias.detach().copy_(b)
        h = h.reshape(-1, self.H).requires_grad_(True)
        leaves = [h, projection.weight, projection.bias]
        compute_loss = mode.compile(lambda: torch.nn.functional.cross_entropy(projection(h), y.reshape(-1)))

        def run() -> Any:
            for leaf in leaves:
                leaf.grad = None
            loss = compute_loss()
            loss.backward()
            return loss

        def answer() -> dict[str, Any]:
            loss = run().detach()
            dh, dw, db = (leaf.grad for leaf in leaves)
            return {"loss": loss, "dh": dh.reshape(self.N, self.T, self.H), "dw": dw.T, "db": db}

        return Task(run, answer)


_SIZES = {
    "128": (32, 128, 128),
    "256-512": (128, 256, 512),
    "300-512": (64, 300, 512),
    "2048": (64, 800, 2048),
}

CASES = [
    Case(
        f"{cell}/{name}",
        f"N {N}, T 16, D {D}, H {H}; forward and backward",
        RecurrentLayer(cell, N, D, H),
        tolerance=1e-3,
    )
    for cell in _GATES
    for name, (N, D, H) in _SIZES.items()
] + [
    Case(
        f"projection/{V}",
        f"h (64, 16, 512) to {V:,} words, softmax loss; forward and backward",
        VocabularyProjection(V),
        ("torch", "torch-compile"),
    )
    for V in (2_000, 10_000)
]
