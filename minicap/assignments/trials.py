"""A trial: one call of a student's function, and the right answer to it."""

import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minicap.assignments.values import decode, encode
from minicap.errors import FormatError
from minicap.formats.regular import open_regular

PUBLIC = "public.cases"  # the file of a handout that holds the public trials
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Trial:
    """One call, drawn from the reference.

    module, function: what is called.  call: a function of the assignment's calls.py instead, or "".
    args, kwargs: what it is handed; their names in `names` and `kwargs`.
    expected: the right answer, caches known only by their names.  labels: what its parts are called, empty
    where the answer is one value.
    needs: for functions of other exercises, their right calls: name -> [[arguments by name, result], ...].
    mistakes: what some classic mistakes answer: [cause, label, fingerprint] each.
    trivial: whether a constant or an argument handed back would pass.  tolerance: relative to the largest
    entry of a part.  seconds: the most processor time that it may take.
    """

    exercise: str
    name: str
    module: str
    function: str
    call: str
    args: list[Any]
    names: list[str]
    kwargs: dict[str, Any]
    expected: Any
    labels: list[str]
    needs: dict[str, list[Any]]
    mistakes: list[Any]
    trivial: bool
    tolerance: float
    seconds: float

    @property
    def is_backward(self) -> bool:
        return self.function.endswith("_backward")

    def request(self, calls: str = "") -> bytes:
        """What a worker is sent: never the answer.  calls: the text of calls.py."""
        asked = ("module", "function", "call", "args", "kwargs", "needs", "names", "seconds")
        return encode({name: getattr(self, name) for name in asked} | {"calls": calls})


def seed_of(exercise: str, name: str, secret: str) -> int:
    """A seed of its own for every trial, the same on every machine."""
    return zlib.crc32(f"{secret}/{exercise}/{name}".encode())


def encoded(trials: Sequence[Trial]) -> bytes:
    """The trials as bytes, the same at every run."""
    return encode([asdict(trial) for trial in trials])


def pack(trials: Sequence[Trial]) -> bytes:
    """The same as the bytes of a file."""
    return gzip.compress(encoded(trials), mtime=0)


def unpack(data: bytes, where: str) -> list[Trial]:
    """The trials that `pack` packed.  Raises FormatError for a damaged file, named in `where`."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            records = decode(packed.read(_MOST_BYTES + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{where} is damaged ({error}); unpack the handout again") from None
    if not isinstance(records, list):
        raise FormatError(f"{where} is not a file of trials")
    try:
        return [Trial(**record) for record in records]
    except TypeError:
        raise FormatError(f"{where} was written by another version of minicap") from None


def read(path: Path) -> list[Trial]:
    """The trials of a file.  Raises FormatError for a damaged one."""
    with open_regular(path) as file:
        return unpack(file.read(_MOST_BYTES), str(path))
