"""What the models that predict the next label from their decoder's state have in common."""

from typing import Any

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.decoding import Extras, State
from minicap.models.stages import LastStage
from minicap.multilabel.models.decoders import AttentiveDecoder, Decoder
from minicap.multilabel.models.label_sequence import LabelSequenceModel, Reading
from minicap.nn import Gradients, TemporalAffine, prefixed
from minicap.nn.init import glorot_uniform


class StateScores(LabelSequenceModel):
    """scores_t = d_t W + b, with d_t the output of a decoder, plain or with attention over places.

    A subclass writes `read` and `read_backward`: where the decoder starts, and what it attends to.
    """

    def __init__(
        self,
        config: Any,
        stages: tuple[int, ...],
        num_labels: int,
        last: LastStage | None = None,
    ) -> None:
        super().__init__(config, stages, num_labels, last)
        kind = AttentiveDecoder if config.attention else Decoder
        self.decoder = kind(config.embed_size, config.hidden_size, config.dropout)
        self.out = TemporalAffine(config.hidden_size, num_labels + 2, glorot_uniform)

    def decode(
        self, x: Array, reading: Reading, features: Array, train: bool, rng: RandomStream | None
    ) -> tuple[Array, Any]:
        start = reading if self.config.attention else reading[:2]
        d, decoder = self.decoder.forward((x, *start), train, rng)
        scores, out = self.out.forward(d, train)
        return scores, (decoder, out)

    def decode_backward(self, dscores: Array, cache: Any) -> tuple[Array, Reading, Array | int, Gradients]:
        decoder, out = cache
        dd, of_out = self.out.backward(dscores, out)
        (dx, *dstart), of_decoder = self.decoder.backward(dd, decoder)
        return dx, Reading(*dstart), 0, prefixed("out", of_out) | prefixed("decoder", of_decoder)

    def begun(self, reading: Reading, features: Array) -> State:
        if not self.config.attention:
            return reading.h0, reading.c0
        return 0 * reading.h0, reading.h0, reading.c0, reading.places

    def advance(self, state: State, x: Array) -> tuple[Array, State, Extras]:
        if isinstance(self.decoder, AttentiveDecoder):
            state, attention = self.decoder.step(x, state)
            return self.out(state[0][:, None])[:, 0], state, {"attention": attention}
        state = self.decoder.step(x, state)
        return self.out(state[0][:, None])[:, 0], state, {}
