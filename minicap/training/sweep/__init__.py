"""Many runs of one kind with different settings: what to try, trying it, and the results."""

from minicap.training.sweep.plan import Cell, PlannedRun, SweepConfig, plan_runs, read_sweep
from minicap.training.sweep.runs import Outcome, Result, finished_runs, runs_in, sweep
from minicap.training.sweep.table import Row, csv_table, markdown_lines, markdown_table, measured, rows_of

__all__ = [
    "Cell",
    "Outcome",
    "PlannedRun",
    "Result",
    "Row",
    "SweepConfig",
    "csv_table",
    "finished_runs",
    "markdown_lines",
    "markdown_table",
    "measured",
    "plan_runs",
    "read_sweep",
    "rows_of",
    "runs_in",
    "sweep",
]
