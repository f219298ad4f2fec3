"""What `caption` and `classify` share: photos in turn, and the bad ones named at the end."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

from minicap.data import find_photos
from minicap.errors import InputError
from minicap.progress import Progress, printable

T = TypeVar("T")

_NAMED_AT_MOST = 20


class Photos(Generic[T]):
    """The photos among files and folders, each read once, the next one while the previous is processed.

        photos = Photos(args.photos, read, "caption")
        for path, image in photos: ...
        return photos.exit_code()

    read: what a photo becomes; photos for which it raises InputError are passed over and named at the end.
    The memory does not grow with the number of photos. Where answers go to a file, a progress line is drawn.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[Path], T], label: str) -> None:
        self.read, self.label = read, label
        self.paths: list[Path] = []
        self.good = 0
        self.errors: list[str] = []
        with Progress(None, "looking for photos", "photo", leave=False) as progress:
            for path in paths:
                try:
                    for photo in find_photos([path]):
                        self.paths.append(photo)
                        progress.advance()
                except InputError as error:
                    self.errors.append(str(error))

    def __iter__(self) -> Iterator[tuple[Path, T]]:
        with ThreadPoolExecutor(max_workers=1) as pool, self._progress() as progress:
            submitted = (pool.submit(self.read, path) for path in self.paths)
            ahead = deque(islice(submitted, 1))
            for path in self.paths:
                ahead.extend(islice(submitted, 1))
                try:
                    value = ahead.popleft().result()
                except InputError as error:
                    self.errors.append(str(error))
                else:
                    self.good += 1
                    yield path, value
                if progress:
                    progress.advance()

    def exit_code(self) -> int:
        """Name the bad photos on stderr.  Returns 1 when there were some, else 0.

        Raises InputError when no photo was good.
        """
        if not self.errors:
            return 0
        if not self.good:
            more = f" (and {len(self.errors) - 1} more bad photos)" if len(self.errors) > 1 else ""
            raise InputError(self.errors[0] + more)
        sys.stdout.flush()
        for error in self.errors[:_NAMED_AT_MOST]:
            print(f"minicap: {printable(error)}", file=sys.stderr)
        bad, total = len(self.errors), self.good + len(self.errors)
        print(f"minicap: {bad} of {total} photos could not be used", file=sys.stderr)
        return 1

    def _progress(self) -> "Progress | nullcontext[None]":
        if len(self.paths) < 2 or sys.stdout.isatty():
            return nullcontext()
        return Progress(len(self.paths), self.label, "photo")


def require_drawable(photos: Sequence[Path], flag: str, figure: Path, most: int = 1) -> None:
    """Raise InputError for too many photos, or a figure that cannot be written, before any work is done."""
    from minicap.plots.figure import figure_format

    figure_format(figure)
    if len(photos) > most:
        many = "one photo" if most == 1 else f"at most {most} photos"
        raise InputError(f"{flag} takes {many} at a time")
