"""Which epoch was the best: one recorded value, and whether low or high is good."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from minicap.errors import InputError
from minicap.formats import nearest

Direction = Literal["auto", "min", "max"]
_TO_FALL = ("loss", "error", "perplexity", "bits", "rank")


class Monitor(NamedTuple):
    """The value to watch.  direction auto: what is named loss, error, perplexity, bits or rank falls."""

    name: str
    direction: Direction = "auto"

    @property
    def falls(self) -> bool:
        """Whether low values are good."""
        if self.direction == "auto":
            return any(word in self.name.lower() for word in _TO_FALL)
        return self.direction == "min"

    def in_words(self, validation: str) -> str:
        """What it measures, such as "accuracy on VALIDATION"; validation: the name of the validation set."""
        if self.name == "train_loss":
            return "training loss"
        return f"{self.name.removeprefix('validation_')} on {validation}"

    def value(self, record: Mapping[str, Any]) -> float:
        """The watched value of an epoch's record.

        Raises InputError when it is not recorded, naming what is, or is not a finite number.
        """
        if self.name not in record:
            recorded = [name for name in record if name not in ("step", "epoch", "seconds")]
            raise InputError(
                f'monitor "{self.name}" is not recorded'
                f"{nearest(self.name, recorded)}; an epoch records {', '.join(recorded)}"
            )
        value = record[self.name]
        if value is None:
            raise InputError(f'monitor "{self.name}" is not a finite number')
        return float(value)

    def rank(self, value: float, loss: float) -> tuple[float, float]:
        """What sorts epochs from the best to the worst: by the value, and equal ones by their loss."""
        return (value if self.falls else -value), loss
