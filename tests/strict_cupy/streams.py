"""Streams and events: whether what a stream does comes after what it needs, whatever the device does first.

Every stream, and the host, knows how many operations of each stream are done before its own next one (a
vector clock).  What is checked is memory that is allocated on a stream other than the null stream.
"""

import weakref
from dataclasses import dataclass, field
from threading import local
from typing import Any

import numpy as np

from strict_cupy.counts import count
from strict_cupy.errors import StrictError

Clock = dict["Stream", int]
_thread = local()


@dataclass
class Memory:
    """Memory of a stream.  used: the last operations of every stream on it."""

    owner: "Stream"
    used: Clock = field(default_factory=dict)


_memory: dict[int, Memory] = {}  # by the id of the array that owns it


class Event:
    """cupy.cuda.Event: what a stream had been given to do when it was recorded."""

    def __init__(self, known: Clock) -> None:
        self.known = known

    def synchronize(self) -> None:
        count("syncs")
        _learn(_host_knows(), self.known)


class Stream:
    """cupy.cuda.Stream.  One that the null stream waits for would run beside nothing, and is refused."""

    def __init__(self, *, null: bool = False, non_blocking: bool = False) -> None:
        if not (null or non_blocking):
            raise StrictError("this stream and the null stream wait for each other; give non_blocking=True")
        self.null, self.known, self.freed = null, Clock(), list[Memory]()

    def __enter__(self) -> "Stream":
        _streams().append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        _streams().pop()

    def record(self) -> Event:
        return Event(dict(self.known))

    def wait_event(self, event: Event) -> None:
        _learn(self.known, event.known)

    def synchronize(self) -> None:
        count("syncs")
        _learn(_host_knows(), self.known)

    def work(self) -> int:
        """Give it one operation more, after all that the host has waited for; returns its number."""
        _learn(self.known, _host_knows())
        self.known[self] = self.known.get(self, 0) + 1
        return self.known[self]


def current_stream() -> Stream:
    """cupy.cuda.get_current_stream: the one that this thread gives its work to."""
    return _streams()[-1]


def allocated(host: np.ndarray) -> None:
    """An array was allocated on the current stream, and is being written there.

    Raises StrictError when that stream's free memory may still be in use elsewhere.
    """
    stream = current_stream()
    if stream.null:
        return
    number = stream.work()
    for memory in stream.freed:
        if late := [other for other, last in memory.used.items() if stream.known.get(other, 0) < last]:
            raise StrictError(f"memory is given out again that {len(late)} stream(s) may not have read yet")
    stream.freed.clear()
    owner = _owner(host)
    _memory[id(owner)] = Memory(stream, {stream: number})
    weakref.finalize(owner, _free, id(owner))


def used(host: np.ndarray) -> None:
    """The current stream works with an array.  Raises StrictError when that may not have arrived yet."""
    memory = _memory.get(id(_owner(host))) if _memory else None
    if memory is None:
        return
    stream = current_stream()
    number = stream.work()
    if stream.known.get(memory.owner, 0) < memory.used[memory.owner]:
        raise StrictError("an array is read whose copy may not be done: wait for an event recorded after it")
    memory.used[stream] = number


def host_waited() -> None:
    """The host has waited for all of the current stream."""
    _learn(_host_knows(), current_stream().known)


def _free(key: int) -> None:
    memory = _memory.pop(key)
    memory.owner.freed.append(memory)


def _owner(host: np.ndarray) -> np.ndarray:
    while isinstance(host.base, np.ndarray):
        host = host.base
    return host


def _learn(mine: Clock, theirs: Clock) -> None:
    for stream, number in list(theirs.items()):
        mine[stream] = max(mine.get(stream, 0), number)


def _streams() -> list[Stream]:
    if not hasattr(_thread, "streams"):
        _thread.streams = [Stream(null=True)]
    return _thread.streams


def _host_knows() -> Clock:
    if not hasattr(_thread, "host"):
        _thread.host = Clock()
    return _thread.host
