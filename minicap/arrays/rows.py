"""Adding rows into a table, several of them perhaps to the same place, in an order that never changes."""

from typing import Any

import numpy as np

from minicap.arrays.backends import Array, backend_of


def scatter_add_rows(ids: Array, rows: Array, num_rows: int) -> Array:
    """Sum the rows that share an index:  out[v] = sum of rows[m] over all m with ids[m] == v.

    ids: (M,) integers in 0..num_rows-1.  rows: (M, D).  Returns (num_rows, D), zero where no index points.
    The rows are sorted by index, equal indices in their given order, so that every sum is over one segment
    and in the same order every time, unlike atomic additions on a GPU.
    """
    xp = backend_of(ids=ids, rows=rows).xp
    order = xp.argsort(ids, kind="stable")
    sum_segments = _sum_segments_host if xp is np else sum_segments_by_doubling
    return sum_segments(xp, ids[order], rows[order], num_rows)


def _sum_segments_host(xp: Any, ids: Array, rows: Array, num_rows: int) -> Array:
    """The sums of scatter_add_rows from sorted ids, by adding neighbours until every index has one row left.

    np.add.reduceat walks down the columns one by one, which takes four times as long.
    """
    out = np.zeros((num_rows, rows.shape[1]), dtype=rows.dtype)
    while len(ids):
        is_first = np.ones(len(ids), dtype=bool)
        is_first[1:] = ids[1:] != ids[:-1]
        is_last = np.roll(is_first, -1)
        alone = is_first & is_last
        out[ids[alone]] = rows[alone]
        place = np.arange(len(ids))
        place -= np.maximum.accumulate(place * is_first)  # in its segment
        left = np.flatnonzero((place % 2 == 0) & ~alone)
        sums, has_right = rows[left], np.flatnonzero(~is_last[left])
        sums[has_right] += rows[left[has_right] + 1]
        ids, rows = ids[left], sums
    return out


def sum_segments_by_doubling(xp: Any, ids: Array, rows: Array, num_rows: int) -> Array:
    """The sums of scatter_add_rows from sorted ids; no shape depends on the data, so a GPU never waits.

    After the pass with distance s, rows[m] holds the sum of the 2s rows from m on that share its index
    (Hillis & Steele 1986); the first row of a segment ends up with all of it.  log2(M) passes over (M, D).
    Differences of a cumulative sum would take one pass, but lose small sums beside large ones.
    """
    distance = 1
    while distance < len(ids):
        same = (ids[distance:] == ids[:-distance])[:, None]
        partial = rows[:-distance] + xp.where(same, rows[distance:], 0)
        rows = xp.concatenate((partial, rows[-distance:]))
        distance *= 2
    wanted = xp.arange(num_rows, dtype=ids.dtype)
    first = xp.minimum(xp.searchsorted(ids, wanted), len(ids) - 1)
    return xp.where((ids[first] == wanted)[:, None], rows[first], 0)
