"""The two ways of running minicap that cases share: layers on shards, and whole training steps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.case import Task
from benchmarks.torch_mode import TorchMode
from minicap.arrays import to_device
from minicap.arrays.random import RandomStream
from minicap.nn import Dropout
from minicap.optim.rules import Nesterov
from minicap.training.shards import Batch, cut, sharded_loss

LEARNING_RATE, MOMENTUM = 0.01, 0.9
# In the answer every parameter moves by its gradient times 1.9, large enough to survive float32.
ANSWER_RATE = 1.0

Gradients = dict[str, Any]


class _AsModel:
    """Layer functions where sharded_loss expects a model; one row of the batch is all a shard works on."""

    def __init__(self, work: Callable[[Any], Gradients]) -> None:
        self.work = work

    def count(self, batch: Any) -> int:
        return 1

    def loss(
        self, batch: Any, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Any, Gradients]:
        (part,) = batch["parts"]
        return 0.0, self.work(part)


def on_shards(work: Callable[[Any], Gradients], parts: Sequence[Any]) -> Callable[[], object]:
    """Run work(part) for every part as the Trainer runs its shards, and add up what gradients it returns."""
    model, batch = _AsModel(work), {"parts": parts}
    return lambda: sharded_loss(model, batch, RandomStream(0), len(parts))  # type: ignore[arg-type]


def parts_of(threads: int, **arrays: Any) -> list[dict[str, Any]]:
    """The arrays cut along their first axis, one part per thread, each in memory of its own."""
    return [{name: array.copy(order="K") for name, array in part.items()} for _, part in cut(arrays, threads)]


def minicap_step(model: Any, batch: Batch, threads: int, answer_shards: int | None = None) -> Task:
    """One update of a model as the Trainer does it: loss and gradients by shards, then Nesterov's rule.

    threads: the most shards; small models get fewer, as in the Trainer.
    answer_shards: for the answer, where batch normalisation makes the result depend on the shards.
    """
    rule, count = Nesterov(LEARNING_RATE, MOMENTUM), model.count(batch)
    batch = {name: to_device(array) for name, array in batch.items()}
    worthwhile = model.shards(batch, count, threads)

    def step(rule: Nesterov, shards: int) -> Any:
        loss, grads = sharded_loss(model, batch, RandomStream(0).child(rule.step_count), shards, count=count)
        rule.step(model.params, grads)
        return loss

    def answer() -> dict[str, Any]:
        before = {name: w.copy() for name, w in model.params.items()}
        dropouts = [m for m in model.modules() if isinstance(m, Dropout)]
        with changed(dropouts, "options", {"rate": 0.0}):
            loss = step(Nesterov(ANSWER_RATE, MOMENTUM), answer_shards or worthwhile)
        return {"loss": loss} | {f"step of {name}": w - before[name] for name, w in model.params.items()}

    return Task(lambda: step(rule, worthwhile), answer)


def torch_step(
    module: Any, loss: Callable[[], Any], mode: TorchMode, read: Callable[[], dict[str, Any]]
) -> Task:
    """The same update in PyTorch.

    loss: the forward pass of the module.  read: its parameters now, in minicap's names and layout.
    """
    import torch

    compute_loss = mode.compile(loss)

    def step(optimizer: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        value = compute_loss()
        value.backward()
        optimizer.step()
        return value

    def answer() -> dict[str, Any]:
        before = read()
        dropouts = [m for m in module.modules() if isinstance(m, torch.nn.Dropout)]
        with changed(dropouts, "training", False):
            value = step(mode.nesterov(module.parameters(), ANSWER_RATE, MOMENTUM))
        return {"loss": value.detach()} | {f"step of {name}": w - before[name] for name, w in read().items()}

    optimizer = mode.nesterov(module.parameters(), LEARNING_RATE, MOMENTUM)
    return Task(mode.run(lambda: step(optimizer)), answer)


@contextmanager
def changed(modules: Sequence[Any], name: str, value: Any) -> Iterator[None]:
    """Give an attribute of some modules another value for a while."""
    before = [getattr(module, name) for module in modules]
    for module in modules:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, old in zip(modules, before, strict=True):
            setattr(module, name, old)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Any:
    """Normal numbers, float32; the same in every process."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape, dtype=np.float32) * np.float32(scale)
