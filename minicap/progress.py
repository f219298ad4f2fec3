"""One line that shows the progress of long work; in a notebook, a bar."""

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, TextIO

from minicap import html

_REDRAW_EVERY = 0.1  # seconds
_RATE_OVER = 15.0  # seconds that the shown rate looks back
_WIDEST_BAR = 30  # characters
_NARROWEST_BAR = 8

_quiet = ContextVar("minicap_quiet", default=False)


def printable(text: str) -> str:
    r"""The text for a terminal: characters that could move the cursor or hide something are spelled out, as
    \x1b is.

    File names, captions and words come from others, and an escape sequence in them could rewrite the screen.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@contextmanager
def quiet() -> Iterator[None]:
    """Inside the `with` block no progress line is drawn, because other code reports the progress."""
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)


class Progress:
    """A progress line on stderr: share done, rate, time left, and values such as the loss.

        with Progress(len(batches), "train", "batch") as progress:
            for batch in batches:
                progress.advance(loss=step(batch))

    total: how much work there is, or None when that is unknown (then there is no bar).
    unit: what is counted, in the singular.
    leave: whether the full line stays; otherwise it is erased at the end, to make room for the result.
    The line is drawn in a terminal, and as a bar below the cell in a notebook; nothing is written where the
    output is a file or a pipe.
    """

    def __init__(
        self, total: int | None, label: str, unit: str, stream: TextIO | None = None, leave: bool = True
    ) -> None:
        self.total = total
        self.label = label
        self.unit = unit
        self.done = 0
        self.leave = leave
        stream = sys.stderr if stream is None else stream
        self._screen = None if _quiet.get() else _screen(stream)
        self._blocks = "█░" if _can_write(stream, "█░") else "#-"
        self._values: dict[str, object] = {}
        self._started = time.monotonic()
        self._latest = (self._started, 0)  # (seconds, done)
        self._history: deque[tuple[float, int]] = (
            deque()
        )  # the same, thinned; the rate counts from the oldest

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._screen and self._history:
            if self.leave or error:
                self._screen.draw(self)
                self._screen.keep()
            else:
                self._screen.erase()

    def advance(self, count: int = 1, **values: object) -> None:
        """Count `count` more units as done, and show `values` (name=number or text) after them."""
        if not self._history:
            self._history.append((self._started, self.done))
        self._reach(self.done + count, values)

    def reach(self, done: int, total: int | None = None, **values: object) -> None:
        """Set how much is done (and `total`).  What the first call reports was done before."""
        self.total = self.total if total is None else total
        self._reach(done, values)

    def _reach(self, done: int, values: dict[str, object]) -> None:
        self.done = done
        self._values |= values
        now = time.monotonic()
        self._latest = (now, done)
        if self._history and now - self._history[-1][0] < _REDRAW_EVERY:
            return
        self._history.append(self._latest)
        while len(self._history) > 2 and now - self._history[1][0] > _RATE_OVER:
            self._history.popleft()
        if self._screen:
            self._screen.draw(self)

    def line(self, columns: int) -> str:
        """The text of the line now, at most `columns` characters long."""
        head, tail = printable(self.label), self.facts()
        if self.total:
            share = min(self.done / self.total, 1.0)
            head += f" {share:4.0%}"
            room = min(_WIDEST_BAR, columns - len(head) - len(tail) - 3)
            if room >= _NARROWEST_BAR:
                filled = int(share * room)
                head += f" {self._blocks[0] * filled}{self._blocks[1] * (room - filled)}"
        return f"{head}  {tail}"[: max(columns, 0)]

    def facts(self) -> str:
        """What the line says after the bar: how much is done, the rate, the time left, the values."""
        facts = [f"{self.done}" if self.total is None else f"{self.done}/{self.total}"]
        if rate := self._rate():
            facts.append(f"{rate:.1f} {self.unit}/s")
            if self.total is not None and self.done < self.total:
                facts.append(f"{_clock((self.total - self.done) / rate)} left")
        facts += [f"{name} {_text(value)}" for name, value in self._values.items()]
        return printable("  ".join(facts))

    def _rate(self) -> float:
        if not self._history:
            return 0.0
        (start, before), (now, done) = self._history[0], self._latest
        return (done - before) / (now - start) if now > start and done > before else 0.0


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class _Screen(Protocol):
    """Where progress is drawn, each time over what was drawn before."""

    def draw(self, progress: Progress) -> None: ...

    def keep(self) -> None: ...

    def erase(self) -> None: ...


class _Line:
    """The line of a terminal that the cursor is in."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.width = stream, 0

    def draw(self, progress: Progress) -> None:
        columns = shutil.get_terminal_size().columns - 1  # a full last column would wrap the line
        line = progress.line(columns)
        self._write("\r" + line.ljust(self.width))
        self.width = len(line)

    def keep(self) -> None:
        self._write("\n")

    def erase(self) -> None:
        self._write(f"\r{'':{self.width}}\r")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


class _Bar:
    """A place of its own below a notebook's cell.  display: IPython's."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self.display = display
        self.handle: Any = None

    def draw(self, progress: Progress) -> None:
        shown = html.bar(printable(progress.label), progress.facts(), progress.done, progress.total)
        self._show({"text/plain": progress.line(100), "text/html": shown})

    def keep(self) -> None:
        pass  # it stays until it is drawn over

    def erase(self) -> None:
        self._show({"text/plain": ""})

    def _show(self, data: dict[str, str]) -> None:
        if self.handle is None:
            self.handle = self.display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


def _screen(stream: TextIO | None) -> _Screen | None:
    """None where nobody watches."""
    if stream is None or stream.closed:  # None under pythonw on Windows
        return None
    if type(stream).__module__.startswith("ipykernel"):
        try:
            from IPython.display import display
        except ImportError:
            return _Line(stream)  # a notebook's output is no terminal, yet it follows "\r"
        return _Bar(display)
    return _Line(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else None


def _can_write(stream: TextIO | None, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
