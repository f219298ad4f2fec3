"""Training runs: the loop, its run folder, and shards of a batch."""

from minicap.training.chosen import chosen_checkpoint, kind_of, origin, run_folder_of
from minicap.training.config import TrainingConfig
from minicap.training.fingerprint import digest, settings_fingerprint
from minicap.training.interfaces import Examples, StepResult, Trainable
from minicap.training.run import RunFolder
from minicap.training.run_config import RunConfig
from minicap.training.shards import HasLoss, sharded_loss
from minicap.training.trained import Trained
from minicap.training.trainer import MAY_CHANGE, Step, Trainer, loss_step

__all__ = [
    "MAY_CHANGE",
    "Examples",
    "HasLoss",
    "RunConfig",
    "RunFolder",
    "Step",
    "StepResult",
    "Trainable",
    "Trained",
    "Trainer",
    "TrainingConfig",
    "chosen_checkpoint",
    "digest",
    "kind_of",
    "loss_step",
    "origin",
    "run_folder_of",
    "settings_fingerprint",
    "sharded_loss",
]
