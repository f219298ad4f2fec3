"""Classifiers at inner layers of a deep network, used only in training."""

from collections.abc import Iterator, Mapping
from typing import Any

from minicap.arrays import backend_of
from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.nn.composition import Sequential
from minicap.nn.module import Gradients, Module, prefixed


class WithHeads(Module):
    """A Sequential that ends in scores (N, K), with heads that give scores of their own at inner layers.

    trunk: the network.  heads: by the name of the child of trunk that each reads the output of.
    weight: of a head's loss, where the loss of the trunk's scores counts 1 (see Supervised).
    In training out is (1 + heads, N, K), the trunk's scores first; in evaluation it is the trunk's alone.
    Without heads it is the trunk's in both.
    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", section 5 (weight 0.3).
    Raises InputError for a head whose name is not a child of trunk.
    """

    def __init__(
        self, trunk: Sequential, heads: Mapping[str, Module] | None = None, weight: float = 0.3
    ) -> None:
        super().__init__()
        self.trunk, self.heads, self.weight = trunk, dict(heads or {}), weight
        if unknown := [name for name in self.heads if name not in trunk.children]:
            raise InputError(f"WithHeads: a head behind {unknown[0]!r}, which is no child of the trunk")

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]:
        if not (train and self.heads):
            out, cache = self.trunk.forward(x, train, rng)
            return out, [("", cache, None)]
        scores, caches = [], []
        for name, piece in self._pieces():
            x, cache = piece.forward(x, train, self.trunk.stream(rng))
            head_cache = None
            if name:
                own, head_cache = self.heads[name].forward(x, train, rng)
                scores.append(own)
            caches.append((name, cache, head_cache))
        return backend_of(x=x).xp.stack([x, *scores]), caches

    def __call__(self, x: Any) -> Any:
        return self.trunk(x)

    def backward(self, dout: Any, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        dx, *dheads = dout if len(cache) > 1 else (dout,)
        grads: Gradients = {}
        for index, (name, piece_cache, head_cache) in reversed([*enumerate(cache)]):
            if name:
                dbeside, own = self.heads[name].backward(dheads.pop(), head_cache)
                grads |= prefixed(f"heads.{name}", own)
                dx = dx + dbeside
            dx, own = self.trunk.backward(dx, piece_cache, input_gradient or index > 0)
            grads |= prefixed("trunk", own)
        return dx, grads

    def _pieces(self) -> Iterator[tuple[str, Sequential]]:
        """The trunk, cut behind every layer with a head: the layer's name, and "" for what is left."""
        piece: dict[str, Module] = {}
        for name, child in self.trunk.children.items():
            piece[name] = child
            if name in self.heads:
                yield name, Sequential(**piece)
                piece = {}
        yield "", Sequential(**piece)
