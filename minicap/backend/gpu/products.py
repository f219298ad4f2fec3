"""Matrix products that kernels compute themselves, because another launch would cost more."""

TILE_ENTRIES = 8192  # of the result that a block makes, as in products.cuh

# Multiplications up to which a product counts as small: launches, not arithmetic, take the time.
# A guess: not yet timed on a GPU.
SMALL_PRODUCT = 1 << 26
LONGEST_SUM = 128  # numbers that one thread adds up in sequence; longer sums cuBLAS splits between blocks

ENOUGH_BLOCKS = 512  # to keep a large GPU busy


def shared_out(size: int, most: int, shortest: int) -> tuple[int, int]:
    """Into how many parts, at most `most`, of at least `shortest` entries to divide a sum; their length."""
    parts = max(1, min(most, size // shortest))
    length = -(-size // parts)
    return -(-size // length), length


def tiles(rows: int, columns: int) -> int:
    """How many blocks a result takes: of 32 rows or of 64, whichever are fewer."""
    return min(-(-rows // tall) * -(-columns // (TILE_ENTRIES // tall)) for tall in (32, 64))
