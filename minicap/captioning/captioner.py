"""A captioner in one piece: encoder, preprocessing, vocabulary and model, from photo to sentence."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from minicap.arrays import Array, to_device, to_host
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.captioning.model import CaptionModel, CaptionModelConfig
from minicap.data.images import Preprocess
from minicap.decoding import Hypothesis, State, beam_search, greedy, sample
from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, from_mapping, load_checkpoint, save_checkpoint
from minicap.models.encoders import Encoder, make_encoder
from minicap.vocabulary import Vocabulary

KIND = "captioner"
_SHIPPED = "weights/captioner.safetensors"


class Captioner:
    """Describes photos.

    Captioner.shipped() works straight after installation; Captioner.load(PATH) reads a checkpoint.
    """

    def __init__(self, encoder: Encoder, vocabulary: Vocabulary, model: CaptionModel, max_words: int) -> None:
        self.encoder, self.vocabulary, self.model, self.max_words = encoder, vocabulary, model, max_words

    @classmethod
    def create(
        cls, encoder: Encoder, vocabulary: Vocabulary, config: CaptionModelConfig, max_words: int = 20
    ) -> "Captioner":
        """One with an untrained model; call model.initialize(seed) on it."""
        model = CaptionModel(config, encoder.size, len(vocabulary), vocabulary.log_frequency())
        return cls(encoder, vocabulary, model, max_words)

    def about(self) -> dict[str, Any]:
        """What a checkpoint must carry besides arrays, as JSON values."""
        return {
            "kind": KIND,
            "encoder": self.encoder.name,
            "preprocess": self.encoder.preprocess.to_json(),
            "vocabulary": self.vocabulary.to_json(),
            "model": asdict(self.model.config),
            "max_words": self.max_words,
        }

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, where: str = "the checkpoint") -> "Captioner":
        """Raises FormatError when the checkpoint holds no captioner, or one that this minicap cannot run."""
        about = checkpoint.about
        if about.get("kind") != KIND:
            raise FormatError(f"{where} holds no captioner but {about.get('kind', 'something unnamed')!r}")
        try:
            encoder = make_encoder(about["encoder"])
            preprocess = Preprocess.from_json(about["preprocess"])
            config = from_mapping(CaptionModelConfig, about["model"], where)
            vocabulary, max_words = Vocabulary.from_json(about["vocabulary"]), int(about["max_words"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{where}: {error}") from None
        if preprocess != encoder.preprocess:
            raise FormatError(f"{where} was trained on photos prepared otherwise than for {encoder.name}")
        captioner = cls.create(encoder, vocabulary, config, max_words)
        try:
            captioner.model.load({n: a.astype(np.float32) for n, a in checkpoint.model.items()})
        except (InputError, ValueError) as error:
            raise FormatError(f"{where} does not fit its own description: {error}") from None
        return captioner

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Captioner":
        """From a checkpoint file, or from the best checkpoint of a run folder.

        Raises InputError when there is none, FormatError when it is damaged or holds something else.
        """
        path = Path(path)
        if path.is_dir():
            names = ("best", "last")
            found = [p for p in (path / "checkpoints" / f"{n}.safetensors" for n in names) if p.exists()]
            if not found:
                raise InputError(f"{path} is no run folder: it has no checkpoints")
            path = found[0]
        return cls.from_checkpoint(load_checkpoint(path), str(path))

    @classmethod
    def shipped(cls) -> "Captioner":
        """The captioner in the package (see docs/results.md for its training and scores)."""
        with resources.as_file(resources.files("minicap.captioning") / _SHIPPED) as path:
            return cls.load(path)

    def save(self, path: str | os.PathLike[str], dtype: Any = np.float16) -> None:
        """Write all that is needed to caption, without the state of training, in half precision.

        Raises InputError when the file cannot be written.
        """
        arrays = {
            name: to_host(a).astype(dtype) for name, a in (self.model.params | self.model.state).items()
        }
        save_checkpoint(path, Checkpoint(arrays, {}, {}, self.about()))

    def features(self, photos: Sequence[str | os.PathLike[str]]) -> Array:
        """Features (N, F) of photo files.  Raises InputError naming a file that is no photo."""
        prepare = self.encoder.preprocess
        return self.encoder.encode(np.stack([prepare.read(photo) for photo in photos]))

    def decode(
        self,
        features: Array,
        beam: int = 3,
        length_power: float = 0.7,
        temperature: float = 0.0,
        rng: np.random.Generator | int = 0,
    ) -> list[list[Hypothesis]]:
        """Hypotheses for every row of features (N, F), best first.

        beam 1 is greedy decoding; a temperature above 0 draws one caption instead.  <unk> is never said.
        """
        words, limit = self.vocabulary, self.max_words + 1
        state = self.model.start(features)
        unsaid = np.zeros(len(words), dtype=np.float32)
        unsaid[[words.pad, words.start, words.unk]] = -np.inf
        unsaid = to_device(unsaid)

        def step(state: State, last: Array) -> tuple[Array, State]:
            log_probs, state = self.model.step(state, last)
            return log_probs + unsaid, state

        if temperature:
            return [[h] for h in sample(step, state, words.start, words.end, limit, temperature, rng)]
        if beam == 1:
            return [[h] for h in greedy(step, state, words.start, words.end, limit)]
        return beam_search(step, state, words.start, words.end, limit, beam, length_power)

    def text(self, hypothesis: Hypothesis) -> str:
        """The hypothesis as a sentence of tokens."""
        return self.vocabulary.decode(hypothesis.words)

    def captions(self, features: Array, batch_size: int = 64, **options: Any) -> list[str]:
        """The best caption for every row of features; options as in decode."""
        best = []
        for start in range(0, len(features), batch_size):
            rows = np.asarray(features[start : start + batch_size])
            with explain_out_of_memory(len(rows)):
                best += [self.text(found[0]) for found in self.decode(rows, **options)]
        return best
