import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minicap.errors import InputError
from minicap.formats import atomic_write_bytes, atomic_write_text, atomic_writer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_holds_what_was_written(tmp_path):
    atomic_write_bytes(tmp_path / "a.bin", b"\x00\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["a.bin"]


def test_text_is_utf_8_with_its_own_line_ends(tmp_path):
    atomic_write_text(tmp_path / "a.txt", "größe\nline\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "größe\nline\r\n".encode()


def test_a_second_write_replaces_the_first(tmp_path):
    atomic_write_text(tmp_path / "a.txt", "a long first content")
    atomic_write_text(tmp_path / "a.txt", "short")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "short"


def test_the_old_content_stays_in_place_while_the_new_is_written(tmp_path):
    path = tmp_path / "a.txt"
    atomic_write_text(path, "old")
    with atomic_writer(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_litter(tmp_path, error):
    path = tmp_path / "a.txt"
    atomic_write_text(path, "old")

    def write_half() -> None:
        with atomic_writer(path) as file:
            file.write(b"half of the new")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_an_input_error_and_loses_nothing(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.txt"
    atomic_write_text(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.txt: No space left on device"):
        atomic_write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_data_and_the_folder_are_synced_around_the_rename(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(descriptor: int) -> None:
        steps.append("sync")
        fsync(descriptor)

    def spy_replace(source: Path, target: Path) -> None:
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    atomic_write_bytes(tmp_path / "a", b"data")
    assert steps == (["sync", "rename"] if sys.platform == "win32" else ["sync", "rename", "sync"])


def test_a_momentary_refusal_to_rename_is_waited_out(tmp_path, monkeypatch):
    refusals = [PermissionError(13, "in use"), PermissionError(13, "in use")]
    replace = os.replace

    def busy(source: Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    atomic_write_bytes(tmp_path / "a", b"data")
    assert (tmp_path / "a").read_bytes() == b"data"


def test_a_lasting_refusal_to_rename_is_an_error(tmp_path, monkeypatch):
    def locked(source: Path, target: Path) -> None:
        raise PermissionError(13, "in use")

    monkeypatch.setattr(os, "replace", locked)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(InputError, match="in use"):
        atomic_write_bytes(tmp_path / "a", b"data")
    assert names(tmp_path) == []


def test_a_killed_writer_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "a.txt"
    atomic_write_text(path, "old")
    script = (
        "import os, sys\n"
        "from minicap.formats import atomic_writer\n"
        "with atomic_writer(sys.argv[1]) as file:\n"
        "    file.write(b'half of the new')\n"
        "    file.flush()\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    assert path.read_text(encoding="utf-8") == "old"

    (leftover,) = tmp_path.glob(".minicap-*.tmp")
    atomic_write_text(path, "new")
    assert leftover.exists()  # it might belong to a live process
    os.utime(leftover, (time.time() - 7200, time.time() - 7200))
    atomic_write_text(path, "newer")
    assert names(tmp_path) == ["a.txt"]


def test_nothing_is_written_through_a_symbolic_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "a.txt", tmp_path / "link.txt"
    target.write_text("old", encoding="utf-8")
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("this system does not let us make symbolic links")
    atomic_write_text(link, "new")
    assert not link.is_symlink()
    assert link.read_text(encoding="utf-8") == "new"
    assert target.read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_the_file_is_readable_by_others_as_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    atomic_write_bytes(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_cannot_be_overwritten(tmp_path):
    with pytest.raises(InputError, match="it is a folder"):
        atomic_write_bytes(tmp_path, b"data")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*nowhere"):
        atomic_write_bytes(tmp_path / "nowhere" / "a", b"data")


def test_an_impossible_name_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        atomic_write_bytes(tmp_path / ("long" * 100), b"data")


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="there is no /dev/null on this system")
def test_a_device_is_not_replaced_by_a_file():
    with pytest.raises(InputError, match="not a regular file"):
        atomic_write_bytes("/dev/null", b"data")
