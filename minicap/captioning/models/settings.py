"""What the settings of several models share."""

from dataclasses import dataclass, field

from minicap.errors import InputError
from minicap.formats import require_types
from minicap.nn import RECURRENT


@dataclass(frozen=True)
class RecurrentConfig:
    """Settings of a model that reads embedded words with one recurrent layer."""

    name: str = field(default="", kw_only=True)
    cell: str = "lstm"
    embed_size: int = 256
    hidden_size: int = 512
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.cell not in RECURRENT:
            raise InputError(f"cell is {self.cell!r} but must be one of {', '.join(RECURRENT)}")
        require_sizes(embed_size=self.embed_size, hidden_size=self.hidden_size)
        require_dropout(self.dropout)
        require_types(self)


def require_sizes(**sizes: int) -> None:
    """Raises InputError unless every size is at least 1."""
    if min(sizes.values()) < 1:
        raise InputError(f"{' and '.join(sizes)} must be at least 1")


def require_dropout(rate: float) -> None:
    """Raises InputError unless the rate is at least 0 and below 1."""
    if not 0 <= rate < 1:
        raise InputError(f"dropout is {rate} but must be at least 0 and below 1")
