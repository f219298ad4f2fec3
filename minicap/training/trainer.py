"""The training loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.arrays.random import RandomStream
from minicap.backend.host import core_count
from minicap.errors import FormatError, InputError, ShapeError, TrainingError
from minicap.formats import Checkpoint, load_checkpoint, save_checkpoint
from minicap.optim import clip_global_norm, linear_warmup, make_rule, make_schedule
from minicap.progress import Progress
from minicap.training.config import TrainingConfig
from minicap.training.run import RunFolder
from minicap.training.shards import Batch, HasLoss, sharded_loss, worthwhile_shards


class Trainable(HasLoss, Protocol):
    """A model the Trainer can train: named parameters, a loss, and what the loss is a mean over."""

    @property
    def params(self) -> dict[str, Array]: ...
    @property
    def state(self) -> dict[str, Array]: ...
    def load(self, arrays: dict[str, Array]) -> None: ...


class Examples(Protocol):
    """A training set: its size, and the batch of the examples with these indices.

    One whose examples are sequences may have `lengths` too, an array; then batches are made of examples of
    similar length, which saves the work on padding.
    """

    def __len__(self) -> int: ...
    def batch(self, indices: np.ndarray) -> Batch: ...


def nearly_sorted(order: np.ndarray, lengths: np.ndarray, batch_size: int, pool: int = 16) -> np.ndarray:
    """The order with every stretch of `pool` batches sorted by length."""
    stretch = pool * batch_size
    pools = (order[start : start + stretch] for start in range(0, len(order), stretch))
    return np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in pools])


@dataclass
class Position:
    """Where a run stands; all that a checkpoint must know besides arrays."""

    epoch: int = 0
    step: int = 0
    batch: int = 0  # batches of this epoch already done
    loss_sum: float = 0.0
    loss_count: int = 0
    best: float = float("inf")
    seconds: float = 0.0
    cores: int = field(default_factory=core_count)  # where the run began; bounds automatic shards


@dataclass
class Trainer:
    """Trains a model and keeps its run folder.

    All randomness is a function of the seed, the epoch and the step, so a resumed run goes on bit for bit.
    about: JSON values stored in every checkpoint, for whoever uses the model later.
    callbacks: called after every epoch with this trainer and the epoch's record.
    """

    model: Trainable
    examples: Examples
    config: TrainingConfig
    run: RunFolder
    validation: Examples | None = None
    about: dict[str, Any] = field(default_factory=dict)
    callbacks: Sequence[Callable[["Trainer", dict[str, Any]], None]] = ()

    def __post_init__(self) -> None:
        if len(self.examples) == 0:
            raise InputError("there is nothing to train on: the training set is empty")
        if self.validation is not None and len(self.validation) == 0:
            raise InputError("the validation set is empty; leave it out (None) to train without one")
        config = self.config
        self.position, self.resumed = Position(), False
        self.rule = make_rule(config.optimizer, config.learning_rate, weight_decay=config.weight_decay)
        self.steps_per_epoch = -(-len(self.examples) // config.batch_size)
        rest = max(1, config.epochs * self.steps_per_epoch - config.warmup_steps)
        self.schedule = make_schedule(config.schedule, rest)
        if config.warmup_steps:
            self.schedule = linear_warmup(config.warmup_steps, self.schedule)

    def fit(self) -> list[dict[str, Any]]:
        """Train to the last epoch; returns the records of all epochs.

        Raises InputError when the folder holds another run already, TrainingError when the loss, a gradient
        or a parameter is no longer finite, DeviceMemoryError when a GPU is full; the last good checkpoint is
        then still there.
        """
        if not self.resumed and self.run.holds_a_run:
            raise InputError(f"{self.run.path} holds a run already; resume it, or choose another folder")
        try:
            if self.resumed:
                self.run.forget_after(self.position.step)
                self.run.open_events(resume_step=self.position.step)
            else:
                self.run.open_events()
                self.save()
            # Where numbers overflow, the checks for finite values say so.
            with np.errstate(over="ignore", invalid="ignore"):
                while self.position.epoch < self.config.epochs:
                    self.train_epoch()
                    self.end_epoch()
        finally:
            self.resumed = False  # an interrupted step may be half done; resume() goes back to a whole one
            self.run.close()
        return [record for record in self.run.metrics() if "train_loss" in record]

    def train_epoch(self) -> None:
        """Every batch of the epoch that is not done yet."""
        here = self.position
        label = f"epoch {here.epoch + 1}/{self.config.epochs}"
        with Progress(self.steps_per_epoch, label, "batch") as progress:
            progress.reach(here.batch)
            for indices in self.batches_left():
                started = perf_counter()
                with explain_out_of_memory(len(indices)):
                    loss, count = self.train_step(self.examples.batch(indices))
                here.step, here.batch = here.step + 1, here.batch + 1
                here.loss_sum, here.loss_count = here.loss_sum + loss * count, here.loss_count + count
                here.seconds += perf_counter() - started
                progress.reach(here.batch, loss=f"{here.loss_sum / here.loss_count:.3f}")
                self.run.record({"step": here.step, "epoch": here.epoch + 1, "loss": loss})
                every = self.config.checkpoint_every
                if every and here.step % every == 0 and here.batch < self.steps_per_epoch:
                    self.save()

    def batches_left(self) -> list[np.ndarray]:
        """Example indices of the batches of this epoch that are not done, in the epoch's own order."""
        rng = np.random.default_rng([self.config.seed, self.position.epoch])
        order = rng.permutation(len(self.examples))
        lengths = getattr(self.examples, "lengths", None)
        if lengths is not None:
            order = nearly_sorted(order, lengths, self.config.batch_size)
        size = self.config.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        if lengths is not None:
            batches = [batches[i] for i in rng.permutation(len(batches))]
        return batches[self.position.batch :]

    def train_step(self, batch: Batch) -> tuple[float, int]:
        """One update.  Returns the loss and the count it is a mean over."""
        rng = RandomStream(self.config.seed).child(self.position.step)
        value, grads, count = self._loss(batch, rng)
        step = self.position.step + 1
        self._require_finite(value, f"the loss is {value} at step {step}")
        if self.config.clip_norm:
            grads, norm = clip_global_norm(grads, self.config.clip_norm)
            self._require_finite(norm, f"the norm of the gradients is {norm} at step {step}")
        self.rule.learning_rate = self.config.learning_rate * self.schedule(self.position.step)
        self.rule.step(self.model.params, grads)
        return value, count

    def end_epoch(self) -> None:
        """Validate, record, and save; the checkpoint of the best validation loss is kept apart."""
        here = self.position
        record: dict[str, Any] = {
            "step": here.step,
            "epoch": here.epoch + 1,
            "train_loss": here.loss_sum / here.loss_count,
            "learning_rate": self.rule.learning_rate,
            "seconds": round(here.seconds, 3),
        }
        if self.validation is not None:
            record["validation_loss"] = loss = self.evaluate(self.validation)
            self._require_finite(loss, f"the validation loss is {loss} after step {here.step}")
        for callback in self.callbacks:
            callback(self, record)
        self.run.record(record)
        judged = record.get("validation_loss", record["train_loss"])
        is_best = judged < here.best
        here.best = min(here.best, judged)
        here.epoch, here.batch, here.loss_sum, here.loss_count = here.epoch + 1, 0, 0.0, 0
        if is_best:
            self.save("best")
        self.save()

    def evaluate(self, examples: Examples) -> float:
        """Mean loss over a set, in evaluation mode."""
        total, count = 0.0, 0
        for start in range(0, len(examples), self.config.batch_size):
            indices = np.arange(start, min(start + self.config.batch_size, len(examples)))
            stream = RandomStream(self.config.seed)
            with explain_out_of_memory(len(indices)):
                loss, _, size = self._loss(examples.batch(indices), stream, train=False)
            total, count = total + loss * size, count + size
        return total / count

    def _loss(
        self, batch: Batch, rng: RandomStream, train: bool = True
    ) -> tuple[float, dict[str, Array], int]:
        """Loss and gradients of a batch, on threads where that pays, and what the loss is a mean over."""
        count = self.model.count(batch)
        batch = {name: to_device(array) for name, array in batch.items()}
        shards = self.config.shards or worthwhile_shards(self.model.params, batch, count, self.position.cores)
        loss, grads = sharded_loss(self.model, batch, rng, shards, train, count)
        return float(to_host(loss)), grads, count

    def _require_finite(self, value: float, what: str) -> None:
        if not isfinite(value):
            raise TrainingError(
                f"{what}; stopped. The last good checkpoint is {self.run.last}. Try a smaller learning rate"
            )

    def save(self, name: str = "last") -> None:
        """Write a checkpoint of this moment.  Raises TrainingError when its numbers are not all finite."""
        progress = {**vars(self.position), "rule_steps": self.rule.step_count}
        if not isfinite(self.position.best):
            progress["best"] = None
        checkpoint = Checkpoint(
            self.model.params | self.model.state, self.rule.arrays(), progress, self.about
        )
        for array_name, array in (checkpoint.model | checkpoint.optimizer).items():
            largest = float(to_host(backend_of(array=array).xp.abs(array).max()))
            self._require_finite(largest, f"{array_name} holds {largest} after step {self.position.step}")
        save_checkpoint(self.run.checkpoint_path(name), checkpoint)

    def resume(self) -> None:
        """Take up the run where its last checkpoint left it.

        Raises InputError when there is none, FormatError when it does not fit this model or its optimizer;
        then nothing has changed.
        """
        if not self.run.last.exists():
            raise InputError(f"{self.run.path} has no checkpoint to resume from")
        checkpoint = load_checkpoint(self.run.last)
        progress = dict(checkpoint.progress)
        try:
            rule_steps = progress.pop("rule_steps")
            progress["best"] = float("inf") if progress["best"] is None else progress["best"]
            position = Position(**progress)
        except (KeyError, TypeError):
            raise FormatError(f"{self.run.last} does not say where its run stands") from None
        try:
            self.rule.load(checkpoint.optimizer, rule_steps)
            self.model.load(checkpoint.model)
        except (InputError, ShapeError) as error:
            raise FormatError(f"{self.run.last} does not fit this run: {error}") from None
        self.position, self.resumed = position, True
