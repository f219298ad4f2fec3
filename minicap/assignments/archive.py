"""Write archives that are the same at every run, and read those of strangers with care."""

import hashlib
import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from minicap.errors import FormatError, InputError
from minicap.formats.atomic import atomic_write_bytes
from minicap.formats.regular import open_regular

SUMS = "SHA256SUMS"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
MOST_FILES = 2000
MOST_BYTES = 64 * 2**20  # unpacked


def with_sums(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files and a list of their checksums, as `sha256sum -c` reads it."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items())]
    return dict(files) | {SUMS: "".join(lines).encode()}


def zipped(files: Mapping[str, bytes], top: str = "") -> bytes:
    """The files as a zip.  The same files give the same bytes.  top: a folder that holds them all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(f"{top}/{path}" if top else path, _WHEN)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # the same on every system
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[path])
    return buffer.getvalue()


def write(files: Mapping[str, bytes], target: Path, top: str) -> None:
    """The files with their checksums as a zip, where the target ends in .zip, else in a folder.

    Raises InputError for a folder that has something in it.
    """
    files = with_sums(files)
    if target.suffix == ".zip":
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(target, zipped(files, top))
        return
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already; name a new or empty folder, or a .zip")
    for path, data in files.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def read(source: Path, wanted: frozenset[str]) -> dict[str, bytes]:
    """The wanted files of a zip or a folder, wherever its root lies in it; others are ignored.

    Raises InputError when it cannot be read, FormatError for an archive that is too large, damaged, or has
    one of the files twice.
    """
    if source.is_dir():
        return _read_folder(source, wanted)
    try:
        with open_regular(source) as file, zipfile.ZipFile(file) as archive:
            return _read_zip(archive, wanted, source)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise FormatError(f"{source} is not a zip that can be used ({error})") from None
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from None


def _read_zip(archive: zipfile.ZipFile, wanted: frozenset[str], source: Path) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise FormatError(f"{source} holds {len(entries)} files; {MOST_FILES} are the most")
    found: dict[str, bytes] = {}
    room = MOST_BYTES
    for entry in entries:
        path = _within(entry.filename, wanted)
        if path is None:
            continue
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise FormatError(f"{source}: {path} is a link; hand in the file itself")
        if path in found:
            raise FormatError(f"{source} holds {path} twice")
        with archive.open(entry) as file:  # the size that the entry states need not be true
            data = file.read(room + 1)
        room -= len(data)
        if room < 0:
            raise FormatError(f"{source} is larger than {MOST_BYTES >> 20} MiB unpacked")
        found[path] = data
    return found


def _read_folder(source: Path, wanted: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    roots = [source, *(p for p in sorted(source.iterdir()) if p.is_dir() and not p.is_symlink())]
    root = next((r for r in roots if any((r / path).is_file() for path in wanted)), source)
    room = MOST_BYTES
    for path in sorted(wanted):
        file = root / path
        if any(part.is_symlink() for part in (file, *file.parents) if part.is_relative_to(source)):
            raise FormatError(f"{source}: {path} is a link; hand in the file itself")
        if file.is_file():
            with open_regular(file) as opened:
                found[path] = opened.read(room + 1)
            room -= len(found[path])
            if room < 0:
                raise FormatError(f"{source}: its files are larger than {MOST_BYTES >> 20} MiB")
    return found


def _within(name: str, wanted: frozenset[str]) -> str | None:
    """Which wanted file an entry is, below at most one folder; None if it is not wanted."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith("/"):
        return None
    for skipped in (0, 1):
        path = "/".join(parts[skipped:])
        if path in wanted:
            return path
    return None
