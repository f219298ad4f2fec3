"""The results of a sweep as one table: mean and spread over the seeds of every cell."""

import csv
import io
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from minicap.training.sweep.plan import Cell
from minicap.training.sweep.runs import Outcome, Result


class Row(NamedTuple):
    """A cell and the results of its seeds, by seed."""

    cell: Cell
    results: dict[int, Result]

    @property
    def finished(self) -> dict[int, Result]:
        return {seed: result for seed, result in self.results.items() if not result.error}

    @property
    def values(self) -> list[float]:
        """The best value of each finished run."""
        return [result.value for result in self.finished.values() if result.value is not None]

    @property
    def mean(self) -> float | None:
        return fmean(self.values) if self.values else None

    @property
    def spread(self) -> float | None:
        """Sample standard deviation of the values; None for fewer than two."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def failed(self) -> int:
        return len(self.results) - len(self.finished)


def rows_of(outcomes: Sequence[Outcome], best_first: bool = False) -> list[Row]:
    """A row for each cell, in the order of the cells or of their means."""
    rows: dict[str, Row] = {}
    for (cell, seed, _), result in outcomes:
        rows.setdefault(cell.label, Row(cell, {})).results[seed] = result
    if not best_first:
        return list(rows.values())
    falls = any(result.falls for _, result in outcomes)
    scored = sorted(
        (row for row in rows.values() if row.values), key=lambda row: row.mean or 0.0, reverse=not falls
    )
    return scored + [row for row in rows.values() if not row.values]


def measured(rows: Sequence[Row]) -> str:
    """What the values are, such as "accuracy"."""
    names = {result.monitor: None for row in rows for result in row.finished.values()}
    return " or ".join(names) or "value"


def markdown_table(rows: Sequence[Row]) -> str:
    """The table for people, mean and standard deviation in one column."""
    columns = _columns(rows)
    heads = [*columns, measured(rows), "runs", "best epoch", "seconds a run"]
    body = [
        [
            *(row.cell.columns.get(column, "") for column in columns),
            _mean_and_spread(row),
            f"{len(row.finished)}" + (f" ({row.failed} failed)" if row.failed else ""),
            _mean(row, "epoch", ".1f"),
            _mean(row, "seconds", ".0f"),
        ]
        for row in rows
    ]
    return markdown_lines(heads, body)


def markdown_lines(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned."""
    cells = [[text.replace("|", "\\|") for text in line] for line in [heads, *body]]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    padded = [
        [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        for line in [cells[0], ["-" * width for width in widths], *cells[1:]]
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded) + "\n"


def csv_table(rows: Sequence[Row]) -> str:
    """The table for programs: a column for each setting that differs, and one for each seed."""
    columns, seeds = _columns(rows), sorted({seed for row in rows for seed in row.results})
    name = measured(rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [*columns, f"{name}_mean", f"{name}_std", "runs", "failed", *(f"seed_{s}" for s in seeds), "seconds"]
    )
    for row in rows:
        of_seeds = [row.finished[seed].value if seed in row.finished else "" for seed in seeds]
        settings = [row.cell.columns.get(column, "") for column in columns]
        numbers = [
            row.mean,
            row.spread,
            len(row.finished),
            row.failed,
            *of_seeds,
            _mean(row, "seconds", ".1f"),
        ]
        writer.writerow([*settings, *("" if number is None else number for number in numbers)])
    return text.getvalue()


def _columns(rows: Sequence[Row]) -> list[str]:
    return list({name: None for row in rows for name in row.cell.columns})


def _mean_and_spread(row: Row) -> str:
    if row.mean is None:
        return ""
    return f"{row.mean:.4f}" + (f" ± {row.spread:.4f}" if row.spread is not None else "")


def _mean(row: Row, field: str, form: str) -> str:
    found = [getattr(result, field) for result in row.finished.values()]
    return format(fmean(found), form) if found else ""
