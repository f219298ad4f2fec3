"""Word embeddings: rows looked up in a table."""

from typing import NamedTuple

from minicap.arrays import Array, accelerated
from minicap.arrays.checks import require_arrays
from minicap.arrays.rows import scatter_add_rows
from minicap.errors import ClassIndexError
from minicap.layers.checks import check, check_dout, check_ids, shape_error


class EmbeddingCache(NamedTuple):
    ids: Array  # (...) word indices
    table: Array  # (V, D)
    padding_index: int | None


@accelerated
def embedding_forward(
    ids: Array, table: Array, padding_index: int | None = None
) -> tuple[Array, EmbeddingCache]:
    """Look up the vector of every word:  out[n, t] = table[ids[n, t]].

    ids: (N, T) integers, or any other shape.  table: (V, D).
    padding_index: the row of this word is never trained; its gradient is zero.
    Returns out (N, T, D) and the cache.
    Raises DtypeError when ids are not integers, ClassIndexError when one is not in 0..V-1.
    """
    check(embedding_forward, table=(table, "V D"))
    require_arrays(embedding_forward, ids=ids, table=table)
    check_ids(embedding_forward, "word", len(table), ids=ids)
    if 0 in ids.shape:
        raise shape_error(embedding_forward, "ids is empty; every axis needs at least one entry", ids=ids)
    if padding_index is not None and padding_index not in range(len(table)):
        raise ClassIndexError(
            f"embedding_forward: padding_index is {padding_index} but must be a word, 0..{len(table) - 1}"
        )

    return table[ids], EmbeddingCache(ids, table, padding_index)


@accelerated
def embedding_backward(dout: Array, cache: EmbeddingCache) -> Array:
    """Gradient of embedding_forward.  dout: (N, T, D).  Returns dtable (V, D).

    A word's row was copied to every place where the word occurs, so its gradient is the sum of theirs.
    """
    ids, table, padding_index = cache
    check_dout(embedding_backward, (*ids.shape, table.shape[1]), dout=dout)

    dtable = scatter_add_rows(ids.reshape(-1), dout.reshape(-1, table.shape[1]), len(table))
    if padding_index is not None:
        dtable[padding_index] = 0
    return dtable
