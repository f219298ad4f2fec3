import json

import pytest

from benchmarks.markdown import by_case, by_code, by_peer, main
from minicap.errors import InputError

ROW = {
    "case": "lstm/128",
    "peer": "torch",
    "ratio": 1.25,
    "spread": [1.2, 1.3],
    "seconds": 0.004,
    "peer_seconds": 0.005,
    "accelerated": True,
}
FAILED = ROW | {"ratio": None, "spread": None, "seconds": None, "peer_seconds": None}


def last_line(text):
    return [cell.strip() for cell in text.splitlines()[-1].strip("|").split("|")]


def test_a_row_gives_the_ratio_its_spread_and_both_times():
    assert last_line(by_case([ROW])) == ["lstm/128", "1.25", "1.20-1.30", "4.00 ms", "5.00 ms"]


def test_a_row_that_was_not_measured_says_so():
    assert last_line(by_case([FAILED]))[1:5] == ["-"] * 4
    assert last_line(by_peer([FAILED])) == ["lstm/128", "-", "- (-)"]


def test_every_peer_has_a_column():
    rows = [
        ROW,
        ROW | {"peer": "cs231n", "ratio": 6.0, "spread": [5.5, 6.5], "seconds": 0.0041},
        ROW | {"case": "gru/128"},
    ]
    lines = by_peer(rows).splitlines()
    assert lines[0] == "| case | minicap | PyTorch | CS231n |"
    assert lines[2] == "| lstm/128 | 4.00 ms | 1.25 (1.20-1.30) | 6.00 (5.50-6.50) |"
    assert lines[3] == "| gru/128 | 4.00 ms | 1.25 (1.20-1.30) |  |"


def test_the_textbook_stands_beside_the_faster_pairs():
    slow = ROW | {"accelerated": False, "seconds": 0.04, "ratio": 0.13}
    assert last_line(by_code([slow, ROW])) == [
        *("lstm/128", "40.0 ms", "4.00 ms", "10.0", "5.00 ms", "0.13", "1.25")
    ]


def test_a_contrast_needs_both_sides():
    with pytest.raises(InputError, match="with and without --no-accelerate"):
        by_code([ROW])


def test_rows_of_several_peers_need_columns():
    with pytest.raises(InputError, match="use --peers"):
        by_case([ROW, ROW | {"peer": "dezero"}])


def test_of_rows_for_the_same_thing_the_last_counts(tmp_path, capsys):
    files = [tmp_path / "first.json", tmp_path / "again.json"]
    for file, ratio in zip(files, (1.0, 2.0), strict=True):
        file.write_text(json.dumps([ROW | {"ratio": ratio}]), encoding="utf-8")
    assert main([str(file) for file in files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "2.00" in lines[-1]


def test_families_have_their_mean_below(tmp_path, capsys):
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([ROW, ROW | {"case": "lstm/2048", "ratio": 5.0}]), encoding="utf-8")
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.endswith("lstm: 2.50 against torch (geometric mean of 2)\n")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "no json",
        "{}",
        '[{"case": "a"}]',
        "[1]",
        json.dumps([{"case": "a", "peer": "torch", "accelerated": True}]),
    ],
)
def test_a_file_without_rows_is_an_error_in_one_line(text, tmp_path, capsys):
    file = tmp_path / "rows.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert main([str(file)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("benchmarks.markdown: ")
    assert err.count("\n") == 1
