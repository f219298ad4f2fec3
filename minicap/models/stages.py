"""A network of modules in a row as stages: what each sees as features, and the last one to be trained on."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.layers import global_avg_pool_backward, global_avg_pool_forward
from minicap.nn import Gradients, Module, Sequential, prefixed


def cut_after(net: Module, stops: Sequence[str]) -> list[Sequential]:
    """A network of modules in a row, as pieces that each end with one of the stops; the rest is left out.

    stops: flat names, in the order of the network.  They may lie inside a module that is a row itself.
    """

    def steps(module: Module, prefix: str = "") -> Iterator[tuple[str, Module]]:
        for name, child in module.children.items():
            path = prefix + name
            if any(stop.startswith(f"{path}.") for stop in stops):
                yield from steps(child, f"{path}.")
            else:
                yield path, child

    pieces: list[Sequential] = []
    row: dict[str, Module] = {}
    for path, module in steps(net):
        row[path.replace(".", "_")] = module
        if path == stops[len(pieces)]:
            pieces.append(Sequential(**row))
            row = {}
            if len(pieces) == len(stops):
                break
    return pieces


def stage_means(stages: Sequence[Module], images: Array) -> Array:
    """The mean of every channel after each stage, side by side: (N, F1 + F2 + ...)."""
    means, grid = [], images
    for stage in stages:
        grid = stage(grid)
        means.append(grid.mean(axis=(2, 3)))
    return backend_of(grid=grid).xp.concatenate(means, axis=1)


def below_last(stages: Sequence[Module], images: Array) -> Array:
    """The channel means of all stages but the last, and then the grid that the last one reads:
    (N, F1 + F2 + ... + C h w)."""
    means, grid = [], images
    for stage in stages[:-1]:
        grid = stage(grid)
        means.append(grid.mean(axis=(2, 3)))
    return backend_of(grid=grid).xp.concatenate([*means, grid.reshape(len(grid), -1)], axis=1)


class LastStage(Module):
    """x (N, C h w), a grid (C, h, w) in a row, to the channel means (N, F) of what a network makes of it.

    network: copied, so that training changes no other.
    """

    def __init__(self, network: Module, reads: tuple[int, int, int]) -> None:
        super().__init__()
        self.network, self.reads = deepcopy(network), reads

    def forward(self, x: Array, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        out, cache = self.network.forward(x.reshape(-1, *self.reads), train, rng)
        means, pool_cache = global_avg_pool_forward(out)
        return means, (cache, pool_cache)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        cache, pool_cache = cache
        dgrid, grads = self.network.backward(
            global_avg_pool_backward(dout, pool_cache), cache, input_gradient
        )
        return dgrid.reshape(len(dout), -1) if input_gradient else None, prefixed("network", grads)
