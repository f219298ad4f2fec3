"""Random bits as a pure function of a key and a position, the same on every backend and for any shards.

Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").  NumPy's own generator
computes it on the host; the array form below gives the same bits on any backend.
"""

from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.backends import NUMPY, Array, Backend
from minicap.errors import InputError

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_MASK64 = (1 << 64) - 1
_PER_COUNTER = 16  # one counter value gives 4 words of 64 bits, so 16 numbers of 16 bits


class RandomStream(NamedTuple):
    """A place in the tree of random streams.

    key: identifies the stream.  row: first sample of this shard in its batch, so that a batch cut into shards
    sees the same bits as a whole one.
    """

    key: int
    row: int = 0

    def child(self, index: int) -> "RandomStream":
        """The index-th stream below this one (SplitMix64 of the pair; Steele et al. 2014)."""
        z = (self.key + (index + 1) * _WEYL[0]) & _MASK64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
        return self._replace(key=z ^ (z >> 31))


def as_stream(rng: "RandomStream | np.random.Generator | int | None") -> RandomStream:
    """A stream from a stream, a seed, or a Generator (which advances by one draw).

    Raises InputError for anything else, including None: a random layer never invents its own seed.
    """
    if isinstance(rng, RandomStream):
        return rng
    if isinstance(rng, np.random.Generator):
        return RandomStream(int(rng.integers(1 << 63)))
    if isinstance(rng, (int, np.integer)):
        return RandomStream(int(rng) & _MASK64)
    what = "missing" if rng is None else f"a {type(rng).__name__}"
    raise InputError(f"rng is {what}: pass a numpy Generator, a RandomStream or an integer seed")


def random_uint16(stream: RandomStream, shape: tuple[int, ...], backend: Backend = NUMPY) -> Array:
    """Uniform 16-bit integers for a block of samples.

    shape: (N, ...).  Entry (n, j) depends on the key, on row stream.row + n and on j alone.
    """
    size = int(np.prod(shape[1:], dtype=np.int64))
    start, count = stream.row * size, shape[0] * size
    first, skip = divmod(start, _PER_COUNTER)
    counters = -(-(skip + count) // _PER_COUNTER)
    if backend.xp is np:
        words = np.random.Philox(key=stream.key, counter=first).random_raw(4 * counters)
    else:
        words = philox_words(backend.xp, stream.key, first, counters)
    return words.view(np.uint16)[skip : skip + count].reshape(shape)


def random_keep(stream: RandomStream, shape: tuple[int, ...], rate: float, backend: Backend = NUMPY) -> Array:
    """Which entries of a block of samples to keep when each is dropped with probability rate, in (0, 1).

    shape: (N, ...).  Returns bool, True where the entry's 16 bits are >= round(rate * 65536).
    """
    # Near rate 1 the threshold stays a 16-bit number, so some entries are kept.
    return random_uint16(stream, shape, backend) >= min(round(rate * 65536), 65535)


def philox_words(xp: Any, key: int, first: int, counters: int) -> Array:
    """Philox4x64-10 in array operations: 4 * counters words of 64 bits, from counter first + 1 on.

    As in NumPy, the counter is incremented before it is used, and the key's high word is zero.
    """
    zero = xp.zeros(counters, dtype=np.uint64)
    block = [xp.arange(counters, dtype=np.uint64) + np.uint64(first + 1), zero, zero, zero]
    keys = [key & _MASK64, key >> 64]
    for _ in range(10):
        high0, low0 = _multiply(block[0], _MULTIPLIERS[0])
        high1, low1 = _multiply(block[2], _MULTIPLIERS[1])
        block = [high1 ^ block[1] ^ np.uint64(keys[0]), low1, high0 ^ block[3] ^ np.uint64(keys[1]), low0]
        keys = [(k + w) & _MASK64 for k, w in zip(keys, _WEYL, strict=True)]
    return xp.stack(block, axis=1).reshape(-1)


def _multiply(a: Array, constant: int) -> tuple[Array, Array]:
    """High and low 64 bits of a 64 x 64 bit product, from 32-bit halves."""
    low32, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    c_low, c_high = np.uint64(constant & 0xFFFFFFFF), np.uint64(constant >> 32)
    a_low, a_high = a & low32, a >> shift
    low_low, high_low, low_high = a_low * c_low, a_high * c_low, a_low * c_high
    middle = (low_low >> shift) + (high_low & low32) + low_high
    return a_high * c_high + (high_low >> shift) + (middle >> shift), a * np.uint64(constant)
