"""A table of what a model does to its input."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from minicap.backend import current_backend
from minicap.nn.module import Module


class SummaryRow(NamedTuple):
    """One brick: its flat name, kind, output shape, parameters, and bytes of output and parameters."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    bytes: int


class Summary(list[SummaryRow]):
    """Rows of a summary; prints as a table."""

    def __str__(self) -> str:
        header = ("layer", "kind", "output", "parameters", "bytes")
        cells = [(r.name, r.kind, str(r.shape), f"{r.parameters:,}", f"{r.bytes:,}") for r in self]
        total = ("total", "", "", f"{sum(r.parameters for r in self):,}", f"{sum(r.bytes for r in self):,}")
        rows = [header, *cells, total]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  "
            f"{row[3]:>{widths[3]}}  {row[4]:>{widths[4]}}"
            for row in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    __repr__ = __str__


def summarize(model: Module, input_shape: tuple[int, ...], dtype: Any = None) -> Summary:
    """Shapes, parameters and bytes, brick by brick, for an input of this shape with its batch axis.

    A brick is a module with parameters of its own or without children; they come in the order in which
    they finish.  The model runs once, on zeros of this dtype: by default the parameters', int64 for indices.
    """
    if dtype is None:
        dtype = next((p.dtype for p in model.params.values()), "float32")
    bricks: dict[Module, str] = {}
    for path, module in _bricks(model):
        bricks.setdefault(module, path)
    rows = Summary()
    try:
        for module, path in bricks.items():
            _record_calls(module, path or type(module).__name__, rows)
        model(current_backend().xp.zeros(input_shape, dtype=dtype))
    finally:
        for module in bricks:
            vars(module).pop("forward", None)
    return rows


def _bricks(module: Module, path: str = "") -> Iterator[tuple[str, Module]]:
    if module.declared or not module.children:
        yield path, module
    for name, child in module.children.items():
        yield from _bricks(child, f"{path}.{name}" if path else name)


def _record_calls(module: Module, name: str, rows: Summary) -> None:
    """Let the module add a row at every call of its forward, its parameters counted in the first."""
    forward = module.forward

    def recorded(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        out, cache = forward(*args, **kwargs)
        own = [] if any(row.name == name for row in rows) else list(module.own.values())
        size = out.nbytes + sum(p.nbytes for p in own)
        rows.append(SummaryRow(name, type(module).__name__, out.shape, sum(p.size for p in own), size))
        return out, cache

    vars(module)["forward"] = recorded
