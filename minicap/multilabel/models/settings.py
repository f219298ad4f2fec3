"""Settings shared by the models that predict one label after another."""

from dataclasses import dataclass
from typing import Literal

from minicap.errors import InputError
from minicap.formats import require_types


@dataclass(frozen=True)
class LabelSequenceConfig:
    """Settings of models that say one label after the other.

    order: of a photo's labels in training, frequent (the most frequent first), rare (the rarest first),
    random (another one each time a photo is seen), or own (the most probable one first, by the model's own
    judgement).
    attention: whether the stages of the encoder are looked at before every label.
    embed_size: size of the embedded labels.  hidden_size: size of the recurrent state.
    dropout: rate on the inputs and on the outputs of the recurrent layer.
    fine_tune: whether the last stage of the encoder is trained, too.
    """

    order: Literal["frequent", "rare", "random", "own"] = "frequent"
    attention: bool = False
    embed_size: int = 100
    hidden_size: int = 512
    dropout: float = 0.2
    fine_tune: bool = False

    def __post_init__(self) -> None:
        require_types(self)
        if min(self.embed_size, self.hidden_size) < 1:
            raise InputError("embed_size and hidden_size must be at least 1")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout} but must be at least 0 and below 1")
