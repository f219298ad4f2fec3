"""A lock on a folder, held by one process at a time and gone with the process, however it ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minicap.errors import InputError
from minicap.formats import open_own

if sys.platform == "win32":
    import msvcrt

    _FAR = 2**30  # the locked byte, far beyond the text: other processes cannot read a locked byte

    def _lock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, 0, os.SEEK_SET)
else:

    def _lock(file: int) -> None:
        import fcntl  # not above: a browser's Python has none, and no other process either

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder: an operating-system lock on its file `.lock`, which says who holds it.

    The system drops the lock when the process ends, so a crash leaves none behind.
    Raises InputError when another process holds it, or when the file cannot be made.
    """
    path = folder / ".lock"
    try:
        open_own(path, append=True).close()  # creates it if it is missing
        opened = open_own(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    with opened:  # closing it drops the lock
        file = opened.fileno()
        try:
            _lock(file)
        except OSError:
            holder = os.read(file, 100).decode("ascii", "replace").strip() or "another process"
            raise InputError(
                f"{folder} is in use by {holder}: wait for it, or choose another folder"
            ) from None
        os.ftruncate(file, 0)  # what a crash may have left
        os.write(file, f"process {os.getpid()}\n".encode())
        try:
            yield
        finally:
            os.ftruncate(file, 0)
