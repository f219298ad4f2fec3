"""Self-critical sequence training: a captioner learns from the scores of captions that it draws itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.random import RandomStream
from minicap.captioning.examples import caption_batch
from minicap.captioning.model import Batch, CaptioningModel
from minicap.decoding import Hypothesis, greedy, sample, without
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.metrics.captions import CiderCorpus
from minicap.nn import Dropout, Module, RecurrentDropout
from minicap.training import StepResult, Trainer
from minicap.vocabulary import END, Vocabulary

Tokens = Sequence[str]


@dataclass(frozen=True)
class ReinforceConfig:
    """Whether to train by the scores of drawn captions (self-critical sequence training), and how.

    reinforce: what a drawn caption must beat, greedy (the captioner's own best guess) or mean (the other
    captions drawn for the photo); none to learn the captions of the data set.
    samples: captions drawn for every photo.
    """

    reinforce: Literal["none", "greedy", "mean"] = "none"
    samples: int = 5

    def __post_init__(self) -> None:
        require_types(self)
        if self.samples < 1:
            raise InputError(f"samples is {self.samples} but must be at least 1")
        if self.reinforce == "mean" and self.samples < 2:
            raise InputError("samples is 1, but a mean baseline is that of the other samples: 2 or more")

    @property
    def on(self) -> bool:
        return self.reinforce != "none"


class PhotoExamples:
    """One example per photo, without its captions.  features: (images, ...), on any backend."""

    def __init__(self, features: Array) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def batch(self, indices: NDArray[np.int64], rng: RandomStream | None = None) -> Batch:
        """{"features": (N, ...), "photos": (N,) their indices}; nothing is random."""
        home = backend_of(features=self.features)
        return {"features": self.features[to_device(indices, home)], "photos": indices}


class SelfCritical:
    """A step of the Trainer: REINFORCE on CIDEr-D with a baseline (Rennie et al. 2017, eq. 5 to 8).

    For every photo captions w are drawn from the model p, and

        loss = - sum over w of (r(w) - b) sum_t log p(w_t | w_1 ... w_t-1) / words drawn

    is the cross-entropy of the drawn captions, each weighted by its advantage r(w) - b: its gradient is that
    of the expected reward.  r is CIDEr-D against the photo's own captions, weighted by the training set.
    <end> counts as a word of captions and references; otherwise captions that break off would score best.

    b is the reward of the caption that the model decodes greedily ("greedy"), or the mean reward of the other
    captions drawn for the same photo ("mean"; Luo 2020).  Dropout is off, because captions are drawn from the
    model as it is in evaluation.

    references: the token lists of every photo of the training set.
    """

    def __init__(
        self,
        config: ReinforceConfig,
        vocabulary: Vocabulary,
        references: Sequence[Sequence[Tokens]],
        max_words: int,
    ) -> None:
        self.config, self.vocabulary, self.max_length = config, vocabulary, max_words + 1
        self.corpus = CiderCorpus([[[*tokens, END] for tokens in of_photo] for of_photo in references])

    def __call__(self, trainer: Trainer, batch: Batch, rng: RandomStream) -> StepResult:
        model: Any = trainer.model
        drop_nothing(model)
        samples, photos = self.config.samples, np.asarray(batch["photos"])
        features = trainer.uploads(batch["features"])
        repeated = features[to_device(np.repeat(np.arange(len(photos)), samples), backend_of(x=features))]
        drawn = self.draw(model, repeated, rng)
        rewards = self.rewards(np.repeat(photos, samples), drawn).reshape(-1, samples)
        if self.config.reinforce == "greedy":
            baseline = self.rewards(photos, self.best(model, features))[:, None]
        else:
            baseline = (rewards.sum(axis=1, keepdims=True) - rewards) / (samples - 1)
        learned = caption_batch(repeated, [self.said(c) for c in drawn], self.vocabulary.start)
        weights = (rewards - baseline).reshape(-1).astype(repeated.dtype)
        found = trainer.loss(learned | {"weights": weights}, rng)
        scalars = {"reward": float(rewards.mean()), "baseline": float(baseline.mean())}
        return StepResult(found.loss, found.grads, found.count, scalars)

    def draw(self, model: CaptioningModel, features: Array, rng: RandomStream) -> list[Hypothesis]:
        """A caption for every row, from the model's own probabilities."""
        words, drawing = self.vocabulary, np.random.default_rng([rng.key, rng.row])
        state = model.start(features)
        return sample(model.step, state, words.start, words.end, self.max_length, rng=drawing)

    def best(self, model: CaptioningModel, features: Array) -> list[Hypothesis]:
        """The captions that the model decodes greedily."""
        words = self.vocabulary
        step = without(model.step, (words.pad, words.start, words.unk))
        return greedy(step, model.start(features), words.start, words.end, self.max_length)

    def rewards(self, photos: Sequence[int] | NDArray[np.int64], captions: list[Hypothesis]) -> Any:
        """CIDEr-D (N,) of one caption for each of these photos."""
        words = self.vocabulary.words
        texts = ([words[i] for i in self.said(caption)] for caption in captions)
        return np.array([self.corpus.score(p, text) for p, text in zip(photos, texts, strict=True)])

    def said(self, caption: Hypothesis) -> list[int]:
        """Its words, and <end> if the caption is finished."""
        return [*caption.words, self.vocabulary.end] if caption.finished else list(caption.words)


def drop_nothing(model: Module) -> None:
    """Set the rate of every dropout in the model to 0."""
    for module in model.modules():
        if isinstance(module, (Dropout, RecurrentDropout)):
            module.options["rate"] = 0.0


def mean_of_epoch(trainer: Trainer, name: str) -> float:
    """The mean of what the steps of this epoch recorded under this name."""
    epoch = trainer.position.epoch + 1
    values = [r[name] for r in trainer.run.metrics() if r.get("epoch") == epoch and name in r]
    return float(np.mean(values))
