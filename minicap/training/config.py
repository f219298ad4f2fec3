"""How to train: the settings of the Trainer."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from minicap.errors import InputError
from minicap.formats import require_types
from minicap.optim import (
    Group,
    Lookahead,
    Rule,
    Schedule,
    linear_warmup,
    make_rule,
    make_schedule,
    rising_lookahead,
)
from minicap.training.monitor import Direction

MOST_SHARDS = 1024  # each is a thread


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    epochs: passes over the training set.  steps: at most this many, 0 for all steps of these epochs.
    batch_size: samples per step.
    batch_growth: other batch sizes from some epochs on, such as [[10, 128], [20, 256]].
    optimizer: sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam or adamw.
    optimizer_options: the optimizer's own settings, such as beta1 = 0.8.
    learning_rate: size of the optimizer's steps.
    weight_decay: L2 penalty on every parameter; for adamw, its decay.  l1: L1 penalty on every parameter.
    groups: different settings for some parameters, selected by a pattern of their names.
    schedule: of the learning rate, constant, step, exponential, linear, cosine, triangular or one-cycle.
    schedule_options: the schedule's own settings, such as floor = 0.1.
    warmup_steps: steps over which the learning rate first rises linearly.
    plateau: epochs without a better value after which the learning rate falls, 0 for never.
    plateau_factor: factor by which it falls.
    lookahead: steps after which the weights return to their lookahead average, 0 for never.
    lookahead_alpha: share of the way that this average moves towards them.
    lookahead_power: if above 0, this share starts at 1 and falls to lookahead_alpha as this power of the
    steps.
    average: decay of a moving average of the weights, such as 0.999, which is evaluated in their place and
    saved as the best; 0 for none.
    clip_norm: limit on the global norm of the gradients, 0 for none.
    monitor: the recorded value that decides which epoch is the best.
    monitor_direction: whether low (min) or high (max) is good; auto expects losses and errors to fall.
    patience: epochs without a better value after which training stops, 0 for never.
    checkpoint_every: steps between checkpoints, in addition to one after every epoch; 0 for none.
    shards: parallel parts of a batch, 0 for one per core where that pays.
    loaders: threads that make batches ahead of their step, 0 for none.
    seed: seed of everything random.
    """

    epochs: int = 20
    steps: int = 0
    batch_size: int = 64
    batch_growth: tuple[tuple[int, int], ...] = ()
    optimizer: str = "adam"
    optimizer_options: dict[str, Any] = field(default_factory=dict)
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    l1: float = 0.0
    groups: tuple[Group, ...] = ()
    schedule: str = "constant"
    schedule_options: dict[str, Any] = field(default_factory=dict)
    warmup_steps: int = 0
    plateau: int = 0
    plateau_factor: float = 0.1
    lookahead: int = 0
    lookahead_alpha: float = 0.5
    lookahead_power: float = 0.0
    average: float = 0.0
    clip_norm: float = 5.0
    monitor: str = "validation_loss"
    monitor_direction: Direction = "auto"
    patience: int = 0
    checkpoint_every: int = 0
    shards: int = 0
    loaders: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        require_types(self)
        for name in ("epochs", "batch_size"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)} but must be at least 1")
        not_negative = ["steps", "weight_decay", "l1", "warmup_steps", "plateau", "lookahead", "clip_norm"]
        not_negative += ["lookahead_power", "patience", "checkpoint_every", "shards", "loaders", "seed"]
        for name in not_negative:
            _require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)} but must not be negative")
        for name in ("shards", "loaders"):
            many = f"{name} is {getattr(self, name)} but must be at most {MOST_SHARDS}"
            _require(getattr(self, name) <= MOST_SHARDS, many)
        _require(self.learning_rate > 0, f"learning_rate is {self.learning_rate} but must be positive")
        self._require_sensible_averages()
        self._require_growth()
        for name in ("weight_decay", "l1"):
            own = name not in self.optimizer_options
            _require(own, f"{name} is a setting of its own, not one of optimizer_options")
        self.make_rule()  # unknown names and options are reported before any work is done
        self.make_schedule(1)

    def _require_sensible_averages(self) -> None:
        for name in ("plateau_factor", "lookahead_alpha"):
            value = getattr(self, name)
            _require(0 < value <= 1, f"{name} is {value} but must be above 0 and at most 1")
        _require(0 <= self.average < 1, f"average is {self.average} but must be at least 0 and below 1")
        comes = not self.plateau or not self.patience or self.plateau < self.patience
        _require(comes, f"plateau is {self.plateau}, but patience {self.patience} stops training before that")

    def _require_growth(self) -> None:
        epochs = [0, *(epoch for epoch, _ in self.batch_growth)]
        grows = all(before < after for before, after in pairwise(epochs))
        _require(grows, f"batch_growth names epochs {epochs[1:]}, but each must be above the one before")
        sizes = [size for _, size in self.batch_growth]
        _require(all(size >= 1 for size in sizes), f"batch_growth has sizes {sizes}: each must be at least 1")

    def batch_size_after(self, epochs: int) -> int:
        """Samples per step in the epoch after this many."""
        sizes = [size for start, size in self.batch_growth if start <= epochs]
        return sizes[-1] if sizes else self.batch_size

    def steps_after(self, epochs: int, examples: int) -> int:
        """Steps of the epoch after this many, over a set of this many examples."""
        return -(-examples // self.batch_size_after(epochs))

    def steps_of(self, examples: int) -> int:
        """Steps of the whole run over a set of this many examples."""
        steps = sum(self.steps_after(epoch, examples) for epoch in range(self.epochs))
        return min(steps, self.steps or steps)

    def make_rule(self, steps: int = 1) -> Rule | Lookahead:
        """The update rule of a run of this many steps, before groups."""
        options = {"weight_decay": self.weight_decay, "l1": self.l1, **self.optimizer_options}
        rule = make_rule(self.optimizer, self.learning_rate, **options)
        if not self.lookahead:
            return rule
        rises = rising_lookahead(self.lookahead_alpha, self.lookahead_power, steps)
        return Lookahead(rule, self.lookahead, rises if self.lookahead_power else self.lookahead_alpha)

    def make_schedule(self, steps: int) -> Schedule:
        """The schedule of a run of this many steps, including the warmup."""
        rest = max(1, steps - self.warmup_steps)
        schedule = make_schedule(self.schedule, rest, **self.schedule_options)
        return linear_warmup(self.warmup_steps, schedule) if self.warmup_steps else schedule


def _require(condition: bool, message: str) -> None:
    """Raise InputError with the message unless the condition holds."""
    if not condition:
        raise InputError(message)
