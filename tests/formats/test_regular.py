import os
import socket
import sys

import pytest

from minicap.formats.regular import create_own, open_own, open_regular

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs pipes and links")


def test_a_file_is_read_also_through_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"text")
    paths = [tmp_path / "a"]
    if sys.platform != "win32":
        (tmp_path / "link").symlink_to("a")
        paths.append(tmp_path / "link")
    for path in paths:
        with open_regular(path) as file:
            assert file.read() == b"text"


@posix
@pytest.mark.timeout(20)
def test_what_could_block_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the name of a socket is at most about a hundred bytes long
        server.bind("socket")
        for path in (tmp_path / "pipe", tmp_path / "socket", "/dev/null"):
            for opening in (open_regular, open_own):
                with pytest.raises(
                    OSError, match=r"a pipe, a device or a socket|No such device|not supported"
                ):
                    opening(path)


@pytest.mark.parametrize("opening", [open_regular, open_own])
def test_a_folder_is_no_file(tmp_path, opening):
    with pytest.raises(OSError):  # noqa: PT011  its reason depends on the system
        opening(tmp_path)


def test_a_file_to_change_must_be_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_own(tmp_path / "a")


def test_an_own_file_is_made_and_kept(tmp_path):
    for written in (b"ab", b"cd"):
        with open_own(tmp_path / "a", append=True) as file:
            file.write(written)
    with open_own(tmp_path / "a") as file:
        file.seek(1)
        file.write(b"X")
    assert (tmp_path / "a").read_bytes() == b"aXcd"


@posix
@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("exists", [False, True])
def test_nothing_is_written_through_a_symbolic_link(tmp_path, append, exists):
    if exists:
        (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a").symlink_to("victim")
    with pytest.raises(OSError, match="minicap does not write through one"):
        open_own(tmp_path / "a", append)
    assert (tmp_path / "victim").exists() == exists


@posix
def test_nothing_is_written_into_a_file_of_two_names(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    os.link(tmp_path / "victim", tmp_path / "a")
    with pytest.raises(OSError, match="this file has a second name"):
        open_own(tmp_path / "a")
    with create_own(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"


@posix
def test_a_new_file_takes_the_place_of_a_link(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a").symlink_to("victim")
    with create_own(tmp_path / "a") as file:
        file.write(b"new")
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "victim").read_bytes() == b"precious"
