"""CNN sequence to sequence (Ren 2017, section 3.3): an LSTM reads the stages of the encoder, one by one."""

from dataclasses import dataclass, field
from typing import Any, Literal

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.models.stages import LastStage
from minicap.multilabel.models.decoders import run_cell, run_cell_backward
from minicap.multilabel.models.label_sequence import Reading
from minicap.multilabel.models.settings import LabelSequenceConfig
from minicap.multilabel.models.stages import Stages
from minicap.multilabel.models.state_scores import StateScores
from minicap.nn import LSTM, Gradients, prefixed


@dataclass(frozen=True)
class SequenceToSequenceConfig(LabelSequenceConfig):
    __doc__ = f"""{LabelSequenceConfig.__doc__}
    name: CNN sequence to sequence, which reads the stages of the encoder like the words of a sentence.
    shared: whether the LSTM that reads the stages is the one that says the labels.
    """

    name: Literal["sequence-to-sequence"] = field(default="sequence-to-sequence", kw_only=True)
    shared: bool = True


class SequenceToSequence(StateScores):
    """Reads the stages from low to high, then predicts the labels:

        e_s, m_s = lstm(stage_s W_s + b_s, e_s-1, m_s-1),   h_0 = e_S,   c_0 = m_S.

    With attention, the decoder looks at e_1 ... e_S.
    """

    config: SequenceToSequenceConfig

    def __init__(
        self,
        config: SequenceToSequenceConfig,
        stages: tuple[int, ...],
        num_labels: int,
        last: LastStage | None = None,
    ) -> None:
        super().__init__(config, stages, num_labels, last)
        self.inputs = Stages(stages, config.embed_size)
        if not config.shared:
            self.reader = LSTM(config.embed_size, config.hidden_size)

    @property
    def reading_cell(self) -> tuple[str, LSTM]:
        """The LSTM that reads the stages, and its name among the parameters."""
        return ("decoder.cell", self.decoder.cell) if self.config.shared else ("reader", self.reader)

    def read(self, features: Array, train: bool, rng: RandomStream | None) -> tuple[Reading, Any]:
        inputs, inputs_cache = self.inputs.forward(features, train)
        _, cell = self.reading_cell
        places, (h0, c0), steps = run_cell(cell, inputs, *cell.start(len(inputs)))
        return Reading(h0, c0, places), (inputs_cache, steps)

    def read_backward(self, dreading: Reading, cache: Any) -> tuple[Array, Gradients]:
        inputs_cache, steps = cache
        name, cell = self.reading_cell
        dinputs, of_cell = run_cell_backward(cell, dreading.places, dreading.h0, dreading.c0, steps)
        dfeatures, of_inputs = self.inputs.backward(dinputs, inputs_cache)
        return dfeatures, prefixed(name, of_cell) | prefixed("inputs", of_inputs)
