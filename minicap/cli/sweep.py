"""`minicap sweep CONFIG DATA --run DIR`: train with many settings, and compare them in one table."""

import argparse
from pathlib import Path

from minicap.cli.arguments import path, whole
from minicap.cli.train import application_named
from minicap.errors import MissingExtra
from minicap.formats import atomic_write_text
from minicap.plots import save_figure, sweep_dots
from minicap.progress import printable
from minicap.training.sweep import (
    Outcome,
    Row,
    csv_table,
    finished_runs,
    markdown_table,
    measured,
    plan_runs,
    read_sweep,
    rows_of,
    sweep,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        type=path,
        metavar="CONFIG.toml",
        help="a config.toml with a table [sweep]",
    )
    parser.add_argument(
        "data", nargs="?", metavar="DATA", help="the data set (default: the path in the settings)"
    )
    parser.add_argument("--run", type=path, required=True, metavar="DIR", help="folder of the runs")
    parser.add_argument(
        "--jobs", type=whole(0, 1024), default=0, metavar="N", help="runs at a time (default: one per core)"
    )


def run(args: argparse.Namespace) -> int:
    """Returns 1 when some runs failed."""
    settings, given = read_sweep(args.config)
    application = application_named(given.get("application"))
    kind, where = application.CONFIG, str(args.config)
    kind.from_tables(given, where)
    tables = {name: dict(given.get(name, {})) for name in kind.tables()}
    if args.data:
        tables["data"]["path"] = args.data
    plan_runs(kind, settings, tables, where)  # mistakes are reported before the data set is read
    tables, _ = application.completed(tables)
    runs = plan_runs(kind, settings, tables, where)
    application.prepare([run.config for run in runs])
    cells, before = len(runs) // len(settings.seeds), len(finished_runs(args.run, runs))
    known = f"; {before} of them are finished" if before else ""
    print(f"{len(runs)} runs, cells {cells}, seeds {len(settings.seeds)}{known}", flush=True)
    outcomes = sweep(runs, application.OPEN_TRAINER, args.run, jobs=args.jobs, tell=_tell)
    rows = rows_of(outcomes, best_first=settings.samples > 0)
    print(f"\n{markdown_table(rows)}")
    _write(rows, args.config.stem, args.run)
    failed = sum(row.failed for row in rows)
    if failed:
        print(f"{failed} of {len(runs)} runs failed; the same command tries them again")
    return 1 if failed else 0


def _tell(outcome: Outcome) -> None:
    (cell, seed, _), result = outcome
    if result.error:
        text = f"failed: {result.error}"
    else:
        name = result.monitor.replace("_", " ")
        text = f"{name} {result.value:.4f} after epoch {result.epoch} ({result.seconds:.0f} s)"
    print(printable(f"{cell.label}, seed {seed}: {text}"), flush=True)


def _write(rows: list[Row], title: str, folder: Path) -> None:
    """table.csv, table.md, and the figure where matplotlib is installed and a run was finished."""
    atomic_write_text(folder / "table.csv", csv_table(rows))
    atomic_write_text(folder / "table.md", markdown_table(rows))
    written = ["table.csv", "table.md"]
    try:
        if any(row.values for row in rows):
            labels, values = [row.cell.label for row in rows], [row.values for row in rows]
            save_figure(sweep_dots(labels, values, measured(rows), title), folder / "figure.png")
            written.append("figure.png")
    except MissingExtra as missing:
        print(f"(no figure: {missing})")
    print(f"in {printable(str(folder))}: {', '.join(written)}")
