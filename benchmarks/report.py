"""Rows as a table to read."""

from collections.abc import Sequence
from math import exp, log
from typing import Any

_COLUMNS = (
    "case",
    "peer",
    "ratio",
    "spread",
    "minicap",
    "peer's",
    "rate",
    "peak MB",
    "peer's",
    "rounds",
    "note",
)
_LEFT = {"case", "peer", "note"}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows, aligned."""
    cells = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            text.ljust(width) if name in _LEFT else text.rjust(width)
            for name, text, width in zip(_COLUMNS, line, widths, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "-" * max(len(line) for line in lines), *lines[1:]])


def line(row: dict[str, Any]) -> str:
    """A row by itself."""
    return "  ".join(cell for cell in _cells(row) if cell)


def means(rows: Sequence[dict[str, Any]]) -> str:
    """The geometric mean of each family's ratios against each peer, where there are several whole cases."""
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["ratio"] is not None and ":" not in row["case"]:
            groups.setdefault((row["case"].partition("/")[0], row["peer"]), []).append(row["ratio"])
    return "\n".join(
        f"{family}: {geometric_mean(ratios):.2f} against {peer} (geometric mean of {len(ratios)})"
        for (family, peer), ratios in groups.items()
        if len(ratios) > 1
    )


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive numbers."""
    return exp(sum(map(log, values)) / len(values))


def duration(seconds: float) -> str:
    """Three figures in a fitting unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:#.3g} {unit}".replace(". ", " ")
    return f"{seconds / 1e-6:.0f} µs"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["ratio"] is None:
        measured = ("-",) * 5
    else:
        low, high = row["spread"]
        rate = f"{row['per_second']:.4g} {row['unit']}/s" if row["unit"] else ""
        times = (duration(row["seconds"]), duration(row["peer_seconds"]))
        measured = (f"{row['ratio']:.2f}", f"{low:.2f}-{high:.2f}", *times, rate)
    peaks = ("-" if row[key] is None else f"{row[key]:.0f}" for key in ("peak_mb", "peer_peak_mb"))
    discarded = f" ({row['discarded']} discarded)" if row["discarded"] else ""
    return row["case"], row["peer"], *measured, *peaks, f"{row['rounds']}{discarded}", row["note"]
