"""What a run trains and its checkpoints keep: a model with all that its use needs."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, load_checkpoint, narrowed, save_checkpoint
from minicap.training.chosen import chosen_checkpoint, origin


class Trained:
    """A model with what its use needs, such as an encoder and a vocabulary, to be saved and loaded as one.

    A subclass says what it is, and gives `about` and `described`, which undo each other:
    kind: what its checkpoints say they hold.  called: the same with its article, for messages.
    model: has `params`, `state` and `load`.
    origin: which checkpoint of its run this is, in words; empty when that is not known.
    """

    kind: ClassVar[str]
    called: ClassVar[str]
    model: Any
    origin: str = ""

    @property
    def parameters(self) -> int:
        """How many numbers its model learns."""
        return sum(array.size for array in self.model.params.values())

    def about(self) -> dict[str, Any]:
        """What a checkpoint must carry besides arrays, as JSON values; its "kind" is the class's."""
        raise NotImplementedError

    @classmethod
    def described(cls, about: Mapping[str, Any], where: str) -> Self:
        """One with an untrained model, by what `about` said.

        where: names the checkpoint in messages.  Raises any ValueError, TypeError, KeyError or AttributeError
        when the description is damaged.
        """
        raise NotImplementedError

    @staticmethod
    def flaw(arrays: Mapping[str, np.ndarray]) -> str:
        """What makes these parameters and this state useless; empty if nothing does."""
        return ""

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, where: str = "the checkpoint") -> Self:
        """Raises FormatError when the checkpoint holds something else, or what this minicap cannot run."""
        if (held := checkpoint.about.get("kind", "something unnamed")) != cls.kind:
            raise FormatError(f"{where} holds {held!r}, not {cls.called}")
        try:
            trained = cls.described(checkpoint.about, where)
        except KeyError as error:
            raise FormatError(f"{where}: {error} is missing") from None
        except (TypeError, ValueError, AttributeError) as error:
            reason = str(error).removeprefix(f"{where}: ")
            raise FormatError(f"{where}: {reason}") from None
        if flaw := cls.flaw(checkpoint.model):
            raise FormatError(f"{where}: {flaw}")
        try:
            trained.model.load({name: array.astype(np.float32) for name, array in checkpoint.model.items()})
        except (InputError, ValueError) as error:
            raise FormatError(f"{where} does not fit its own description: {error}") from None
        return trained

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """From a checkpoint file, or from the best checkpoint of a run folder.

        Raises InputError when there is none, FormatError when it is damaged or holds something else.
        """
        path = chosen_checkpoint(path)
        checkpoint = load_checkpoint(path)
        trained = cls.from_checkpoint(checkpoint, str(path))
        trained.origin = origin(checkpoint, path)
        return trained

    def save(self, path: str | os.PathLike[str], dtype: Any = np.float16) -> None:
        """Write everything that its use needs, without the training state, in half precision.

        Raises InputError when the file cannot be written, or a number does not fit into that precision.
        """
        arrays = narrowed(self.model.params | self.model.state, dtype)
        if flaw := self.flaw(arrays):
            raise InputError(f"{type(self).__name__}.save: {flaw}; save it as float32 (--float32)")
        save_checkpoint(path, Checkpoint(arrays, {}, {}, self.about()))
