"""The training loop."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from math import inf
from time import perf_counter
from typing import Any, cast

import numpy as np

from minicap.arrays import Array, current_backend, is_late, to_host
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.arrays.random import RandomStream
from minicap.errors import FormatError, InputError, ShapeError, TrainingError
from minicap.formats import Checkpoint, load_checkpoint, save_checkpoint
from minicap.optim import (
    Lookahead,
    Rule,
    Schedule,
    WeightAverage,
    clip_global_norm,
    grouped,
    settings_by_name,
)
from minicap.progress import Progress
from minicap.training.ahead import made_ahead
from minicap.training.config import TrainingConfig
from minicap.training.fingerprint import changes, settings_fingerprint
from minicap.training.health import Health
from minicap.training.interfaces import Examples, StepResult, Trainable, require_examples, require_trainable
from minicap.training.late import LateLoss
from minicap.training.metrics import HasMetrics, as_numbers, set_metrics
from minicap.training.monitor import Monitor
from minicap.training.order import epoch_batches
from minicap.training.position import Position
from minicap.training.run import RunFolder, is_step
from minicap.training.shards import Batch, sharded_loss

Record = dict[str, Any]

# Settings that a resumed run may change: how long it continues, and how the same work is done.
_HOW_LONG = ("epochs", "steps", "patience", "learning_rate", "monitor", "monitor_direction")
MAY_CHANGE = frozenset((*_HOW_LONG, "checkpoint_every", "shards", "loaders"))
_AUGMENTATION = 2**32  # its random stream, far from those of the steps, which count from 0


Step = Callable[["Trainer", Batch, RandomStream], StepResult]


def loss_step(trainer: "Trainer", batch: Batch, rng: RandomStream) -> StepResult:
    """The step of supervised learning: the loss of the batch as it is."""
    return trainer.loss(batch, rng)


class Trainer:
    """Trains a model and keeps its run folder.

    All randomness is a function of the seed, the epoch and the step, so a resumed run matches an
    uninterrupted one bit for bit.

    about: JSON values stored in every checkpoint, for later users of the model.
    callbacks: called with this trainer and the epoch's record, after that is recorded and saved.
    measure: called after every epoch, for values to record besides the loss.
    step: computes loss and gradients of a batch; the rest of a training step stays the same.
    rule, schedule: used instead of those the config names.
    fingerprint: what must be the same when the run is resumed (data, vocabulary, settings of the model).
    """

    def __init__(
        self,
        model: Trainable,
        examples: Examples,
        config: TrainingConfig,
        run: RunFolder,
        validation: Examples | None = None,
        about: Mapping[str, Any] | None = None,
        callbacks: Sequence[Callable[["Trainer", Record], None]] = (),
        *,
        measure: Callable[["Trainer"], Mapping[str, float]] | None = None,
        step: Step = loss_step,
        rule: Rule | Lookahead | None = None,
        schedule: Schedule | None = None,
        fingerprint: Mapping[str, str] | None = None,
    ) -> None:
        require_trainable(model)
        require_examples(examples, "training")
        if validation is not None:
            require_examples(validation, "validation")
        if not isinstance(run, RunFolder):
            raise InputError(f"Trainer: run is a {type(run).__name__}; write RunFolder(path)")
        if callable(callbacks) or not all(map(callable, callbacks)):
            raise InputError("Trainer: callbacks must be a list of functions of trainer and record")
        if len(examples) == 0:
            raise InputError("there is nothing to train on: the training set is empty")
        if validation is not None and len(validation) == 0:
            raise InputError("the validation set is empty; leave it out (None) to train without one")
        self.model, self.examples, self.validation = model, examples, validation
        self.whole = {name for some in (examples, validation) for name in getattr(some, "whole", ())}
        self.config, self.run, self.about = config, run, dict(about or {})
        self.callbacks, self.measure, self.step = callbacks, measure, step
        self.steps = config.steps_of(len(examples))
        self.schedule = schedule or config.make_schedule(self.steps)
        self.rule = grouped(rule or config.make_rule(self.steps), config.groups, model.params)
        self.learning_rate = self.rule.learning_rate
        self.average = WeightAverage(config.average)
        settings = settings_by_name(config.groups, model.params)
        self.frozen = {name for name, setting in settings.items() if setting.frozen}
        self.monitor = Monitor(config.monitor, config.monitor_direction)
        if validation is None and (measure is None or config.monitor == "validation_loss"):
            self.monitor = Monitor("train_loss")  # nothing else is there to judge by
        settled = settings_fingerprint("training", config, MAY_CHANGE)
        given = {"the rule": type(rule).__name__} if rule else {}
        self.fingerprint = settled | given | dict(fingerprint or {})
        self.health, self.uploads = Health(run.last), current_backend().uploads()
        self.position, self.resumed = Position(monitor=self.monitor.name), False

    @property
    def finished(self) -> bool:
        """Whether all epochs or steps are done, or patience has run out."""
        here, patience = self.position, self.config.patience
        done = here.epoch >= self.config.epochs or here.step >= self.steps
        return done or 0 < patience <= here.waited

    def fit(self) -> list[Record]:
        """Train to the last epoch, or until patience runs out; returns the records of all epochs.

        Raises InputError when the folder holds another run already or is in use, TrainingError when the loss,
        a gradient or a parameter is no longer finite or the loss diverges, DeviceMemoryError when a GPU is
        full; the last good checkpoint then still exists.
        """
        with self.run.locked():
            if not self.resumed and self.run.holds_a_run:
                raise InputError(f"{self.run.path} already holds a run; resume it, or choose another folder")
            try:
                if self.resumed:
                    self.run.forget_after(self.position.step, self.position.epoch)
                    self.run.open_events(resume_step=self.position.step)
                else:
                    self.run.open_events()
                    self.save()
                # The checks for finite values report numbers that overflow.
                with np.errstate(over="ignore", invalid="ignore"):
                    while not self.finished:
                        self.train_epoch()
                        self.end_epoch()
            finally:
                # An interrupted step may be half done; resume() returns to a whole one.
                self.resumed = False
                self.run.close()
            return [record for record in self.run.metrics() if not is_step(record)]

    def train_epoch(self) -> None:
        """Train on every batch of the epoch that is not done yet."""
        here = self.position
        stream = RandomStream(self.config.seed).child(_AUGMENTATION)
        label = f"epoch {here.epoch + 1}/{self.config.epochs}"
        steps = here.batch + len(self.batches_left())
        # Where callbacks report the epoch, their line replaces the bar.
        with Progress(steps, label, "batch", leave=not self.callbacks) as progress:
            progress.reach(here.batch)

            def look(step: int, found: StepResult) -> None:
                self._require_sane(found.loss, "loss", f"at step {step}")  # if it is at fault, that says more
                self.health.require_finite(found.norm, "norm of the gradients", f"at step {step}")
                here.loss_sum += found.loss * found.count
                here.loss_count += found.count
                progress.reach(here.batch, loss=f"{here.loss_sum / here.loss_count:.3f}")
                self.run.record({"step": step, "epoch": here.epoch + 1, "loss": found.loss, **found.scalars})

            examples = self._of_this_epoch(stream)

            def make(job: tuple[int, np.ndarray]) -> Batch:
                step, indices = job
                return examples.batch(indices, stream.child(step))

            late = LateLoss(look)
            jobs = list(enumerate(self.batches_left(), here.step))
            with made_ahead(make, jobs, self.config.loaders) as batches:
                for _, indices in jobs:
                    started = perf_counter()
                    with explain_out_of_memory(len(indices)):
                        batch = next(batches)
                        self.uploads.begin(batch)
                        late.settle()
                        found = self.train_step(batch)
                    here.step, here.batch = here.step + 1, here.batch + 1
                    here.seconds += perf_counter() - started
                    late.keep(here.step, found)
                    every = self.config.checkpoint_every
                    if every and here.step % every == 0 and here.batch < steps:
                        late.settle()
                        self.save()
                late.settle()

    def batches_left(self) -> list[np.ndarray]:
        """Example indices of this epoch's batches that are not done."""
        size, here, lengths = len(self.examples), self.position, getattr(self.examples, "lengths", None)
        in_order = bool(getattr(self.examples, "in_order", False))
        batch_size = self.config.batch_size_after(here.epoch)
        batches = epoch_batches(size, batch_size, self.config.seed, here.epoch, lengths, in_order)
        return batches[here.batch :][: self.steps - here.step]

    def _of_this_epoch(self, rng: RandomStream) -> Examples:
        """The training set, or its version for this epoch if it has one."""
        of_epoch = getattr(self.examples, "of_epoch", None)
        return cast(Examples, of_epoch(self.position.epoch, rng)) if of_epoch else self.examples

    def train_step(self, batch: Batch) -> StepResult:
        """One update.  On a GPU loss and norm are still arrays that nothing has waited for."""
        here, where = self.position, f"at step {self.position.step + 1}"
        result = self.step(self, batch, RandomStream(self.config.seed).child(here.step))
        if not is_late(result.loss):
            self._require_sane(result.loss, "loss", where)
        grads = {name: grad for name, grad in result.grads.items() if name not in self.frozen}
        if self.config.clip_norm:
            grads, norm = clip_global_norm(grads, self.config.clip_norm)
            if not is_late(norm):
                self.health.require_finite(norm, "norm of the gradients", where)
            result = replace(result, norm=norm)
        self.rule.learning_rate = self.learning_rate * here.rate_factor * self.schedule(here.step)
        self.rule.step(self._weights(), grads)
        if self.config.average:
            self.average.update(self._weights(), self.rule.step_count)
        return result

    def loss(self, batch: Batch, rng: RandomStream, train: bool = True) -> StepResult:
        """Loss and gradients of a batch, on threads if that pays; without gradients in evaluation."""
        count = self.model.count(batch)
        batch = {name: self.uploads(array) for name, array in batch.items()}
        cut_up = {name: array for name, array in batch.items() if name not in self.whole}
        shards = self.config.shards or self.model.shards(cut_up, count, self.position.cores)
        loss, grads = sharded_loss(self.model, batch, rng, shards, train, count, self.whole)
        return StepResult(loss if is_late(loss) else float(loss), grads, count)

    def end_epoch(self) -> None:
        """Validate, measure, record and save; the best epoch's checkpoint is kept separately."""
        here = self.position
        record: Record = {
            "step": here.step,
            "epoch": here.epoch + 1,
            "train_loss": here.loss_sum / here.loss_count,
            "learning_rate": self.rule.learning_rate,
            "seconds": round(here.seconds, 3),
        }
        try:
            with self.averaged():
                if self.validation is not None:
                    record["validation_loss"] = loss = self.evaluate(self.validation)
                    self._require_sane(loss, "validation loss", f"after step {here.step}")
                record |= self._measured(record)
            value = self.monitor.value(record)
        except TrainingError:
            raise
        except BaseException:  # if measuring fails, the epoch's training is not lost
            with suppress(TrainingError):
                self.save()
            raise
        self.run.record(record)
        loss = record["train_loss" if self.validation is None else "validation_loss"]
        rank = self.monitor.rank(value, loss)
        best = (inf, inf) if here.best is None else self.monitor.rank(here.best, here.loss_of_best)
        here.waited = 0 if rank[0] < best[0] else here.waited + 1
        if rank < best:
            here.best, here.loss_of_best = value, loss
        if self.config.plateau and here.waited and here.waited % self.config.plateau == 0:
            here.rate_factor *= self.config.plateau_factor
        here.epoch, here.batch, here.loss_sum, here.loss_count = here.epoch + 1, 0, 0.0, 0
        if rank < best:
            with self.averaged():
                self.save("best")
        self.save()
        for callback in self.callbacks:
            callback(self, record)

    def averaged(self) -> AbstractContextManager[None]:
        """Inside the `with` block the model has the average of its weights, if the config asks for one."""
        return self.average.standing_in(self._weights())

    def _weights(self) -> dict[str, Array]:
        """What is averaged: the parameters that learn, and the running statistics that belong to them."""
        params = {name: w for name, w in self.model.params.items() if name not in self.frozen}
        return params | self.model.state

    def evaluate(self, examples: Examples) -> float:
        """Mean loss over a set, in evaluation mode."""
        total, count = 0.0, 0
        for batch in self.evaluation_batches(examples):
            with explain_out_of_memory(self.config.batch_size):
                result = self.loss(batch, RandomStream(self.config.seed), train=False)
            total, count = total + float(to_host(result.loss)) * result.count, count + result.count
        return total / count

    def evaluation_batches(self, examples: Examples) -> Iterator[Batch]:
        """A set in its own order, batch by batch, without augmentation."""
        order, size = np.arange(len(examples)), self.config.batch_size
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        with made_ahead(lambda part: examples.batch(part, None), parts, self.config.loaders) as batches:
            yield from batches

    def _measured(self, record: Record) -> Record:
        """The metrics of an epoch: those of the model over the validation set, and those of `measure`."""
        found: dict[str, Any] = {}
        if self.validation is not None and getattr(self.model, "metrics", None):
            with explain_out_of_memory(self.config.batch_size):
                found |= set_metrics(cast(HasMetrics, self.model), self.evaluation_batches(self.validation))
        if self.measure:
            found |= self.measure(self)
        return as_numbers(found, taken=record)

    def _require_sane(self, loss: float, what: str, where: str) -> None:
        """Raise TrainingError for a loss that is not finite, or far above that of the untrained model."""
        self.health.require_finite(loss, what, where)
        if self.step is loss_step:  # the size of another step's loss may mean nothing
            here = self.position
            here.first_loss = loss if here.first_loss is None else here.first_loss
            self.health.require_no_divergence(loss, here.first_loss, what, where)

    def save(self, name: str = "last") -> None:
        """Write a checkpoint of the present state.

        Raises TrainingError when one of its numbers, or the square of a parameter, is not finite.
        """
        here, params = self.position, self.model.params
        here.rule_steps = self.rule.step_count
        model, optimizer = params | self.model.state, self.rule.arrays() | self.average.arrays()
        self.health.require_sound(model | optimizer, params, f"after step {here.step}")
        progress = {**vars(here), "fingerprint": self.fingerprint}
        save_checkpoint(self.run.checkpoint_path(name), Checkpoint(model, optimizer, progress, self.about))

    def resume(self) -> None:
        """Continue the run from its last checkpoint.

        Raises InputError when there is none, or when its data or settings have changed (naming what),
        FormatError when it does not fit this model or its optimizer; then nothing has changed.
        """
        if not self.run.last.exists():
            raise InputError(f"{self.run.path} has no checkpoint to resume from")
        checkpoint = load_checkpoint(self.run.last)
        progress = dict(checkpoint.progress)
        fingerprint = progress.pop("fingerprint", None)
        position = Position.from_json(progress, str(self.run.last))
        changed = changes(fingerprint, self.fingerprint)
        if changed:
            raise InputError(
                f"{self.run.path} cannot be resumed: {'; '.join(changed)}. "
                "Undo that, or train in another folder"
            )
        if position.monitor != self.monitor.name:  # the best so far was judged by another measure
            position.monitor, position.best, position.waited = self.monitor.name, None, 0
        before = self.rule.arrays(), self.rule.step_count
        try:
            average = WeightAverage(self.config.average)
            of_rule = average.load(checkpoint.optimizer, self._weights())
            self.rule.load(of_rule, position.rule_steps)
            self.model.load(checkpoint.model)
        except (InputError, ShapeError) as error:
            self.rule.load(*before)
            raise FormatError(f"{self.run.last} does not fit this run: {error}") from None
        self.average, self.position, self.resumed = average, position, True
