"""Small runs of every kind, to be killed and resumed.

As a script, `runs.py KIND RUN [WRITE]`, it starts the run or goes on with it; it dies in its WRITE-th
checkpoint.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from training.toy import Points, make_trainer

from minicap.arrays import Array
from minicap.arrays.random import RandomStream, random_uint16
from minicap.captioning import AttendAndTellConfig, CaptionExamples, Vocabulary, make_model
from minicap.data.labelled import ArrayDataset
from minicap.data.transforms import compose, flip, shift
from minicap.formats import atomic
from minicap.layers import sigmoid_bce_loss, softmax_loss
from minicap.nn import Affine, BatchNorm2d, Conv2d, Dropout, ReLU, Sequential, Supervised
from minicap.training import RunFolder, StepResult, Trainer, TrainingConfig

CONFIG = TrainingConfig(epochs=6, batch_size=20, checkpoint_every=1, shards=2)


def classifier(run: str | Path) -> Trainer:
    """Points in three classes, with a schedule, plateaus, batches that grow, and averages of the weights."""
    schedule = replace(CONFIG, schedule="cosine", warmup_steps=9, plateau=1, batch_growth=((2, 30), (4, 50)))
    return make_trainer(run, replace(schedule, lookahead=4, average=0.9))


def augmented_classifier(run: str | Path, loaders: int = 2) -> Trainer:
    """Images moved about and mirrored at random, on threads; batch norm with its running statistics."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(240, 2, 8, 8), dtype=np.uint8)
    labels = (images[:, 0].mean(axis=(1, 2)) > images[:, 1].mean(axis=(1, 2))).astype(int)
    augment = compose(flip(), shift(2))
    examples = ArrayDataset(images[:200], labels[:200], augment=augment, alternate=True).standardized()
    held_out = ArrayDataset(images[200:], labels[200:], mean=examples.mean, std=examples.std)
    net = Sequential(Conv2d(2, 4, 3, pad=1), BatchNorm2d(4), ReLU(), Dropout(0.1), Affine(256, 2))
    config = replace(CONFIG, monitor="accuracy", optimizer="nesterov", learning_rate=0.01, average=0.8)
    config = replace(config, loaders=loaders)
    model = Supervised(net, metrics={"accuracy": accuracy}).initialize(1)
    return Trainer(model, examples, config, RunFolder(run), held_out)


def accuracy(scores: Array, y: Array) -> float:
    return float((scores.argmax(axis=1) == y).mean())


def multi_label(run: str | Path) -> Trainer:
    """Three yes-or-no questions about every point; the best epoch is that of the best F1."""
    points = Points(240)
    answers = (points.x @ np.random.default_rng(9).normal(size=(10, 3)) > 0.5).astype(np.float32)
    net = Sequential(Affine(10, 16), ReLU(), Dropout(0.2), Affine(16, 3))
    model = Supervised(net, sigmoid_bce_loss, metrics={"f1": micro_f1}).initialize(1)
    config = replace(CONFIG, monitor="f1", patience=3, learning_rate=0.01)
    train, held_out = (ArrayDataset(points.x[part], answers[part]) for part in (slice(200), slice(200, 240)))
    return Trainer(model, train, config, RunFolder(run), held_out)


def micro_f1(scores: Array, y: Array) -> float:
    said, true = scores > 0, y > 0
    return float(2 * (said & true).sum() / max(said.sum() + true.sum(), 1))


class Policy(Supervised):
    """Chooses one of three actions for a point; targets are (N, 2), the action taken and its advantage."""

    def __init__(self) -> None:
        super().__init__(Sequential(Affine(10, 16), ReLU(), Affine(16, 3)), advantage_loss)

    def count(self, batch: dict[str, Array]) -> int:
        return len(batch["y"])


def advantage_loss(scores: Array, y: Array, reduction: str) -> tuple[Array, Array]:
    """REINFORCE (Williams 1992):  -advantage log p(action), summed."""
    losses, dscores = softmax_loss(scores, y[:, 0].astype(int), reduction="none")
    return (y[:, 1] * losses).sum(), y[:, 1:] * dscores


def reinforce(trainer: Trainer, batch: dict[str, Array], rng: RandomStream) -> StepResult:
    """Draw actions, and reward them above what the greedy action earns (Rennie et al. 2017)."""
    scores = trainer.model.scores(batch)
    uniform = (random_uint16(rng, scores.shape) + 0.5) / 65536
    drawn, greedy = (scores - np.log(-np.log(uniform))).argmax(axis=1), scores.argmax(axis=1)
    reward, baseline = ((actions == batch["y"]).astype(np.float32) for actions in (drawn, greedy))
    targets = np.stack([drawn, reward - baseline], axis=1).astype(np.float32)
    found = trainer.loss({"x": batch["x"], "y": targets}, rng)
    return replace(found, scalars={"reward": reward.mean()})


def reinforced(run: str | Path) -> Trainer:
    """A policy that is told no class, only whether it was right."""

    def reward(trainer: Trainer) -> dict[str, float]:
        points = Points(100, seed=1)
        return {"reward": accuracy(trainer.model(points.x), points.y)}

    config = replace(CONFIG, monitor="reward", learning_rate=0.03)
    model = Policy().initialize(1)
    return Trainer(model, Points(200), config, RunFolder(run), measure=reward, step=reinforce)


def attention_captioner(run: str | Path) -> Trainer:
    """A decoder that looks at one of four places of a photo for every word: the place says which word."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 4, size=(120, 4))
    grids = (np.eye(8)[colours] + np.eye(8)[4 + np.arange(4)]).astype(np.float32)  # what is where
    captions = [[[f"colour{c}" for c in places[: 1 + n % 4]]] for n, places in enumerate(colours)]
    words = Vocabulary.build(caption for [caption] in captions)
    settings = AttendAndTellConfig(embed_size=6, hidden_size=16, attention_size=8, dropout=0.1)
    model = make_model(settings, {"grid": (4, 8)}, len(words), words.log_frequency())
    model.initialize(1)
    train, held_out = (
        CaptionExamples(grids[part], captions[part], words) for part in (slice(100), slice(100, 120))
    )
    config = replace(CONFIG, learning_rate=0.01)
    return Trainer(model, train, config, RunFolder(run), held_out)


KINDS: dict[str, Callable[[str | Path], Trainer]] = {
    "classifier": classifier,
    "augmented_classifier": augmented_classifier,
    "multi_label": multi_label,
    "attention_captioner": attention_captioner,
    "reinforced": reinforced,
}


def main(kind: str, run: str, die_in_write: int) -> None:
    rename, writes = os.replace, 0

    def rename_or_die(*paths: Any) -> None:
        nonlocal writes
        writes += 1
        if writes == die_in_write:
            os.kill(os.getpid(), 9)
        rename(*paths)

    atomic.os.replace = rename_or_die
    trainer = KINDS[kind](run)
    if trainer.run.holds_a_run:
        trainer.resume()
    trainer.fit()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
