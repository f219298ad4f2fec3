"""Words and their indices."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.errors import ClassIndexError, FormatError, InputError

PAD, START, END, UNK = "<pad>", "<start>", "<end>", "<unk>"
SPECIAL = (PAD, START, END, UNK)


@dataclass(frozen=True)
class Vocabulary:
    """The words a captioner knows, most frequent first after <pad> <start> <end> <unk>.

    counts: how often each was seen in training; for <end> the number of captions, for <unk> the rare words.
    Raises InputError for words that are not texts, do not begin with the special ones or repeat, and for
    counts that are not whole numbers, one per word.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.words, tuple) or not all(isinstance(word, str) for word in self.words):
            raise InputError("Vocabulary: words is not a tuple of texts; use Vocabulary.build(captions)")
        if self.words[:4] != SPECIAL:
            raise InputError(f"Vocabulary: words must begin with {' '.join(SPECIAL)}")
        if len(self.index) < len(self.words):
            twice = next(word for i, word in enumerate(self.words) if self.index[word] != i)
            raise InputError(f"Vocabulary: words has {twice!r} twice")
        whole = isinstance(self.counts, tuple) and all(
            type(count) is int and 0 <= count < 2**63 for count in self.counts
        )
        if not whole or len(self.counts) != len(self.words):
            raise InputError("Vocabulary: counts is not a tuple of whole numbers, at least 0, one per word")

    @classmethod
    def build(cls, captions: Iterable[Sequence[str]], min_count: int = 1) -> "Vocabulary":
        """Collect the words that occur at least min_count times; the others become <unk>.

        captions: token lists.  Raises InputError when there are none, one is not a list of words, or
        min_count is below 1.
        """
        if not min_count >= 1:
            raise InputError(f"Vocabulary.build: min_count is {min_count} but must be at least 1")
        captions = list(captions)
        for caption in captions:
            _require_words("Vocabulary.build", caption)
        if not captions:
            raise InputError("Vocabulary.build: there are no captions")
        seen = Counter(word for caption in captions for word in caption)
        kept = [word for word, count in seen.items() if count >= min_count and word not in SPECIAL]
        kept.sort(key=lambda word: (-seen[word], word))
        rare = seen.total() - sum(seen[word] for word in kept)
        counts = (0, 0, len(captions), rare, *(seen[word] for word in kept))
        return cls((*SPECIAL, *kept), counts)

    def extended(self, other: "Vocabulary") -> "Vocabulary":
        """These words in their places, then the other's new ones; counts are added up."""
        new = [word for word in other.words if word not in self.index]
        count = {word: other.counts[i] for word, i in other.index.items()}
        counts = [n + count.get(word, 0) for word, n in zip(self.words, self.counts, strict=True)]
        return Vocabulary((*self.words, *new), (*counts, *(count[word] for word in new)))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of every word."""
        return {word: i for i, word in enumerate(self.words)}

    @property
    def pad(self) -> int:
        return 0

    @property
    def start(self) -> int:
        return 1

    @property
    def end(self) -> int:
        return 2

    @property
    def unk(self) -> int:
        return 3

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """Indices of the words of a caption, <end> last; unknown words become <unk>.

        Raises InputError for a text that is not split into words.
        """
        _require_words("Vocabulary.encode", tokens)
        # A token that looks like a special word ("<end>") counts as unknown, like a rare one.
        return [*(max(self.index.get(word, self.unk), self.unk) for word in tokens), self.end]

    def decode(self, ids: Iterable[int]) -> str:
        """The caption up to <end>, without special words other than <unk>.

        Raises ClassIndexError for an index outside the vocabulary.
        """
        words = []
        for i in ids:
            if not 0 <= i < len(self):
                raise ClassIndexError(
                    f"Vocabulary.decode: {i} is not a word index; there are {len(self)} words"
                )
            if i == self.end:
                break
            if i not in (self.pad, self.start):
                words.append(self.words[i])
        return " ".join(words)

    def log_frequency(self) -> NDArray[np.float64]:
        """Log of each word's share in training, (V,); a word never seen counts as half an occurrence."""
        counts = np.maximum(np.asarray(self.counts, dtype=np.float64), 0.5)
        return np.log(counts / counts.sum())

    def to_json(self) -> dict[str, Any]:
        """JSON values that from_json takes back."""
        return {"words": list(self.words), "counts": list(self.counts)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Vocabulary":
        """The inverse of to_json.  Raises FormatError for values that are not a vocabulary."""
        try:
            return cls(tuple(values["words"]), tuple(values["counts"]))
        except (KeyError, TypeError, InputError):
            raise FormatError("the vocabulary of this checkpoint is damaged") from None


def _require_words(function: str, caption: Sequence[str]) -> None:
    """Raise InputError for anything but texts, and for one text, which is a sequence of its characters."""
    if isinstance(caption, str) or not all(isinstance(word, str) for word in caption):
        raise InputError(
            f"{function}: {caption!r:.60} is not a list of words; minicap.metrics.captions.tokenize makes one"
        )
