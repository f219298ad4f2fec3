"""Download a file from a web server: with progress, resumable, and verified by its checksum."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from minicap.errors import FormatError, InputError

Report = Callable[[int, int], None]  # called with the bytes downloaded so far, and those of the whole file

_PATIENCE = 30.0  # seconds without any data
_ATTEMPTS = 3  # consecutive attempts without any data
_BLOCK = 1 << 16  # bytes


@dataclass(frozen=True)
class Download:
    """A file on the web.  size: in bytes.  sha256: its checksum."""

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


def download(file: Download, folder: Path, report: Report = lambda done, total: None) -> Path:
    """Download the file into a folder, unless it is there; return its path.

    An interrupted download (NAME.part) continues where it stopped, now or in a later call, or restarts if the
    server cannot resume.
    Raises InputError when the server cannot be reached, refuses, or stays silent, and when the file cannot be
    written; FormatError for a file that is not the expected one, which is deleted.
    """
    target, part = folder / file.name, folder / f"{file.name}.part"
    if target.is_file() and sha256_of(target) == file.sha256:
        return target
    if _size(part) > file.size:
        part.unlink()
    left_over = _size(part)
    _receive(file, part, report)
    if sha256_of(part) != file.sha256:
        part.unlink()
        if left_over:  # perhaps from elsewhere, or another version
            return download(file, folder, report)
        raise FormatError(f"{file.url}: not the expected file: its checksum differs")
    try:
        part.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from None
    return target


def sha256_of(file: Path) -> str:
    """The checksum of a file.  Raises InputError when it cannot be read."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from None


def _receive(file: Download, part: Path, report: Report) -> None:
    """Reconnect until all bytes have arrived, as long as attempts bring some."""
    fruitless = 0
    while (before := _size(part)) != file.size:
        reason = "the server ended the connection early"
        try:
            _connect(file, part, before, report)
        except HTTPError as error:
            error.close()
            reason = f"the server answers {error.code} ({error.reason})"
            if error.code == 416:  # the server has no such range
                part.unlink(missing_ok=True)
            elif error.code < 500:
                raise InputError(f"{file.url}: {reason}") from None
        except TimeoutError:
            reason = f"nothing came for {_PATIENCE:g} seconds"
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", "") or error) or type(error).__name__
        fruitless = 0 if _size(part) > before else fruitless + 1
        if fruitless == _ATTEMPTS:
            raise InputError(f"{file.url}: {reason}")


def _connect(file: Download, part: Path, start: int, report: Report) -> None:
    headers = {"User-Agent": "minicap"} | ({"Range": f"bytes={start}-"} if start else {})
    with urlopen(Request(file.url, headers=headers), timeout=_PATIENCE) as response:
        goes_on = response.status == 206
        done = start if goes_on else 0
        with _Writer(part, append=goes_on) as writer:
            while block := response.read1(_BLOCK):
                done += len(block)
                if done > file.size:
                    writer.discard()
                    raise FormatError(f"{file.url}: not the expected file: longer than {file.size:,} bytes")
                writer.write(block)
                report(done, file.size)


class _Writer:
    """A file whose errors can be told from those of the network."""

    def __init__(self, path: Path, append: bool) -> None:
        self.path = path
        try:
            self.file = path.open("ab" if append else "wb")
        except OSError as error:
            raise self._refusal(error) from None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.file.close()
        except OSError as error:
            raise self._refusal(error) from None

    def write(self, block: bytes) -> None:
        try:
            self.file.write(block)
        except OSError as error:
            raise self._refusal(error) from None

    def discard(self) -> None:
        self.file.close()
        self.path.unlink()

    def _refusal(self, error: OSError) -> InputError:
        return InputError(f"cannot write {self.path}: {error.strerror or error}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
