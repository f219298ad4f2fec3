"""The checker's findings: rows, a table for people, JSON for tools."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from minicap import html

OK = "ok"


@dataclass(frozen=True)
class Row:
    """One argument of one case, or one thing that is wrong with the case as a whole.

    error: of the analytic gradient against central differences; complex_error: against the complex step
    (None where the case has kinks).  worst: index of the largest difference, with both values there.
    entries: how many were looked at; skipped: those among them that lie at a kink.
    verdict: "ok", or what is wrong in words.
    """

    layer: str
    variant: str = ""
    argument: str = ""
    error: float | None = None
    complex_error: float | None = None
    step: float | None = None
    dtype: str = "float64"
    worst: tuple[int, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None
    entries: int = 0
    skipped: int = 0
    verdict: str = OK

    @property
    def passed(self) -> bool:
        return self.verdict == OK


class Report(list[Row]):
    """Rows that print as a table, and that a notebook shows as one."""

    seconds: float | None = None

    @property
    def passed(self) -> bool:
        """Whether there are rows and none of them failed."""
        return bool(self) and all(row.passed for row in self)

    @property
    def failures(self) -> list[Row]:
        return [row for row in self if not row.passed]

    def __repr__(self) -> str:
        return f"{table(self)}\n{summary(self)}"

    def _repr_html_(self) -> str:
        wrong = {number for number, row in enumerate(self, start=1) if not row.passed}
        return html.table(_filled([_HEADINGS, *map(_cells, self)]), _RIGHT, wrong, below=[summary(self)])


_HEADINGS = [
    *("layer", "variant", "argument", "error", "complex", "step"),
    *("dtype", "worst", "analytic", "numeric", "kinks", "verdict"),
]
_RIGHT = {"cases", "gradients", "error", "complex", "step", "analytic", "numeric", "kinks"}


def table(rows: Iterable[Row]) -> str:
    """The rows as aligned text, one line each, without empty columns."""
    return _aligned([_HEADINGS, *(_cells(row) for row in rows)])


def layer_table(rows: Report) -> str:
    """One line for each layer: its cases, gradients and worst error.  The rows that failed follow in full."""
    headings = ["layer", "cases", "gradients", "error", "complex", "kinks", "verdict"]
    of_layer: dict[str, Report] = {}
    for row in rows:
        of_layer.setdefault(row.layer, Report()).append(row)
    lines = [headings, *(_layer_cells(layer, own) for layer, own in of_layer.items())]
    failed = f"\n\n{table(rows.failures)}" if rows.failures else ""
    return _aligned(lines) + failed


def _layer_cells(layer: str, rows: Report) -> list[str]:
    t = totals(rows)
    return [
        layer,
        str(t["cases"]),
        str(t["gradients"]),
        _number(t["worst_error"], ".1e"),
        _number(t["worst_complex_error"], ".1e"),
        str(t["skipped"]) if t["skipped"] else "",
        OK if rows.passed else f"FAIL: {count(t['failures'], 'row')}",
    ]


def _aligned(lines: list[list[str]]) -> str:
    """Cells in columns, the headings first; empty columns are left out."""
    aligned = []
    for column in zip(*_filled(lines), strict=True):
        width = max(len(cell) for cell in column)
        right = column[0] in _RIGHT
        aligned.append([cell.rjust(width) if right else cell.ljust(width) for cell in column])
    return "\n".join("  ".join(line).rstrip() for line in zip(*aligned, strict=True))


def _filled(lines: list[list[str]]) -> list[list[str]]:
    """The lines without the columns that are empty below their heading."""
    filled = [any(column[1:]) for column in zip(*lines, strict=True)]
    return [[cell for cell, kept in zip(line, filled, strict=True) if kept] for line in lines]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _cells(row: Row) -> list[str]:
    return [
        row.layer,
        row.variant,
        row.argument,
        _number(row.error, ".1e"),
        _number(row.complex_error, ".1e"),
        _number(row.step, ".0e"),
        row.dtype,
        "" if row.worst is None else f"[{', '.join(map(str, row.worst))}]",
        _number(row.analytic, ".6g"),
        _number(row.numeric, ".6g"),
        str(row.skipped) if row.skipped else "",
        row.verdict if row.passed else f"FAIL: {row.verdict}",
    ]


def totals(rows: Report) -> dict[str, Any]:
    """Counts over the rows (gradients: arrays compared), the worst errors, and the time."""
    gradients = [row for row in rows if row.error is not None]
    finite = [row.error for row in gradients if row.error is not None and math.isfinite(row.error)]
    judged_twice = [row.complex_error for row in gradients if row.complex_error is not None]
    return {
        "layers": len({row.layer for row in rows}),
        "cases": len({(row.layer, row.variant) for row in rows}),
        "gradients": len(gradients),
        "entries": sum(row.entries for row in gradients),
        "skipped": sum(row.skipped for row in gradients),
        "failures": len(rows.failures),
        "worst_error": max(finite, default=None),
        "worst_complex_error": max(judged_twice, default=None),
        "seconds": rows.seconds,
    }


def summary(rows: Report) -> str:
    """One line: what was checked, how many failed, the worst error, the time."""
    t = totals(rows)
    counts = (count(t[f"{what}s"], what) for what in ("layer", "case", "gradient"))
    parts = [
        f"{', '.join(counts)} ({count(t['entries'], 'entry', 'entries')})",
        f"{t['failures']} failed" if t["failures"] else "all ok" if rows else "nothing checked",
        f"{t['skipped']} skipped at kinks",
    ]
    if t["worst_error"] is not None:
        parts.append(f"worst error {t['worst_error']:.1e}")
    if t["worst_complex_error"] is not None:
        parts.append(f"complex step {t['worst_complex_error']:.1e}")
    if t["seconds"] is not None:
        parts.append(f"{t['seconds']:.1f} s")
    return "; ".join(parts)


def count(number: int, what: str, plural: str = "") -> str:
    """ "1 layer", "2 layers"."""
    return f"{number} {what}" if number == 1 else f"{number} {plural or what + 's'}"


def to_json(rows: Report) -> str:
    """{"summary": {...}, "rows": [...]}; numbers that are not finite become null, which JSON can hold."""
    value = {"summary": totals(rows), "rows": [asdict(row) for row in rows]}
    return json.dumps(_finite(value), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
