import json

import pytest

from benchmarks.command import main
from benchmarks.peers import PEERS, Peer

KEYS = {
    "case",
    "peer",
    "ratio",
    "spread",
    "peak_mb",
    "seconds",
    "peer_seconds",
    "rounds",
    "discarded",
    "note",
}
QUICK = ["--peers", "cs231n", "--rounds", "2", "--seconds", "0.001", "--patience", "0"]


def test_the_list_names_cases_and_their_peers(capsys):
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    assert "step/cnn2-tiny" in out
    assert "dezero" in out


def test_an_unknown_case_is_an_error_in_one_line(capsys):
    assert main(["step/cnn2-tyni"]) == 2
    assert (
        capsys.readouterr().err
        == """benchmarks: no case is called 'step/cnn2-tyni' (did you mean "step/cnn2-tiny"?)\n"""
    )


def test_a_peer_that_is_not_installed_is_skipped_with_a_line(capsys, monkeypatch):
    monkeypatch.setitem(PEERS, "absent", Peer("absent", "", lambda work: None, package="no_such_package"))
    assert main(["lstm/128", "--peers", "absent"]) == 2
    assert "skipped absent: no_such_package is not installed" in capsys.readouterr().err


def test_cases_that_no_peer_can_do_are_an_error(capsys):
    assert main(["lstm", "--peers", "cs231n"]) == 2
    assert "none of these cases can be done by cs231n" in capsys.readouterr().err


def test_a_json_file_that_cannot_be_written_is_told_before_anything_is_measured(capsys, tmp_path):
    for file, why in (
        (tmp_path / "missing" / "rows.json", "there is no folder"),
        (tmp_path, "it is a folder"),
    ):
        assert main(["step", "--json", str(file)]) == 2
        assert why in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--rounds", "--threads", "--seconds", "--limit"])
def test_numbers_must_be_positive(option, capsys):
    with pytest.raises(SystemExit):
        main([option, "0"])
    assert "0 is not positive" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "nan"])
def test_patience_is_a_number_from_zero_on(text, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--patience", text])
    assert f"{text} is negative or no number" in capsys.readouterr().err


def test_a_case_is_measured_from_end_to_end(capsys, tmp_path):
    file = tmp_path / "rows.json"
    assert main(["step/softmax-cifar", *QUICK, "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text(encoding="utf-8"))
    assert row.keys() >= KEYS
    assert row["ratio"] > 0
    assert row["spread"][0] <= row["ratio"] <= row["spread"][1]
    assert row["rounds"] == 2
    assert row["accelerated"]
    assert row["versions"]["numpy"]
    assert "step/softmax-cifar" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [file]


def test_json_on_stdout_is_all_there_is_on_stdout(capsys):
    assert main(["step/softmax-cifar", *QUICK, "--no-accelerate", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert not row["accelerated"]
