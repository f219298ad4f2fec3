"""Replace a file completely or not at all, whatever happens during the write."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from minicap.errors import InputError

_ABANDONED_AFTER = 3600.0  # seconds without a write; its writer was killed
_REPLACE_DELAYS = (0.01, 0.1, 1.0)  # seconds between attempts


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that moves to `path` when the block succeeds.

    Until then `path` keeps its old content; if the block raises, it keeps it for good and nothing is left
    behind. After the block the new content is on disk and survives a power cut. A link at `path` is replaced
    and its target is kept, so a link cannot redirect a write to another file.
    Only a process killed inside the block leaves its temporary file (.minicap-*.tmp), which later writes into
    the same folder remove once it is an hour old.
    Raises InputError when `path` cannot be written: a folder, no such folder, no permission, a full disk.
    """
    target = Path(path)
    # Not tempfile.mkstemp: its files are readable by their owner only.
    temporary = target.parent / f".minicap-{secrets.token_hex(8)}.tmp"
    try:
        if target.is_dir():
            raise InputError(f"cannot write {path}: it is a folder")
        if target.exists() and not target.is_file():
            raise InputError(f"cannot write {path}: it is not a regular file")
        if not target.parent.is_dir():
            raise InputError(f"cannot write {path}: there is no folder {target.parent}")
        _remove_abandoned(target.parent)
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file, crash-safe as `atomic_writer`."""
    with atomic_writer(path) as file:
        file.write(data)


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole UTF-8 file with the line ends of `text`, crash-safe as `atomic_writer`."""
    atomic_write_bytes(path, text.encode("utf-8"))


def _replace(temporary: Path, target: Path) -> None:
    for delay in _REPLACE_DELAYS:
        # Windows refuses for a moment while a virus scanner or an indexer reads the old file.
        with suppress(PermissionError):
            os.replace(temporary, target)
            return
        time.sleep(delay)
    os.replace(temporary, target)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable. Windows cannot open a folder, some network disks cannot sync one."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    for leftover in folder.glob(".minicap-*.tmp"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER:
                leftover.unlink()
