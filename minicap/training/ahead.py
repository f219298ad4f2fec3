"""Batches prepared on threads before the step that needs them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

Wanted = TypeVar("Wanted")
Made = TypeVar("Made")


@contextmanager
def made_ahead(
    make: Callable[[Wanted], Made], wanted: Sequence[Wanted], threads: int
) -> Iterator[Iterator[Made]]:
    """Inside the `with` block, an iterator over make(w) for each w in order, like map(make, wanted).

    threads: how many work ahead, each on one of the next items; with 0 each item is made when its turn comes.
    Exceptions of `make` are raised at the item's turn, too.  The threads end with the block, however it ends,
    and start nothing after that.
    """
    if not threads:
        yield map(make, wanted)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="minicap-ahead")
    try:
        yield _in_turn(lambda each: pool.submit(copy_context().run, make, each), wanted, threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_turn(
    begin: Callable[[Wanted], "Future[Made]"], wanted: Sequence[Wanted], ahead: int
) -> Iterator[Made]:
    left = iter(wanted)
    begun = deque(begin(each) for each in islice(left, ahead))
    while begun:
        made = begun.popleft().result()
        begun.extend(begin(each) for each in islice(left, 1))
        yield made
