"""A line with a bounded number of places, and one worker who serves it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from math import ceil
from typing import TypeVar

from minicap.web.refusal import Refusal

T = TypeVar("T")

_LONGEST_WAIT = 60  # seconds, of Retry-After


class Line:
    """Requests are answered one after another: each uses all cores, and several at once would need the memory
    of several.

        async with line.place():
            ...                              # the upload
            answer = await line.run(work)    # on the worker's thread

    places: who comes when all are taken is sent away, with an estimate of when to come back.
    seconds: how long a place waits for its answer.  clock: gives seconds, for that estimate.
    """

    def __init__(self, places: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.places, self.seconds, self.clock = places, seconds, clock
        self.taken = 0
        self.usual = 1.0  # seconds that an answer takes, as a running mean
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="minicap-web")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises Refusal (503) where all places are taken."""
        if self.taken >= self.places:
            wait = min(max(ceil(self.usual * self.taken), 1), _LONGEST_WAIT)
            raise Refusal(
                503, "busy", f"{self.taken} photos are waiting already; try again in {wait} s", wait
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """What work() returns.  Raises Refusal (504) when that takes too long, else as work does."""
        context = copy_context()  # says where arrays live
        future = self._worker.submit(context.run, self._timed, work)
        try:
            # One that still waits when its time is up is never begun; one that runs cannot be stopped.
            return await asyncio.wait_for(asyncio.wrap_future(future), self.seconds)
        except TimeoutError:
            raise Refusal(
                504, "too_slow", f"there was no answer within {self.seconds:g} s; try again"
            ) from None

    def _timed(self, work: Callable[[], T]) -> T:
        started = self.clock()
        try:
            return work()
        finally:
            self.usual += 0.2 * (self.clock() - started - self.usual)

    def close(self) -> None:
        """Begin nothing more."""
        self._worker.shutdown(wait=False, cancel_futures=True)
