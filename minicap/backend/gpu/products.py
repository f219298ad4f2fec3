"""Matrix products that kernels do themselves, where a call of cuBLAS would cost more than the product."""

TILE = 64  # entries of the result along each axis that a block makes, as in products.cuh

# Multiplications up to which a product counts as small.  A guess from the arithmetic: not yet timed on a GPU.
SMALL_PRODUCT = 1 << 26


def tiles(rows: int, columns: int) -> int:
    """Blocks that a result takes."""
    return -(-rows // TILE) * -(-columns // TILE)
