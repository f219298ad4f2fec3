"""A table of what a model does to its input, and the memory that training it takes."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, NamedTuple

from minicap import html
from minicap.arrays import Array, current_backend
from minicap.backend.host import core_count
from minicap.errors import InputError
from minicap.nn.memory import MemoryParts, Network, TrainingMemory, training_memory

MB = 10**6
LAPTOP_GB = 8  # a familiar amount of memory, for comparison


class SummaryRow(NamedTuple):
    """One brick: its flat name, kind, output shape, parameters, and bytes of output and parameters.

    The shape of several outputs is the tuple of theirs.
    """

    name: str
    kind: str
    shape: tuple[Any, ...]
    parameters: int
    bytes: int


class Summary(list[SummaryRow]):
    """Rows of a summary: a table, with the memory of a training step below, printed and in a notebook.

    samples: in the batch.  memory: of a training step, for any number of samples and shards; None on a GPU
    and for a model without backward.
    """

    samples: int = 0
    memory: TrainingMemory | None = None

    def __str__(self) -> str:
        rows = self._cells()
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  "
            f"{row[3]:>{widths[3]}}  {row[4]:>{widths[4]}}"
            for row in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *self._footer()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        layers = html.table(self._cells(), right={"parameters", "bytes"}, total=True)
        if not self.memory:
            return layers
        rows, sentence = _memory_cells(self.memory, self.samples), _room(self.memory, self.samples)
        return layers + html.table(rows, right=set(rows[0][1:]), total=True, below=[sentence])

    def _cells(self) -> list[tuple[str, ...]]:
        """The table as text: headings, bricks, totals."""
        header = ("layer", "kind", "output", "parameters", "bytes")
        cells = [(r.name, r.kind, str(r.shape), f"{r.parameters:,}", f"{r.bytes:,}") for r in self]
        total = ("total", "", "", f"{sum(r.parameters for r in self):,}", f"{sum(r.bytes for r in self):,}")
        return [header, *cells, total]

    def _footer(self) -> list[str]:
        return _about(self.memory, self.samples) if self.memory else []


def summarize(model: Network, input_shape: tuple[int, ...] | dict[str, Array], dtype: Any = None) -> Summary:
    """Shapes, parameters and bytes, brick by brick, and the memory of a training step.

    input_shape: of the input, with its batch axis; or a batch of named arrays as the loss takes it, for a
    model such as minicap.captioning.ShowAndTell.
    dtype: of the input; by default the parameters'.  Use "int64" for word indices.
    A brick is a module with parameters of its own or without children; bricks are listed in the order in
    which they finish.  The model runs on one sample of zeros and takes a few training steps of a few samples,
    which change nothing (minicap.nn.memory).  Raises InputError for an invalid shape or one without samples.
    """
    x = input_shape if isinstance(input_shape, dict) else _zeros(model, input_shape, dtype)
    samples = len(next(iter(x.values()), ())) if isinstance(x, dict) else len(x)
    if samples < 1:
        raise InputError("summary: the batch is empty; give it at least one sample")
    bricks: dict[Network, str] = {}
    for path, module in _bricks(model):
        bricks.setdefault(module, path)
    rows = Summary()
    try:
        for module, path in bricks.items():
            _record_calls(module, path or type(module).__name__, rows, samples)
        model({name: array[:1] for name, array in x.items()} if isinstance(x, dict) else x[:1])
    finally:
        for module in bricks:
            vars(module).pop("forward", None)
    rows.samples, rows.memory = samples, training_memory(model, x)
    return rows


def _zeros(model: Network, shape: tuple[int, ...], dtype: Any) -> Array:
    if not isinstance(shape, (tuple, list)) or not all(isinstance(n, Integral) and n >= 0 for n in shape):
        given = f"an array of shape {shape.shape}" if hasattr(shape, "shape") else repr(shape)
        raise InputError(
            f"summary: input_shape is {given} but must be a tuple of sizes, such as (64, 3, 32, 32)"
        )
    if len(shape) < 1 or shape[0] < 1:
        raise InputError(f"summary: input_shape is {shape} but must begin with the number of samples")
    if dtype is None:
        dtype = next((p.dtype for p in model.params.values()), "float32")
    xp = current_backend().xp
    return xp.broadcast_to(xp.zeros((1, *shape[1:]), dtype=dtype), shape)  # the memory of one sample


def _bricks(module: Network, path: str = "") -> Iterator[tuple[str, Network]]:
    if module.declared or not module.children:
        yield path, module
    for name, child in module.children.items():
        yield from _bricks(child, f"{path}.{name}" if path else name)


def _record_calls(module: Network, name: str, rows: Summary, samples: int) -> None:
    """Let the module add a row at every call of its forward; the first counts its parameters."""
    forward = module.forward

    def recorded(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        out, cache = forward(*args, **kwargs)
        own = [] if any(row.name == name for row in rows) else list(module.own.values())
        outs = out if isinstance(out, tuple) else (out,)
        # one sample has run
        shapes = tuple(tuple(n if axis else samples * n for axis, n in enumerate(o.shape)) for o in outs)
        size = samples * sum(o.nbytes for o in outs) + sum(p.nbytes for p in own)
        shape = shapes if isinstance(out, tuple) else shapes[0]
        rows.append(SummaryRow(name, type(module).__name__, shape, sum(p.size for p in own), size))
        return out, cache

    vars(module)["forward"] = recorded


def _about(memory: TrainingMemory, samples: int) -> list[str]:
    """The memory of a training step as text."""
    lines = _memory_cells(memory, samples)
    width = max(len(name) for name, *_ in lines)
    table = [f"{name:<{width}}" + "".join(f"  {cell:>9}" for cell in cells) for name, *cells in lines]
    return [*table, _room(memory, samples)]


def _memory_cells(memory: TrainingMemory, samples: int) -> list[tuple[str, ...]]:
    """What takes the memory of a training step, for one shard and for one per core; the peak comes last."""
    shards = sorted({1, core_count()})
    title = f"training step of {samples:,} sample{'s' * (samples > 1)}, peak memory in MB"
    heads = [f"{n} shard{'s' * (n > 1)}" for n in shards]
    columns = [memory.parts(samples, n) for n in shards]
    names = [name.replace("_", " ") for name in MemoryParts._fields]
    lines = [(title, *heads), *zip(names, *(map(_megabytes, parts) for parts in columns), strict=True)]
    return [*lines, ("peak", *(_megabytes(sum(parts)) for parts in columns))]


def _room(memory: TrainingMemory, samples: int) -> str:
    """What one more sample takes, and how many fit."""
    more = _megabytes(memory.peak(samples + 1) - memory.peak(samples))
    most = memory.largest_batch(LAPTOP_GB * 1000 * MB, core_count())
    return f"{more} MB for each further sample; {most:,} samples fit in {LAPTOP_GB} GB"


def _megabytes(size: float) -> str:
    return f"{size / MB:,.1f}" if size >= MB else f"{size / MB:.2g}"
