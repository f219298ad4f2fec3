"""Products of tall, thin matrices, as in convolutions, cut into the pieces that BLAS multiplies fastest.

OpenBLAS packs its operands before it multiplies, which costs more than it gains when one side is short.  On
processors with AVX-512 it has a second kernel that does not, for products of M * N * K <= 10^6; a batched
`np.matmul` over pieces of the rows reaches it.
"""

import numpy as np

from minicap.arrays.backends import Array
from minicap.backend.cpu import tuning
from minicap.backend.cpu.threads import in_parts

SMALL_PRODUCT = 1_000_000  # M * N * K up to which OpenBLAS uses its kernel without packing
ROWS_MEASURED = 2048


def times(A: Array, B: Array, out: Array) -> None:
    """out = A B, where A (L, K) and out (L, N) have many rows, in any order that BLAS can read."""
    L, K = A.shape
    N = B.shape[1]
    piece = rows_of_a_piece(K, N, A.dtype, A.strides[1] == A.itemsize)
    whole = L - L % piece if piece else 0
    if whole:
        B = np.ascontiguousarray(B)  # small, and read again for every piece
        np.matmul(_cut(A[:whole], piece), B, out=_cut(out[:whole], piece))
    if whole < L:
        np.matmul(A[whole:], B, out=out[whole:])


def product(A: Array, B: Array) -> Array:
    """A B, with its longer side divided among the threads.

    OpenBLAS lets its own threads spin after a product, in case another one follows: for a tenth of a second
    each of them takes a core from other work that is divided among threads.
    """
    N, M = len(A), B.shape[1]
    out = np.empty((N, M), A.dtype)

    def fill(part: slice) -> None:
        if N >= M:
            np.matmul(A[part], B, out=out[part])
        else:
            np.matmul(A, B[:, part], out=out[:, part])

    in_parts(fill, max(N, M), A.size * M)
    return out


def rows_of_a_piece(K: int, N: int, dtype: np.dtype, row_major: bool = True) -> int:
    """How many rows `times` takes at once; 0 means all of them in one product."""
    small = SMALL_PRODUCT // (K * N)
    sizes = [rows for rows in (1024, 512, 256, 128, 64, 32, 16) if rows <= small][:2]
    if not sizes:
        return 0
    order = "rows" if row_major else "columns"

    def candidates() -> dict[str, tuning.Candidate]:
        A = np.ones((ROWS_MEASURED, K) if row_major else (K, ROWS_MEASURED), dtype)
        B, out = np.ones((K, N), dtype), np.empty((ROWS_MEASURED, N), dtype)
        A = A if row_major else A.T

        def in_pieces(rows: int) -> tuning.Candidate:
            return lambda: np.matmul(_cut(A, rows), B, out=_cut(out, rows))

        return {"0": lambda: np.matmul(A, B, out=out)} | {str(rows): in_pieces(rows) for rows in sizes}

    return int(tuning.choose(f"gemm {order} K={K} N={N} {dtype}", [*map(str, sizes), "0"], candidates))


def _cut(matrix: Array, rows: int) -> Array:
    """(L, D) as (L / rows, rows, D), a view."""
    line, entry = matrix.strides
    shape = (len(matrix) // rows, rows, matrix.shape[1])
    return np.lib.stride_tricks.as_strided(matrix, shape, (rows * line, line, entry))
