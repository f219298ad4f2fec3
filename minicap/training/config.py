"""How to train: the settings of the Trainer."""

from dataclasses import dataclass

from minicap.errors import InputError
from minicap.optim import make_rule, make_schedule


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    epochs: passes over the training set.  batch_size: samples a step.
    optimizer: sgd, momentum, nesterov, rmsprop or adam.
    learning_rate: size of the optimizer's steps.  weight_decay: L2 penalty on every parameter.
    schedule: of the learning rate, constant, cosine or step.
    warmup_steps: linear rise of the learning rate before that.
    clip_norm: bound on the global norm of the gradients, 0 for none.
    checkpoint_every: steps between checkpoints, besides the one after every epoch; 0 for none.
    shards: parallel parts of a batch, 0 for one a core where that pays.  seed: of everything random.
    """

    epochs: int = 20
    batch_size: int = 64
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup_steps: int = 0
    clip_norm: float = 5.0
    checkpoint_every: int = 0
    shards: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)} but must be at least 1")
        for name in ("warmup_steps", "clip_norm", "checkpoint_every", "shards", "weight_decay", "seed"):
            _require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)} but must not be negative")
        _require(self.learning_rate > 0, f"learning_rate is {self.learning_rate} but must be positive")
        make_rule(self.optimizer, self.learning_rate)  # an unknown name is said before any work is done
        make_schedule(self.schedule, 1)


def _require(condition: bool, message: str) -> None:
    """Raise InputError with the message unless the condition holds."""
    if not condition:
        raise InputError(message)
