"""Unpack archives on the assumption that they are hostile."""

import lzma
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from minicap.errors import FormatError, InputError

_MOST_FILES = 500_000
_BLOCK = 1 << 20  # bytes


def unpack(
    archive: Path, folder: Path, below: str, most: int, report: Callable[[int], None] = lambda files: None
) -> None:
    """Unpack what an archive holds under one of its folders into a new folder.

    archive: .zip, .tar packed in any way, or .deb (where dpkg-deb is installed).
    below: the folder inside it, "" for all.  most: bytes that may come out.  report: gets the files done.
    Names are kept; times, owners and permissions are not.
    Raises FormatError for an archive that is damaged, or has links, devices, duplicate names, names that lead
    out of it, more than `most` bytes, or nothing under that folder; InputError when a file cannot be read or
    written.
    """
    inside, written, files = PurePosixPath(below).parts, 0, 0
    _make(folder)
    try:
        for name, content in _members(archive):
            parts = _parts(archive, name)
            if parts[: len(inside)] != inside or len(parts) == len(inside):
                continue
            files += 1
            if files > _MOST_FILES:
                raise FormatError(f"{archive}: holds more than {_MOST_FILES:,} files")
            target = folder.joinpath(*parts[len(inside) :])
            _make(target.parent)
            with _created(archive, target) as out:
                while block := content.read(_BLOCK):
                    written += len(block)
                    if written > most:
                        raise FormatError(f"{archive}: unpacks to more than {most:,} bytes")
                    _write(out, block, target)
            report(files)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise FormatError(f"{archive}: a damaged archive ({error})") from None
    except (NotImplementedError, RuntimeError) as error:  # an unknown compression, or a password
        raise FormatError(f"{archive}: {error}") from None
    except OSError as error:
        if error.errno is None:  # raised by gzip and bz2 for damaged data
            raise FormatError(f"{archive}: a damaged archive ({error})") from None
        raise InputError(f"cannot read {archive}: {error.strerror or error}") from None
    if not files:
        raise FormatError(f"{archive}: holds nothing in {below or 'it'}")


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every file, one after another."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if info.is_dir():
                    continue
                if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                    raise FormatError(f"{archive}: {info.filename} is a link or a device")
                with zipped.open(info) as content:
                    yield info.filename, content
    elif archive.suffix == ".deb":
        with tempfile.TemporaryFile() as unwrapped:
            _unwrap_deb(archive, unwrapped)
            with tarfile.open(fileobj=unwrapped) as tar:
                yield from _of_tar(archive, tar)
    else:
        with tarfile.open(archive) as tar:
            yield from _of_tar(archive, tar)


def _of_tar(archive: Path, tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in tar:
        if member.isdir():
            continue
        content = tar.extractfile(member) if member.isreg() else None
        if content is None:
            raise FormatError(f"{archive}: {member.name} is a link or a device")
        with content:
            yield member.name, content


def _unwrap_deb(archive: Path, into: IO[bytes]) -> None:
    """The tar inside a Debian package."""
    program = shutil.which("dpkg-deb")
    if program is None:
        raise InputError(f"{archive}: a Debian package is unpacked by dpkg-deb, which is not installed here")
    done = subprocess.run(
        [program, "--fsys-tarfile", os.fspath(archive.resolve())],
        stdout=into,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or "dpkg-deb failed"
        raise FormatError(f"{archive}: {said.splitlines()[-1]}")
    into.seek(0)


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or any(c in name for c in "\\:\0") or not path.parts:
        raise FormatError(f"{archive}: the name {name!r} leads out of the folder")
    return path.parts


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from None


def _created(archive: Path, target: Path) -> IO[bytes]:
    try:
        return target.open("xb")
    except FileExistsError:
        raise FormatError(f"{archive}: {target.name} is there twice") from None
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from None


def _write(out: IO[bytes], block: bytes, target: Path) -> None:
    try:
        out.write(block)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from None
