"""The gradient of word embeddings by sorted segments."""

from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array, find_backend
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import MOST_ENTRIES, Kernel, readable

_sum_rows_by_word = Kernel("embedding.cu", "sum_rows_by_word")


COLUMNS = 128  # as in embedding.cu


class EmbeddingKernelCache(NamedTuple):
    ids: Array  # (...) word indices
    table_shape: tuple[int, int]  # (V, D)
    padding_index: int | None


def embedding_forward(
    ids: Array, table: Array, padding_index: int | None = None
) -> tuple[Array, EmbeddingKernelCache]:
    """embedding_forward of minicap.layers.embedding."""
    V, D = table.shape
    return table[ids], EmbeddingKernelCache(ids, (V, D), padding_index)


def embedding_backward(dout: Array, cache: EmbeddingKernelCache) -> Array:
    """Its gradient dtable (V, D): positions are sorted by word, and each word's rows are summed in order."""
    ids, (V, D), padding_index = cache
    xp = check_dout(embedding_backward, (*ids.shape, D), dout=dout)
    rows, ids = xp.ascontiguousarray(dout).reshape(-1, D), xp.ascontiguousarray(ids).reshape(-1)
    order = xp.argsort(ids, kind="stable")
    dtable = xp.zeros((V, D), dtype=dout.dtype)
    padding = -1 if padding_index is None else int(padding_index)
    arrays = dict(words=ids[order], order=order, rows=rows, dtable=dtable)
    _sum_rows_by_word.blocks(len(ids) * -(-D // COLUMNS), **arrays, padding=padding, M=len(ids), D=D, V=V)
    return dtable


def _supports(ids: Array, table: Array, padding_index: int | None = None) -> bool:
    fits = readable(table) and find_backend(ids) is find_backend(table) and ids.dtype in (np.int32, np.int64)
    if not fits or table.ndim != 2 or not 0 < ids.size * table.shape[1] <= MOST_ENTRIES:
        return False
    return padding_index is None or 0 <= padding_index < len(table)


OVERRIDES = (Override("embedding", embedding_forward, _supports, EmbeddingKernelCache, embedding_backward),)
