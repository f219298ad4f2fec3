import csv
import io

import pytest

from minicap.training.sweep import Cell, Outcome, PlannedRun, Result, csv_table, markdown_table, rows_of


def outcome(cell, seed, value, **result):
    found = Result("accuracy", False, value, epoch=3, seconds=10.0) if value is not None else Result(**result)
    return Outcome(PlannedRun(Cell({}, cell), seed, None), found)


OUTCOMES = [
    outcome({"cell": "a|b", "width": "3"}, 0, 0.5),
    outcome({"cell": "a|b", "width": "3"}, 1, 0.7),
    outcome({"cell": "c"}, 0, 0.9),
    outcome({"cell": "c"}, 1, None, error="it diverged"),
    outcome({"cell": "d"}, 0, None, error="it diverged"),
    outcome({"cell": "d"}, 1, None, error="it diverged"),
]


def test_a_row_is_the_mean_and_the_standard_deviation_over_the_seeds():
    first, second, third = rows_of(OUTCOMES)
    assert (first.mean, first.spread) == (pytest.approx(0.6), pytest.approx(0.02**0.5))
    assert (second.mean, second.spread, second.failed) == (0.9, None, 1)
    assert (third.mean, third.spread, third.failed) == (None, None, 2)


def test_rows_may_be_sorted_the_best_first_the_failed_last():
    labels = [row.cell.label for row in rows_of(OUTCOMES, best_first=True)]
    assert labels == ["c", "a|b, width=3", "d"]
    falling = [Outcome(run, Result("loss", True, 1 / result.value)) for run, result in OUTCOMES[:3]]
    assert [row.cell.label for row in rows_of(falling, best_first=True)] == ["c", "a|b, width=3"]


def test_the_table_for_people():
    assert markdown_table(rows_of(OUTCOMES)) == (
        "| cell | width | accuracy        | runs         | best epoch | seconds a run |\n"
        "| ---- | ----- | --------------- | ------------ | ---------- | ------------- |\n"
        "| a\\|b | 3     | 0.6000 ± 0.1414 | 2            | 3.0        | 10            |\n"
        "| c    |       | 0.9000          | 1 (1 failed) | 3.0        | 10            |\n"
        "| d    |       |                 | 0 (2 failed) |            |               |\n"
    )


def test_the_table_for_programs():
    head, *lines = csv.reader(io.StringIO(csv_table(rows_of(OUTCOMES))))
    assert head == [
        "cell", "width", "accuracy_mean", "accuracy_std", "runs", "failed", "seed_0", "seed_1", "seconds",
    ]  # fmt: skip
    assert lines[0][:2] + lines[0][4:] == ["a|b", "3", "2", "0", "0.5", "0.7", "10.0"]
    assert float(lines[0][2]) == pytest.approx(0.6)
    assert lines[1][2:] == ["0.9", "", "1", "1", "0.9", "", "10.0"]
    assert lines[2][2:] == ["", "", "0", "2", "", "", ""]
