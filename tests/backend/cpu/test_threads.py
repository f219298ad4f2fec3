import threading

import pytest
from threadpoolctl import threadpool_limits

from minicap.backend.cpu import threads

ENOUGH = 100 * threads.LEAST_PRODUCTS


def in_parts_with(blas_threads, work, length, products=ENOUGH):
    with threadpool_limits(blas_threads, user_api="blas"):
        if threads.blas_threads() != blas_threads:
            pytest.skip("this BLAS does not say how many threads it uses")
        result = threads.in_parts(work, length, products)
        assert threads.blas_threads() == blas_threads
    return result


def test_parts_cover_the_whole_once_and_come_back_in_order():
    parts = in_parts_with(3, lambda part: part, 10)
    assert parts == [slice(0, 3), slice(3, 6), slice(6, 10)]


def test_parts_run_on_threads_of_their_own_with_one_blas_thread():
    together = threading.Barrier(2, timeout=10)

    def work(part):
        together.wait()
        return threading.get_ident(), threads.blas_threads()

    (first, one), (second, also_one) = in_parts_with(2, work, 2)
    assert first != second
    assert one == also_one == 1


@pytest.mark.parametrize(("blas_threads", "length", "products"), [(1, 9, ENOUGH), (2, 1, ENOUGH), (2, 9, 1)])
def test_what_is_small_or_in_a_shard_stays_on_its_thread(blas_threads, length, products):
    (thread,) = in_parts_with(blas_threads, lambda part: threading.get_ident(), length, products)
    assert thread == threading.get_ident()


def test_work_inside_work_is_not_cut_again():
    inner = in_parts_with(2, lambda part: threads.in_parts(lambda _: threading.get_ident(), 9, ENOUGH), 1)
    assert inner == [[threading.get_ident()]]


def test_blas_gets_its_threads_back_after_an_error():
    def fail(part):
        raise RuntimeError("in a part")

    with threadpool_limits(2, user_api="blas"):
        before = threads.blas_threads()
        with pytest.raises(RuntimeError, match="in a part"):
            threads.in_parts(fail, 2, ENOUGH)
        assert threads.blas_threads() == before


def test_there_is_a_core():
    assert threads.core_count() >= 1
