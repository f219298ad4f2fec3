"""A character-level language model in one piece: alphabet and network, from an opening to a text."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from minicap.arrays import Array, to_device
from minicap.backend.host import one_blas_thread
from minicap.characters.model import CharacterModel, CharacterModelConfig
from minicap.characters.text import Alphabet
from minicap.decoding import Decoding
from minicap.errors import InputError
from minicap.formats import entry, from_mapping
from minicap.training import Trained

MOST_CHARACTERS = 100_000  # written at once


class Writer(Trained):
    """Writes text.  Writer.load(PATH) reads a checkpoint."""

    kind, called = "charlm", "a character model (charlm)"

    def __init__(self, alphabet: Alphabet, model: CharacterModel, streams: int = 1) -> None:
        self.alphabet, self.model, self.streams = alphabet, model, streams

    @classmethod
    def create(cls, alphabet: Alphabet, config: CharacterModelConfig, streams: int = 1) -> "Writer":
        """A writer whose network is untrained (see model.initialize).  streams: as in the model."""
        return cls(alphabet, CharacterModel(config, len(alphabet), streams), streams)

    def about(self) -> dict[str, Any]:
        """What a checkpoint must carry besides arrays, as JSON values."""
        return {
            "kind": self.kind,
            "model": asdict(self.model.config),
            "alphabet": self.alphabet.characters,
            "streams": self.streams,
        }

    @classmethod
    def described(cls, about: Mapping[str, Any], where: str) -> "Writer":
        characters = entry(about, "alphabet", str, where)
        streams = entry(about, "streams", int, where)
        if not characters or len(set(characters)) < len(characters) or streams < 1:
            raise ValueError("its alphabet or its streams are damaged")
        config = from_mapping(CharacterModelConfig, about["model"], where)
        return cls.create(Alphabet(characters), config, streams)

    def write(
        self,
        length: int = 500,
        beginning: str = "",
        rng: np.random.Generator | int = 0,
        **options: Any,
    ) -> str:
        """`length` characters that continue the beginning; without one, the text starts on a new line.

        options: temperature (default 1; 0 takes the most probable character each time), top_k and top_p, as
        in minicap.decoding.Decoding.
        Raises InputError for a character that the model has not seen, or an invalid length.
        """
        if not 1 <= length <= MOST_CHARACTERS:
            raise InputError(f"length is {length} but must be in 1..{MOST_CHARACTERS}")
        decoding = Decoding(beam=1, **{"temperature": 1.0, **options})
        before = "\n" if "\n" in self.alphabet.index else self.alphabet.characters[0]
        ids = self.alphabet.encode(beginning or before)
        with one_blas_thread():
            state = self.model.start()
            for character in ids[:-1]:
                _, state, _ = self.model.step(state, _row(character))
            # No character ends a text, so it is as long as was asked for.
            [[found]] = decoding.decode(self.model.step, state, int(ids[-1]), -1, length, rng)
        return beginning + self.alphabet.decode(found.words)


def _row(character: int) -> Array:
    return to_device(np.array([character], dtype=np.int64))
