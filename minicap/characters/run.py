"""Training a character-level language model from a text to a run folder, in one call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from math import log
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import to_device
from minicap.characters.model import CharacterModel, CharacterModelConfig
from minicap.characters.text import Alphabet, TextStreams
from minicap.characters.writer import Writer
from minicap.errors import InputError
from minicap.formats import read_text, require_types
from minicap.training import RunConfig, RunFolder, Trainer, TrainingConfig, settings_fingerprint

MOST_BYTES = 1 << 30  # in a text


@dataclass(frozen=True)
class TextConfig:
    """What to train on.

    path: a text file.
    chunk: characters that a stream is read on by at every step, and that gradients go back over.
    validation: share of the text, its end, that is held out; 0 for none.
    """

    path: str = ""
    chunk: int = 64
    validation: float = 0.05

    def __post_init__(self) -> None:
        require_types(self)
        if self.chunk < 1:
            raise InputError(f"chunk is {self.chunk} but must be at least 1")
        if not 0 <= self.validation < 1:
            raise InputError(f"validation is {self.validation} but must be at least 0 and below 1")


@dataclass(frozen=True)
class CharacterTrainingConfig(TrainingConfig):
    __doc__ = TrainingConfig.__doc__

    learning_rate: float = 2e-3
    monitor: str = "bits_per_character"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_growth:
            raise InputError("batch_growth: a text is read in one number of streams, the batch size")


@dataclass(frozen=True)
class CharacterRunConfig(RunConfig):
    """All settings of a run, as in its config.toml: one table each.

    The batch size is the number of streams that the text is read in.
    """

    application: ClassVar[str] = "charlm"
    registries: ClassVar[Mapping[str, Mapping[str, type[Any]]]] = {}
    data: TextConfig = field(default_factory=TextConfig)
    model: CharacterModelConfig = field(default_factory=CharacterModelConfig)
    training: CharacterTrainingConfig = field(default_factory=CharacterTrainingConfig)


class Text(NamedTuple):
    """A text to learn from.  train, validation: character indices."""

    alphabet: Alphabet
    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def load_text(config: TextConfig) -> Text:
    """The text.  Raises InputError when there is none, FormatError when it is not text."""
    if not config.path:
        raise InputError("say what to train on: --text FILE")
    text = read_text(config.path, MOST_BYTES)
    alphabet = Alphabet.of(text)
    ids = alphabet.encode(text)
    cut = len(ids) - round(config.validation * len(ids))
    return Text(alphabet, ids[:cut], ids[cut:])


def make_trainer(
    config: CharacterRunConfig,
    run: RunFolder,
    text: Text,
    callbacks: tuple[Callable[[Trainer, dict[str, Any]], None], ...] = (),
) -> tuple[Writer, Trainer]:
    """An initialised model and the trainer that will train it.

    Raises InputError for a text that is too short.
    """
    streams = config.training.batch_size
    writer = Writer.create(text.alphabet, config.model, streams)
    writer.model.initialize(config.training.seed)

    def measured(trainer: Trainer) -> dict[str, float]:
        nats = nats_per_character(writer.model, text.validation)
        return {"validation_loss": nats, "bits_per_character": nats / log(2)}

    trainer = Trainer(
        writer.model,
        TextStreams(text.train, streams, config.data.chunk),
        config.training,
        run,
        None,
        writer.about(),
        callbacks,
        measure=measured if len(text.validation) > 1 else None,
        fingerprint=fingerprint(config, text),
    )
    trainer.about["chosen_by"] = trainer.monitor.in_words("the end of the text")
    return writer, trainer


def open_trainer(config: CharacterRunConfig, run: RunFolder) -> Trainer:
    """The trainer of a run's settings, its text read from the disk; what a sweep calls for every run."""
    return make_trainer(config, run, load_text(config.data))[1]


def nats_per_character(model: CharacterModel, ids: NDArray[np.int64], streams: int = 16) -> float:
    """The mean cross-entropy of a text, read in a few streams that start from zero states."""
    most = max(1, min(streams, (len(ids) - 1) // 100))  # a shorter stream would be mostly beginning
    text = TextStreams(ids, most, 256)
    state, total = model.start(most), 0.0
    for number in range(text.chunks):
        batch = text.batch(number * most + np.arange(most))
        nats, state = model.nats({name: to_device(array) for name, array in batch.items()}, state)
        total += nats
    return total / text.x.size


def fingerprint(config: CharacterRunConfig, text: Text) -> dict[str, str]:
    """What makes a run this run: the text, and the settings."""
    found = {"the text": sha256(text.train.tobytes() + text.validation.tobytes()).hexdigest()}
    found["the alphabet"] = sha256(text.alphabet.characters.encode()).hexdigest()
    data = settings_fingerprint("data", config.data, leave_out=["path"])  # a text may move
    return found | data | settings_fingerprint("model", config.model)
