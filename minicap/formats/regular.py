"""Open regular files only: no pipe or device that blocks, no link that redirects a write.

Every failure is an OSError with its reason, as from `open`; callers say which file it was.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

# Windows has neither of the first two: opening a pipe there does not block, and links need special rights.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file for reading, also through links.  Raises OSError, also for a pipe, a device or a socket."""
    try:
        # Checked before opening, since opening some devices has effects.
        _require_regular(path, os.stat(path))
    except ValueError as error:  # a zero byte in the path
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY)
    _keep_if_regular(path, descriptor)
    return open(descriptor, "rb")


def open_own(path: str | os.PathLike[str], append: bool = False) -> BinaryIO:
    """Open a file of minicap's own for reading and writing, or for appending, which creates it if missing.

    Raises OSError, also when the name is a link, not a regular file, or one of several names of one file: a
    write would change something else.
    """
    if os.path.islink(path):
        raise _link(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT if append else os.O_RDWR
    try:
        descriptor = os.open(path, flags | _NO_WAIT | _NO_LINK | _BINARY, 0o666)
    except OSError as error:
        raise _link(path) if error.errno == errno.ELOOP else error from None
    _keep_if_regular(path, descriptor, only_name=True)
    return open(descriptor, "ab" if append else "r+b")


def create_own(path: str | os.PathLike[str]) -> BinaryIO:
    """Create a new file for writing, replacing whatever is there; the target of a link is kept.

    Raises OSError, also when another process creates the file at the same moment.
    """
    Path(path).unlink(missing_ok=True)
    return open(path, "x+b")


def _keep_if_regular(path: str | os.PathLike[str], descriptor: int, only_name: bool = False) -> None:
    status = os.fstat(descriptor)
    try:
        _require_regular(path, status)
        if only_name and status.st_nlink > 1:
            raise OSError(
                errno.EMLINK, "this file has a second name (a hard link); delete one of the two", str(path)
            )
    except OSError:
        os.close(descriptor)
        raise


def _require_regular(path: str | os.PathLike[str], status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file but a pipe, a device or a socket", str(path))


def _link(path: str | os.PathLike[str]) -> OSError:
    return OSError(errno.ELOOP, "this is a symbolic link, and minicap does not write through one", str(path))
