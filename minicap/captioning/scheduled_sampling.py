"""Scheduled sampling (Bengio et al. 2015): in training, the model reads some of its own words."""

from dataclasses import dataclass, replace
from typing import cast

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream, random_uint16
from minicap.backend.host import one_blas_thread
from minicap.captioning.model import Batch, CaptioningModel
from minicap.training import StepResult, Trainer

_WORDS, _COINS = 1, 2  # streams of random numbers


@dataclass(frozen=True)
class ScheduledSampling:
    """A step of training that reads more and more of the model's own words.

    Trained on human captions alone, a model never learns to continue after a mistake of its own.
    share: of its own words in the last epoch; it rises from 0 in the first, in equal steps.
    """

    share: float

    def __call__(self, trainer: Trainer, batch: Batch, rng: RandomStream) -> StepResult:
        share = self.share * trainer.position.epoch / max(trainer.config.epochs - 1, 1)
        if share:
            with one_blas_thread():  # the products of a step are small
                batch = batch | {
                    "words": mixed_words(cast(CaptioningModel, trainer.model), batch, share, rng)
                }
        return replace(trainer.loss(batch, rng), scalars={"own_words": share})


def mixed_words(model: CaptioningModel, batch: Batch, share: float, rng: RandomStream) -> Array:
    """The words (N, T) of a batch, a share of them replaced by those that the model says in their place.

    The model reads the mixed words so far and draws the next one from its probabilities.  <start> stays.
    """
    xp = backend_of(words=batch["words"]).xp
    state, words = model.start(batch["features"]), [batch["words"][:, 0]]
    draws, own = (_uniform(rng.child(stream), batch["words"]) for stream in (_WORDS, _COINS))
    for t in range(1, batch["words"].shape[1]):
        log_probs, state, _ = model.step(state, words[-1])
        sums = xp.cumsum(xp.exp(log_probs), axis=1)
        said = (sums > draws[:, t, None] * sums[:, -1:]).argmax(axis=1)
        words.append(xp.where(own[:, t] < share, said, batch["words"][:, t]))
    return xp.stack(words, axis=1)


def _uniform(rng: RandomStream, like: Array) -> Array:
    """Numbers in (0, 1), one for each word."""
    return (random_uint16(rng, like.shape, backend_of(like=like)) + 0.5) / 2**16
