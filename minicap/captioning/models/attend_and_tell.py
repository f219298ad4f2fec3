"""Show, Attend and Tell (Xu et al. 2015), with soft attention over the encoder's feature grid."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.random import RandomStream
from minicap.captioning.model import Batch
from minicap.captioning.models.next_word import NextWordModel
from minicap.captioning.models.settings import require_dropout, require_sizes
from minicap.decoding import Extras, State
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.layers import (
    concat_backward,
    concat_forward,
    doubly_stochastic_loss,
    lstm_step_backward,
    lstm_step_forward,
    soft_attention_step_backward,
    soft_attention_step_forward,
)
from minicap.layers.affine import project, project_gradients
from minicap.nn import LSTM, Affine, Dropout, Gradients, RecurrentDropout, Sequential, Tanh, prefixed
from minicap.nn.init import glorot_uniform, normal, zeros

_ATTENTION = ("Wa", "ba", "v", "w_beta", "b_beta")
_CELL = ("Wx", "Wh", "b")


@dataclass(frozen=True)
class AttendAndTellConfig:
    """Settings of Show, Attend and Tell.

    name: Show, Attend and Tell (Xu et al., 2015), which looks at a grid of the image before every word.
    embed_size: size of the embedded words.  hidden_size: size of the recurrent state.
    attention_size: size of the layer that compares a place in the image with the state.
    dropout: rate on the image, on the embedded words and on the outputs of the recurrent layer.
    doubly_stochastic: weight of the penalty for places that a caption never looks at.

    The paper's weight is 1, on 196 places.  The penalty is least where all places are looked at alike, so on
    a coarse grid and short captions it outweighs the words and attention stays even; hence 0.
    """

    name: Literal["attend-and-tell"] = field(default="attend-and-tell", kw_only=True)
    embed_size: int = 256
    hidden_size: int = 512
    attention_size: int = 256
    dropout: float = 0.5
    doubly_stochastic: float = 0.0

    def __post_init__(self) -> None:
        require_sizes(
            embed_size=self.embed_size, hidden_size=self.hidden_size, attention_size=self.attention_size
        )
        require_dropout(self.dropout)
        require_types(self)
        if not 0 <= self.doubly_stochastic < np.inf:
            raise InputError(f"doubly_stochastic is {self.doubly_stochastic} but must not be negative")


class AttendAndTell(NextWordModel):
    """Before it says a word, the model looks at the places a_1 ... a_S of the image:

        a = dropout(image),   h_-1 = tanh(mean(a) W_h + b_h),   c_-1 = tanh(mean(a) W_c + b_c),
        z_t = soft attention from h_t-1 over a,   x_t = [dropout(table[word_t]), z_t],
        h_t, c_t = lstm(x_t, h_t-1, c_t-1).

    The image's dropout drops a channel at every place at once: its neighbours would give it away.
    The paper's scores read the word, h_t and z_t (eq. 7); here h_t alone, which has read the other two.
    extras: "attention" (N, T, S), how much each place was looked at for the word that follows.
    """

    reads: ClassVar[str] = "grid"

    def __init__(
        self,
        config: AttendAndTellConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(config, feature_size, vocabulary_size, log_frequency)
        hidden, attention = config.hidden_size, config.attention_size
        self.image_dropout, self.in_dropout = RecurrentDropout(config.dropout), Dropout(config.dropout)
        self.first_h = Sequential(affine=Affine(feature_size, hidden, glorot_uniform), tanh=Tanh())
        self.first_c = Sequential(affine=Affine(feature_size, hidden, glorot_uniform), tanh=Tanh())
        self.cell = LSTM(config.embed_size + feature_size, hidden)
        self.declare("Wf", (feature_size, attention), glorot_uniform)
        self.declare("Wa", (hidden, attention), glorot_uniform)
        self.declare("ba", (attention,), zeros)
        self.declare("v", (attention,), normal(attention**-0.5))
        self.declare("w_beta", (hidden, 1), glorot_uniform)
        self.declare("b_beta", (1,), zeros)

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        image = self.standardized(batch["features"])
        places, image_cache = self.image_dropout.forward(image, train, rng)
        xp = backend_of(places=places).xp
        mean = places.mean(axis=1)
        h, h_cache = self.first_h.forward(mean, train)
        c, c_cache = self.first_c.forward(mean, train)
        embedded, words_cache = self.words.forward(batch["words"], train)
        words, in_cache = self.in_dropout.forward(embedded, train, rng)
        keys = project(places, self["Wf"])
        outputs, attention, steps = [], [], []
        for t in range(words.shape[1]):
            context, weights, looked = soft_attention_step_forward(places, keys, h, *self._attention())
            x, joined = concat_forward(words[:, t], context, axis=1)
            h, c, stepped = lstm_step_forward(x, h, c, *self._cell())
            outputs.append(h)
            attention.append(weights)
            steps.append((looked, joined, stepped))
        extras = {"attention": xp.stack(attention, axis=1)}
        caches = image_cache, h_cache, c_cache, words_cache, in_cache
        return xp.stack(outputs, axis=1), extras, (*caches, steps, places)

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        image_cache, h_cache, c_cache, words_cache, in_cache, steps, places = cache
        xp = backend_of(dh=dh).xp
        dattention = dextras.get("attention")
        dnext_h, dnext_c = xp.zeros_like(dh[:, 0]), xp.zeros_like(dh[:, 0])
        dplaces: Any = 0
        dkeys = xp.zeros((*places.shape[:2], len(self["v"])), dtype=places.dtype)
        dwords: list[Array] = []
        totals: Gradients = {}
        for t in range(len(steps) - 1, -1, -1):
            looked, joined, stepped = steps[t]
            dx, dstate, dnext_c, *of_cell = lstm_step_backward(dh[:, t] + dnext_h, dnext_c, stepped)
            dword, dcontext = concat_backward(dx, joined)
            dweights = None if dattention is None else dattention[:, t]
            dplaces_t, dkeys_t, dquery, *of_attention = soft_attention_step_backward(
                dcontext, dweights, looked, input_gradient
            )
            dnext_h = dstate + dquery
            dplaces = dplaces + dplaces_t if input_gradient else None
            dkeys += dkeys_t
            dwords.append(dword)
            for name, gradient in zip((*_CELL, *_ATTENTION), [*of_cell, *of_attention], strict=True):
                totals[name] = totals[name] + gradient if name in totals else gradient
        dscored, totals["Wf"] = project_gradients(dkeys, places, self["Wf"])
        dmean_h, first_h = self.first_h.backward(dnext_h, h_cache, input_gradient)
        dmean_c, first_c = self.first_c.backward(dnext_c, c_cache, input_gradient)
        dembedded, _ = self.in_dropout.backward(xp.stack(dwords[::-1], axis=1), in_cache)
        _, words = self.words.backward(dembedded, words_cache)
        cell = {f"cell.{name}": totals.pop(name) for name in _CELL}
        grads = prefixed("first_h", first_h) | prefixed("first_c", first_c) | prefixed("words", words)
        if not input_gradient:
            return None, grads | cell | totals
        dmean = (dmean_h + dmean_c) / places.shape[1]
        dimage, _ = self.image_dropout.backward(dplaces + dscored + dmean[:, None], image_cache)
        return dimage, grads | cell | totals

    def penalty(self, extras: Extras, mask: Array) -> tuple[Any, Extras]:
        factor = self.config.doubly_stochastic
        if not factor:
            return 0.0, {}
        loss, dattention = doubly_stochastic_loss(extras["attention"], mask, reduction="sum")
        return factor * loss, {"attention": factor * dattention}

    def start(self, features: Array) -> State:
        """The first h and c, and the places and keys that every step attends to; features (N, S, F)."""
        places = self.standardized(to_device(features))
        mean = places.mean(axis=1)
        return self.first_h(mean), self.first_c(mean), places, project(places, self["Wf"])

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        h, c, places, keys = state
        context, weights, _ = soft_attention_step_forward(places, keys, h, *self._attention())
        x, _ = concat_forward(self.words(words), context, axis=1)
        h, c = self.cell.step(x, (h, c))
        return h, (h, c, places, keys), {"attention": weights}

    def _attention(self) -> list[Array]:
        return [self[name] for name in _ATTENTION]

    def _cell(self) -> list[Array]:
        return [self.cell[name] for name in _CELL]
