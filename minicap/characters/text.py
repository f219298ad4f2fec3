"""A text as numbers, and cut up for training."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.errors import ClassIndexError, InputError


@dataclass(frozen=True)
class Alphabet:
    """The characters that a model knows, each once, in the order of their indices."""

    characters: str

    @classmethod
    def of(cls, text: str) -> "Alphabet":
        """The characters of a text, sorted.  Raises InputError when there are none."""
        if not text:
            raise InputError("Alphabet.of: the text is empty")
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.characters)

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of every character."""
        return {character: i for i, character in enumerate(self.characters)}

    def encode(self, text: str) -> NDArray[np.int64]:
        """Indices (T,).  Raises InputError naming a character that is not among these."""
        try:
            return np.array([self.index[character] for character in text], dtype=np.int64)
        except KeyError as error:
            raise InputError(
                f"{error.args[0]!r} is none of the {len(self)} characters that the model has seen"
            ) from None

    def decode(self, ids: "NDArray[np.int64] | list[int] | tuple[int, ...]") -> str:
        """The text.  Raises ClassIndexError for an index without a character."""
        if len(ids) and not 0 <= min(ids) <= max(ids) < len(self):
            raise ClassIndexError(f"Alphabet.decode: an index is not in 0..{len(self) - 1}")
        return "".join(self.characters[i] for i in ids)


class TextStreams:
    """A text as `streams` streams that are read side by side, a chunk of each at a time.

    The text is cut into as many pieces of equal length, and a batch is the next chunk of all of them:
    {"x": (N, T) characters, "y": (N, T) the next ones, "rows": (N,) the streams, "carry": (N,) 1 where the
    model goes on from the chunk before, 0 at the beginning}.  What is left over at the end is not read.
    """

    in_order = True

    def __init__(self, ids: NDArray[np.int64], streams: int, chunk: int) -> None:
        length = (len(ids) - 1) // streams
        if length < 1:
            raise InputError(
                f"the text has {len(ids)} characters, too few for {streams} streams: lower the batch size"
            )
        self.streams, self.chunk = streams, chunk
        self.x = ids[: streams * length].reshape(streams, length)
        self.y = ids[1 : streams * length + 1].reshape(streams, length)

    @property
    def chunks(self) -> int:
        return -(-self.x.shape[1] // self.chunk)

    def __len__(self) -> int:
        return self.streams * self.chunks

    def batch(self, indices: NDArray[np.int64], rng: RandomStream | None = None) -> dict[str, Array]:
        """Chunk i // streams of stream i % streams for each index i; nothing is random."""
        rows, number = indices % self.streams, int(indices[0]) // self.streams
        part = slice(number * self.chunk, (number + 1) * self.chunk)
        carry = np.full(len(rows), float(number > 0), dtype=np.float32)
        return {"x": self.x[rows, part], "y": self.y[rows, part], "rows": rows, "carry": carry}
