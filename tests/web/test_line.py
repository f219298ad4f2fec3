"""One worker, a bounded number of places, and no clock but the test's own."""

import asyncio
import threading
from contextlib import closing, suppress
from contextvars import ContextVar

import pytest

from minicap.web.line import Line
from minicap.web.refusal import Refusal


async def served(line, work):
    async with line.place():
        return await line.run(work)


def test_work_is_done_on_another_thread_in_the_context_of_the_caller():
    here, chosen = threading.get_ident(), ContextVar("chosen", default="nothing")
    chosen.set("cupy")
    with closing(Line(1, 60)) as line:
        thread, value = asyncio.run(served(line, lambda: (threading.get_ident(), chosen.get())))
    assert thread != here
    assert value == "cupy"


def test_answers_come_in_order_one_after_another():
    working, most, order = 0, 0, []

    def work(number):
        nonlocal working, most
        working += 1
        most = max(most, working)
        order.append(number)
        working -= 1
        return number

    async def all_of_them():
        with closing(Line(20, 60)) as line:
            return await asyncio.gather(*(served(line, lambda n=n: work(n)) for n in range(20)))

    assert asyncio.run(all_of_them()) == list(range(20)) == order
    assert most == 1


def test_who_comes_when_all_places_are_taken_is_told_when_to_come_back():
    free = threading.Event()

    async def three_for_two_places():
        with closing(Line(2, 60)) as line:
            line.usual = 1.6
            first = [asyncio.create_task(served(line, free.wait)) for _ in range(2)]
            await asyncio.sleep(0)  # both take their place
            with pytest.raises(Refusal) as refusal:
                await served(line, free.wait)
            free.set()
            await asyncio.gather(*first)
            assert await served(line, lambda: "there is room again") == "there is room again"
            return refusal.value

    refusal = asyncio.run(three_for_two_places())
    assert (refusal.status, refusal.code) == (503, "busy")
    assert refusal.headers == {"Retry-After": "4"}  # two answers of 1.6 s
    assert refusal.body()["error"]["retry_after"] == 4


def test_the_time_to_come_back_follows_how_long_answers_take():
    seconds = iter([0.0, 6.0])
    with closing(Line(1, 60, clock=lambda: next(seconds))) as line:
        asyncio.run(served(line, lambda: None))
        assert line.usual == pytest.approx(1.0 + 0.2 * (6.0 - 1.0))


def test_an_answer_that_takes_too_long_is_given_up():
    free = threading.Event()

    async def too_long():
        with closing(Line(2, 0.01)) as line:
            try:
                with pytest.raises(Refusal) as refusal:
                    await served(line, free.wait)
            finally:
                free.set()
            assert line.taken == 0
            return refusal.value

    assert asyncio.run(too_long()).status == 504


def test_what_waits_in_vain_is_never_begun():
    free, begun = threading.Event(), []

    async def behind_a_long_one():
        with closing(Line(2, 0.01)) as line:
            tasks = [asyncio.create_task(served(line, work)) for work in (free.wait, lambda: begun.append(1))]
            found = await asyncio.gather(*tasks, return_exceptions=True)
            free.set()
            return found

    assert [error.status for error in asyncio.run(behind_a_long_one())] == [504, 504]
    assert begun == []


def test_a_place_is_free_again_after_an_error():
    with closing(Line(1, 60)) as line:
        for _ in range(3):
            with suppress(ZeroDivisionError):
                asyncio.run(served(line, lambda: 1 // 0))
        assert asyncio.run(served(line, lambda: 7)) == 7
