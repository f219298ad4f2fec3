"""How far a run has got."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from minicap.backend.host import core_count
from minicap.errors import FormatError, InputError
from minicap.formats import from_mapping


@dataclass
class Position:
    """How far a run has got: everything a checkpoint stores besides arrays."""

    epoch: int = 0  # epochs done
    step: int = 0
    batch: int = 0  # batches of this epoch already done
    rule_steps: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    first_loss: float | None = None
    monitor: str = ""  # the name of the value `best`
    best: float | None = None
    loss_of_best: float = 0.0  # on the validation set, or the training loss where there is none
    waited: int = 0  # epochs since the best one
    rate_factor: float = 1.0  # of the learning rate, after plateaus
    seconds: float = 0.0
    cores: int = field(default_factory=core_count)  # where the run began; bounds automatic shards

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> "Position":
        """From the JSON values of `vars(position)`.  Raises FormatError when they are anything else."""
        try:
            position = from_mapping(cls, values, where)
        except InputError as error:
            raise FormatError(f"{where} does not say how far its run had got ({error})") from None
        if missing := {f.name for f in fields(cls)} - set(values):
            raise FormatError(f"{where} does not say how far its run had got ({min(missing)} is missing)")
        return position
