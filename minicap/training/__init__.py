"""Training runs: the loop, its run folder, and shards of a batch."""

from minicap.training.config import TrainingConfig
from minicap.training.run import RunFolder
from minicap.training.shards import HasLoss, sharded_loss
from minicap.training.trainer import Examples, Trainable, Trainer

__all__ = [
    "Examples",
    "HasLoss",
    "RunFolder",
    "Trainable",
    "Trainer",
    "TrainingConfig",
    "sharded_loss",
]
