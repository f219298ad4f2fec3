"""The stages of an encoder as places of one size."""

from itertools import accumulate, pairwise
from typing import Any

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.nn import Affine, Gradients, Module, prefixed
from minicap.nn.init import glorot_uniform


class Stages(Module):
    """x (N, F1 + F2 + ... + FS) to (N, S, size): each stage's channels, projected by a matrix of its own."""

    def __init__(self, stages: tuple[int, ...], size: int) -> None:
        super().__init__()
        self.ends = list(accumulate(stages))
        self.project = [Affine(channels, size, glorot_uniform) for channels in stages]

    def forward(self, x: Array, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        pieces = [x[:, first:end] for first, end in pairwise((0, *self.ends))]
        found = [stage.forward(piece, train) for stage, piece in zip(self.project, pieces, strict=True)]
        return backend_of(x=x).xp.stack([out for out, _ in found], axis=1), [cache for _, cache in found]

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Array, Gradients]:
        dpieces: list[Array] = []
        grads: Gradients = {}
        for s, (stage, stage_cache) in enumerate(zip(self.project, cache, strict=True)):
            dpiece, of_stage = stage.backward(dout[:, s], stage_cache)
            dpieces.append(dpiece)
            grads |= prefixed(f"project.{s}", of_stage)
        return backend_of(dout=dout).xp.concatenate(dpieces, axis=1), grads
