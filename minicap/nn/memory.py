"""How much memory a training step needs, predicted from steps of a few samples."""

import tracemalloc
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from threadpoolctl import threadpool_limits

from minicap.arrays import Array, backend_of, get_backend
from minicap.arrays.random import RandomStream
from minicap.backend.host import blas_threads

# A step that takes this many bytes besides parameters and gradients shows how memory grows with more samples:
# its layers are past the sizes where they would be computed in another way, and fill the blocks they work in.
TELLING = 64_000_000


class Network(Protocol):
    """What a network needs in order to be measured; minicap.nn.Module has all of it."""

    declared: dict[str, Any]
    own: dict[str, Array]
    buffers: dict[str, Array]

    @property
    def children(self) -> Mapping[str, Self]: ...
    @property
    def params(self) -> Mapping[str, Array]: ...
    @property
    def state(self) -> Mapping[str, Array]: ...
    def modules(self) -> Iterator[Self]: ...
    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]: ...
    def __call__(self, x: Any) -> Any: ...


class MemoryParts(NamedTuple):
    """The memory of a training step at its peak, by use, in bytes."""

    batch: float
    parameters: float  # and running statistics
    momentum: float  # one array per parameter, as for Momentum and Nesterov; Adam has two
    gradients: float  # each shard has its own
    kept_for_backward: float
    temporaries: float


class Growth(NamedTuple):
    """Bytes as a linear function of the number of samples."""

    fixed: float
    a_sample: float

    def of(self, samples: int, shards: int = 1) -> float:
        """Bytes of all shards together."""
        return shards * self.fixed + samples * self.a_sample


class TrainingMemory(NamedTuple):
    """The memory of a training step (forward, backward, update) on a CPU, for any number of samples.

    A shard is a part of the batch with its own thread (minicap.training.shards).  With a single shard, all
    threads work inside the layers.
    """

    parameters: int
    statistics: int
    threads: int
    batch: Growth
    kept: Growth
    temporaries: Growth  # of a thread

    def parts(self, samples: int, shards: int = 1) -> MemoryParts:
        """The peak by use."""
        kept = self.kept.of(samples, shards)
        temporaries = self.temporaries.of(samples, shards)
        if shards == 1:  # threads inside the layers share the samples, but not what a block needs
            temporaries += (self.threads - 1) * max(0, self.temporaries.fixed)
        else:  # the shards' gradients are added up when everything else is free again
            temporaries = max(temporaries, self.parameters - kept)
        return MemoryParts(
            self.batch.of(samples),
            self.parameters + self.statistics,
            self.parameters,
            shards * self.parameters,
            kept,
            temporaries,
        )

    def peak(self, samples: int, shards: int = 1) -> float:
        """Bytes at the peak of the step."""
        return sum(self.parts(samples, shards))

    def largest_batch(self, memory: float, shards: int = 1) -> int:
        """Samples of the largest batch whose step fits into this many bytes; 0 when none does."""
        return max(0, bisect_right(range(1 << 40), memory, key=lambda n: self.peak(n, shards)) - 1)


def training_memory(model: Network, x: Any) -> TrainingMemory | None:
    """Measure training steps of 1, 2, 4, ... samples, up to those of x or to 64 MB.

    x: an input of the model, or a batch of arrays by name, as its loss takes it; first axis samples.
    The last two steps determine the linear functions.  The model does not change.
    None where there is nothing to measure: on a GPU, or for a model without backward.
    """
    if backend_of(**_named(x)) is not get_backend("numpy"):
        return None
    buffers = {module: {name: b.copy() for name, b in module.buffers.items()} for module in model.modules()}
    try:
        threads = blas_threads()
        with _tracing(), threadpool_limits(1, user_api="blas"):
            kept, temporaries = _growths(model, x)
    except NotImplementedError:
        return None
    finally:
        for module, before in buffers.items():
            module.buffers = before
    return TrainingMemory(
        sum(p.nbytes for p in model.params.values()),
        sum(b.nbytes for b in model.state.values()),
        threads,
        Growth(0, sum(a.nbytes / len(a) for a in _named(x).values())),
        kept,
        temporaries,
    )


def _growths(model: Network, x: Any) -> list[Growth]:
    """The growth of what is kept for backward, and of temporaries."""
    total, samples = _size(x), 1
    after = _measured_step(model, x, samples)
    while samples < max(total, 2) and (samples == 1 or sum(after) < TELLING):
        before, fewer = after, samples
        samples = min(2 * samples, max(total, 2))
        after = _measured_step(model, x, samples)
    slopes = [(b - a) / (samples - fewer) for a, b in zip(before, after, strict=True)]
    return [Growth(b - slope * samples, slope) for b, slope in zip(after, slopes, strict=True)]


def _measured_step(model: Network, x: Any, samples: int) -> tuple[int, int]:
    part, before = _samples(x, samples), _now()
    out, cache = model.forward(part, train=True, rng=RandomStream(0))
    kept = _now() - before - sum(o.nbytes for o in _outputs(out))
    del out, cache
    _step(model, part)  # the first run may measure which algorithms to use
    return kept, _step(model, part) - kept


def _step(model: Any, x: Any) -> int:
    """Bytes at the peak of forward and backward, without the gradients of parameters."""
    before, rng = _now(), RandomStream(0)
    tracemalloc.reset_peak()
    if isinstance(x, dict):
        _, grads = model.loss(x, train=True, rng=rng)
    else:
        out, cache = model.forward(x, train=True, rng=rng)
        douts = tuple(np.zeros_like(o) for o in _outputs(out))
        _, grads = model.backward(douts if isinstance(out, tuple) else douts[0], cache, input_gradient=False)
    return tracemalloc.get_traced_memory()[1] - before - sum(g.nbytes for g in grads.values())


def _outputs(out: Any) -> tuple[Array, ...]:
    return out if isinstance(out, tuple) else (out,)


def _now() -> int:
    return tracemalloc.get_traced_memory()[0]


@contextmanager
def _tracing() -> Iterator[None]:
    """NumPy reports the memory of its arrays to tracemalloc."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        yield
    finally:
        if not running:
            tracemalloc.stop()


def _named(x: Any) -> dict[str, Array]:
    return x if isinstance(x, dict) else {"x": x}


def _size(x: Any) -> int:
    return len(next(iter(_named(x).values())))


def _samples(x: Any, number: int) -> Any:
    """This many samples of x, repeated from the beginning if it has too few."""
    if isinstance(x, dict):
        return {name: _samples(array, number) for name, array in x.items()}
    return x[np.arange(number) % len(x)]
