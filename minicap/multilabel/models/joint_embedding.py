"""Image-label joint embedding (Wang et al. 2016): photo and labels meet in the space of the labels."""

from dataclasses import dataclass, field
from typing import Any, Literal

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.decoding import Extras, State
from minicap.layers import tanh_backward, tanh_forward
from minicap.models.stages import LastStage
from minicap.multilabel.models.decoders import Decoder, add_up
from minicap.multilabel.models.label_sequence import LabelSequenceModel, Reading
from minicap.multilabel.models.settings import LabelSequenceConfig
from minicap.multilabel.models.stages import Stages
from minicap.nn import AdditiveAttention, Gradients, TemporalAffine, prefixed
from minicap.nn.init import glorot_uniform


@dataclass(frozen=True)
class JointEmbeddingConfig(LabelSequenceConfig):
    __doc__ = f"""{LabelSequenceConfig.__doc__}
    name: image-label joint embedding (Wang et al., 2016), which compares labels said, photo and next label.
    """

    name: Literal["joint-embedding"] = field(default="joint-embedding", kw_only=True)


class JointEmbedding(LabelSequenceModel):
    """The sum of the photo and the labels so far is compared with the embedding of every label (Ren's eq. 1
    and 2):

        d_t = lstm(E[y_t], d_t-1),   j_t = tanh(d_t W_d + I W_I + b),   scores_t = j_t E^T,

    where E embeds the labels that are read and those that are scored, and I is the last stage of the encoder.
    With attention, I is the context a_t of additive attention from d_t over the stages instead.
    """

    config: JointEmbeddingConfig

    def __init__(
        self,
        config: JointEmbeddingConfig,
        stages: tuple[int, ...],
        num_labels: int,
        last: LastStage | None = None,
    ) -> None:
        super().__init__(config, stages, num_labels, last)
        hidden = config.hidden_size
        self.decoder = Decoder(config.embed_size, hidden, config.dropout)
        self.of_labels = TemporalAffine(hidden, config.embed_size, glorot_uniform)
        self.of_image = TemporalAffine(
            hidden if config.attention else stages[-1], config.embed_size, glorot_uniform
        )
        if config.attention:
            self.places = Stages(stages, hidden)
            self.attention = AdditiveAttention(hidden, hidden, hidden)

    def read(self, features: Array, train: bool, rng: RandomStream | None) -> tuple[Reading, Any]:
        h0, c0 = self.decoder.cell.start(len(features))
        if not self.config.attention:
            return Reading(h0, c0), None
        places, cache = self.places.forward(features, train)
        return Reading(h0, c0, places), cache

    def read_backward(self, dreading: Reading, cache: Any) -> tuple[Any, Gradients]:
        if not self.config.attention:
            return 0, {}
        dfeatures, grads = self.places.backward(dreading.places, cache)
        return dfeatures, prefixed("places", grads)

    def decode(
        self, x: Array, reading: Reading, features: Array, train: bool, rng: RandomStream | None
    ) -> tuple[Array, Any]:
        d, decoder = self.decoder.forward((x, reading.h0, reading.c0), train, rng)
        image, looked = self._image(d, reading, features, train)
        of_labels, labels_cache = self.of_labels.forward(d, train)
        of_image, image_cache = self.of_image.forward(image, train)
        joint, tanh_cache = tanh_forward(of_labels + of_image)
        table = self.labels["table"]
        return joint @ table.T, (decoder, looked, labels_cache, image_cache, tanh_cache, joint, table)

    def decode_backward(self, dscores: Array, cache: Any) -> tuple[Array, Reading, Array | int, Gradients]:
        decoder, looked, labels_cache, image_cache, tanh_cache, joint, table = cache
        V, E = table.shape
        dtable = dscores.reshape(-1, V).T @ joint.reshape(-1, E)
        dsum = tanh_backward(dscores @ table, tanh_cache)
        dd, of_labels = self.of_labels.backward(dsum, labels_cache)
        # Without attention the image is one row for all steps, and its gradient is the sum of theirs.
        dimage = dsum if self.config.attention else dsum.sum(axis=1, keepdims=True)
        dimage, of_image = self.of_image.backward(dimage, image_cache)
        dd_looked, dplaces, dfeatures, grads = self._image_backward(dimage, looked)
        (dx, dh0, dc0), of_decoder = self.decoder.backward(dd + dd_looked, decoder)
        grads |= prefixed("of_labels", of_labels) | prefixed("of_image", of_image)
        grads |= prefixed("decoder", of_decoder) | {"labels.table": dtable}
        return dx, Reading(dh0, dc0, dplaces), dfeatures, grads

    def _image(self, d: Array, reading: Reading, features: Array, train: bool) -> tuple[Array, Any]:
        """What each step sees of the photo: its last stage (N, 1, F), or a context of its own (N, T, H)."""
        if not self.config.attention:
            return features[:, None, -self.stages[-1] :], features.shape
        steps = [self.attention.forward((reading.places, d[:, t]), train) for t in range(d.shape[1])]
        return backend_of(d=d).xp.stack([context for context, _ in steps], axis=1), [c for _, c in steps]

    def _image_backward(self, dimage: Array, cache: Any) -> tuple[Array | int, Any, Array | int, Gradients]:
        """Gradients of d, the places, the features, and the parameters."""
        xp = backend_of(dimage=dimage).xp
        if not self.config.attention:
            dfeatures = xp.zeros(cache, dtype=dimage.dtype)
            dfeatures[:, -self.stages[-1] :] = dimage[:, 0]
            return 0, None, dfeatures, {}
        dplaces: Any = 0
        dd: list[Array] = []
        grads: Gradients = {}
        for t, step in enumerate(cache):
            (dplaces_t, dquery), of_attention = self.attention.backward(dimage[:, t], step)
            dplaces = dplaces + dplaces_t
            dd.append(dquery)
            add_up(grads, prefixed("attention", of_attention))
        return xp.stack(dd, axis=1), dplaces, 0, grads

    def begun(self, reading: Reading, features: Array) -> State:
        image = reading.places if self.config.attention else features[:, -self.stages[-1] :]
        return reading.h0, reading.c0, image

    def advance(self, state: State, x: Array) -> tuple[Array, State, Extras]:
        d, c, image = state
        d, c = self.decoder.step(x, (d, c))
        extras = {}
        seen = image
        if self.config.attention:
            seen, extras["attention"] = self.attention((image, d)), self.attention.weights((image, d))
        joint, _ = tanh_forward(self.of_labels(d[:, None]) + self.of_image(seen[:, None]))
        return joint[:, 0] @ self.labels["table"].T, (d, c, image), extras
