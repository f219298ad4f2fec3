import os
import subprocess
import sys
import time

import pytest
from processes import start_python
from training.toy import make_trainer

from minicap.errors import InputError
from minicap.training import RunFolder, TrainingConfig
from minicap.training.lock import folder_lock

HOLD = """
import sys, time
from pathlib import Path
from minicap.training.lock import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path."""
    with start_python("-c", HOLD, tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_in_use_is_refused_and_the_message_says_by_whom(tmp_path, holder):
    message = f"is in use by process {holder.pid}: wait for it, or choose another folder"
    with pytest.raises(InputError, match=message), folder_lock(tmp_path):
        pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".lock").read_text() == f"process {holder.pid}\n"  # which nobody believes
    with folder_lock(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"process {os.getpid()}\n"


def test_a_lock_that_was_given_back_can_be_taken_again(tmp_path):
    for _ in range(3):
        with folder_lock(tmp_path):
            pass
    assert (tmp_path / ".lock").read_bytes() == b""


def test_an_error_inside_gives_the_lock_back(tmp_path):
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path):
        raise ZeroDivisionError
    with folder_lock(tmp_path):
        pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("this system has no O_NOFOLLOW")
    (tmp_path / "precious").write_text("keep")
    (tmp_path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match=r"cannot write .*\.lock"), folder_lock(tmp_path):
        pass
    assert (tmp_path / "precious").read_text() == "keep"


def test_one_run_folder_may_lock_itself_twice_but_two_may_not(tmp_path):
    run, other = RunFolder(tmp_path), RunFolder(tmp_path)
    with run.locked():
        with run.locked():
            pass
        with pytest.raises(InputError, match="is in use"), other.locked():
            pass
    with other.locked():
        pass


def test_the_lock_goes_with_its_holder_within_a_moment(tmp_path, holder):
    holder.terminate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with folder_lock(tmp_path):
                return
        except InputError:
            time.sleep(0.01)
    pytest.fail("still locked")


def test_a_run_that_is_being_trained_is_not_trained_by_another(tmp_path):
    config = TrainingConfig(epochs=1, batch_size=25, shards=1)

    def start_another(trainer, record):
        with pytest.raises(InputError, match="is in use by process"):
            make_trainer(tmp_path, config, size=50).fit()

    assert len(make_trainer(tmp_path, config, size=50, callbacks=[start_another]).fit()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has such names for administrators alone")
def test_a_lock_file_that_is_another_file_too_is_refused(tmp_path):
    (tmp_path / "precious").write_text("keep this")
    (tmp_path / "run").mkdir()
    for link in (os.link, os.symlink):
        link(tmp_path / "precious", tmp_path / "run" / ".lock")
        message = r"cannot write .*\.lock: this (file has a second name|is a symbolic link)"
        with pytest.raises(InputError, match=message), folder_lock(tmp_path / "run"):
            pass
        (tmp_path / "run" / ".lock").unlink()
    assert (tmp_path / "precious").read_text() == "keep this"
