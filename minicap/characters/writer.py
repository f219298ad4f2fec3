"""A character-level language model in one piece: alphabet and network, from an opening to a text."""

import os
from dataclasses import asdict
from typing import Any

import numpy as np

from minicap.arrays import Array, to_device
from minicap.backend.host import one_blas_thread
from minicap.characters.model import CharacterModel, CharacterModelConfig
from minicap.characters.text import Alphabet
from minicap.decoding import Decoding
from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, entry, from_mapping, load_checkpoint, narrowed, save_checkpoint
from minicap.training import chosen_checkpoint, origin

KIND = "charlm"
MOST_CHARACTERS = 100_000  # written at once


class Writer:
    """Writes text.  Writer.load(PATH) reads a checkpoint.

    origin: which checkpoint of its run this is, in words; empty when that is not known.
    """

    def __init__(self, alphabet: Alphabet, model: CharacterModel, streams: int = 1) -> None:
        self.alphabet, self.model, self.streams = alphabet, model, streams
        self.origin = ""

    @classmethod
    def create(cls, alphabet: Alphabet, config: CharacterModelConfig, streams: int = 1) -> "Writer":
        """A writer whose network is untrained (see model.initialize).  streams: as in the model."""
        return cls(alphabet, CharacterModel(config, len(alphabet), streams), streams)

    def about(self) -> dict[str, Any]:
        """What a checkpoint must carry besides arrays, as JSON values."""
        return {
            "kind": KIND,
            "model": asdict(self.model.config),
            "alphabet": self.alphabet.characters,
            "streams": self.streams,
        }

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, where: str = "the checkpoint") -> "Writer":
        """Raises FormatError when the checkpoint holds no such model, or a damaged one."""
        about = checkpoint.about
        if about.get("kind") != KIND:
            raise FormatError(
                f"{where} holds {about.get('kind', 'something unnamed')!r}, not a character model ({KIND})"
            )
        characters = entry(about, "alphabet", str, where)
        streams = entry(about, "streams", int, where)
        if not characters or len(set(characters)) < len(characters) or streams < 1:
            raise FormatError(f"{where}: its alphabet or its streams are damaged")
        try:
            config = from_mapping(CharacterModelConfig, about["model"], where)
            writer = cls.create(Alphabet(characters), config, streams)
            writer.model.load({n: a.astype(np.float32) for n, a in checkpoint.model.items()})
        except (KeyError, TypeError, AttributeError, InputError, ValueError) as error:
            raise FormatError(f"{where} does not fit its own description: {error}") from None
        return writer

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Writer":
        """From a checkpoint file, or from the best checkpoint of a run folder.

        Raises InputError when there is none, FormatError when it is damaged or holds something else.
        """
        path = chosen_checkpoint(path)
        checkpoint = load_checkpoint(path)
        writer = cls.from_checkpoint(checkpoint, str(path))
        writer.origin = origin(checkpoint, path)
        return writer

    def save(self, path: str | os.PathLike[str], dtype: Any = np.float16) -> None:
        """Write everything that writing text needs, without the training state, in half precision.

        Raises InputError when the file cannot be written, or a number does not fit into that precision.
        """
        arrays = narrowed(self.model.params | self.model.state, dtype)
        save_checkpoint(path, Checkpoint(arrays, {}, {}, self.about()))

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
