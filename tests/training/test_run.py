import os
import sys

import numpy as np
import pytest

from minicap.errors import InputError
from minicap.training import RunFolder


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "deep" / "run")


def test_the_folder_is_made_with_all_above_it(run):
    assert {p.name for p in run.path.iterdir()} == {"checkpoints", "figures", "metrics.jsonl"}
    assert not run.holds_a_run


def test_records_come_back_in_order_and_bit_for_bit(run):
    records = [{"step": step, "loss": 1 / (step + 3)} for step in range(20)]
    for record in records:
        run.record(record)
    assert run.metrics() == records
    assert run.holds_a_run


@pytest.mark.parametrize("cut", ['{"ste', '{"step": 3, "loss": 0.1', "{", '{"step"}', "\x00\x00", "\xff"])
def test_a_last_line_cut_short_by_a_crash_is_passed_over(run, cut):
    run.record({"step": 1, "loss": 0.5})
    with open(run.metrics_path, "ab") as file:
        file.write(cut.encode("latin-1"))
    assert run.metrics() == [{"step": 1, "loss": 0.5}]
    run.forget_after(1, 1)
    run.record({"step": 2, "loss": 0.25})
    assert run.metrics() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


@pytest.mark.parametrize("line", [
    "nonsense", "3", "[]", '{"loss": 1}', '"step"', "null", '{"step": "2"}', '{"step": true}',
    '{"step": 1, "epoch": "1"}', '{"step": 1e400}', '{"step": ' + "9" * 5000 + "}", "[" * 50_000,
])  # fmt: skip
def test_a_line_in_the_middle_that_is_no_record_is_named(run, line):
    run.metrics_path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 2}}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"metrics.jsonl, line 2: not a record"):
        run.metrics()


def test_forget_after_keeps_the_steps_up_to_there(run):
    for step in range(1, 6):
        run.record({"step": step})
    run.forget_after(3, 1)
    assert [record["step"] for record in run.metrics()] == [1, 2, 3]


def test_forget_after_drops_the_record_of_an_epoch_that_is_not_done(run):
    epochs = [{"step": 3 * epoch, "epoch": epoch, "train_loss": 0.5} for epoch in (1, 2)]
    for record in epochs:
        run.record(record)
    run.forget_after(6, 1)
    assert run.metrics() == epochs[:1]


def test_scalars_of_numpy_are_numbers(run):
    run.record({"step": 1, "f1": np.float32(0.5), "right": np.int64(3), "all": np.array(True)})
    assert run.metrics() == [{"step": 1, "f1": 0.5, "right": 3, "all": True}]


def test_a_value_that_json_does_not_know_is_refused_and_leaves_no_half_a_line(run):
    for value in (object(), np.zeros(2) + 1j, {1, 2}):
        with pytest.raises(InputError, match="cannot record"):
            run.record({"step": 1, "f1": value})
    assert run.metrics() == []


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "file").write_text("not mine to touch", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match=r"cannot make the run folder .*: a file is in the way"):
            RunFolder(path)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "not mine to touch"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a folder that nobody can write to")
def test_a_place_where_nobody_can_write_is_an_error():
    with pytest.raises(InputError, match=r"cannot write the run folder /proc/minicap-run: "):
        RunFolder("/proc/minicap-run")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"cannot write the run folder .*: Permission denied"):
            RunFolder(tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_an_error(run, monkeypatch):
    def open_full(path, append):
        return open("/dev/full", "ab")

    monkeypatch.setattr("minicap.training.run.open_own", open_full)
    with pytest.raises(InputError, match=r"cannot write the run folder .*: No space left on device"):
        run.record({"step": 1})


def test_a_metrics_file_that_has_gone_is_an_error(run):
    run.metrics_path.unlink()
    with pytest.raises(InputError, match=r"cannot read .*metrics.jsonl: No such file"):
        run.metrics()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_metrics_are_not_written_through_a_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "run" / "metrics.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match="minicap does not write through one"):
        RunFolder(tmp_path / "run")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_infinity_in_the_metrics_comes_back(run):
    run.record({"step": 1, "loss": float("inf")})
    assert run.metrics() == [{"step": 1, "loss": float("inf")}]
