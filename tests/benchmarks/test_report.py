import pytest

from benchmarks.report import duration, geometric_mean, means, table

ROW = {
    "case": "lstm/128",
    "peer": "torch",
    "ratio": 1.25,
    "spread": (1.2, 1.3),
    "seconds": 0.004,
    "peer_seconds": 0.005,
    "unit": "captions",
    "per_second": 1000.0,
    "peak_mb": 12.4,
    "peer_peak_mb": None,
    "rounds": 7,
    "discarded": 2,
    "note": "",
}


def test_a_row_reads_as_a_line():
    line = table([ROW]).splitlines()[-1].split("  ")
    cells = [cell.strip() for cell in line if cell.strip()]
    assert cells == [
        *("lstm/128", "torch", "1.25", "1.20-1.30", "4.00 ms", "5.00 ms", "1000 captions/s"),
        *("12", "-", "7 (2 discarded)"),
    ]


def test_a_row_without_a_ratio_says_why():
    line = table([ROW | {"ratio": None, "note": "failed: no compiler"}]).splitlines()[-1]
    assert line.endswith("failed: no compiler")


def test_columns_are_aligned():
    lines = table([ROW, ROW | {"case": "captioner/h512-v10000"}]).splitlines()
    assert lines[0].index("peer") == lines[2].index("torch") == lines[3].index("torch")


def test_the_geometric_mean_treats_twice_and_half_alike():
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)


def test_means_are_taken_by_family_over_whole_cases():
    rows = [
        ROW | {"case": "conv/a", "ratio": 2.0},
        ROW | {"case": "conv/b", "ratio": 8.0},
        ROW | {"case": "conv/b:forward", "ratio": 100.0},
        ROW | {"case": "conv/c", "ratio": None},
        ROW,
    ]
    assert means(rows) == "conv: 4.00 against torch (geometric mean of 2)"


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.50 s"), (0.0123, "12.3 ms"), (0.25, "250 ms"), (0.0000456, "46 µs")]
)
def test_durations_have_three_figures(seconds, text):
    assert duration(seconds) == text
