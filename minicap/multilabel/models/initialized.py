"""CNN as initialisation (Ren 2017, section 3.2): the decoder's state starts from the photo."""

from dataclasses import dataclass, field
from typing import Any, Literal

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.models.stages import LastStage
from minicap.multilabel.models.decoders import run_cell, run_cell_backward
from minicap.multilabel.models.label_sequence import Reading
from minicap.multilabel.models.settings import LabelSequenceConfig
from minicap.multilabel.models.stages import Stages
from minicap.multilabel.models.state_scores import StateScores
from minicap.nn import Affine, Gradients, prefixed
from minicap.nn.init import glorot_uniform


@dataclass(frozen=True)
class InitializedConfig(LabelSequenceConfig):
    __doc__ = f"""{LabelSequenceConfig.__doc__}
    name: CNN as initialisation, whose recurrent state starts from the photo.
    way: hidden (the photo gives the first h, and c is 0), both (h and c, a matrix each) or step (it is the
    input of one more step before the first).
    """

    name: Literal["initialized"] = field(default="initialized", kw_only=True)
    way: Literal["hidden", "both", "step"] = "both"


class Initialized(StateScores):
    """One of three ways, where I is the last stage of the encoder:

        hidden   h_0 = I W_h + b_h,   c_0 = 0
        both     h_0 = I W_h + b_h,   c_0 = I W_c + b_c
        step     h_0, c_0 = lstm(I W_x + b_x, 0, 0)

    With attention, the decoder looks at a projection of each stage.
    """

    config: InitializedConfig

    def __init__(
        self,
        config: InitializedConfig,
        stages: tuple[int, ...],
        num_labels: int,
        last: LastStage | None = None,
    ) -> None:
        super().__init__(config, stages, num_labels, last)
        size = config.embed_size if config.way == "step" else config.hidden_size
        names = {"hidden": ("h",), "both": ("h", "c"), "step": ("x",)}[config.way]
        self.image = {name: Affine(stages[-1], size, glorot_uniform) for name in names}
        if config.attention:
            self.places = Stages(stages, config.hidden_size)

    def read(self, features: Array, train: bool, rng: RandomStream | None) -> tuple[Reading, Any]:
        image = features[:, -self.stages[-1] :]
        found = {name: affine.forward(image, train) for name, affine in self.image.items()}
        outs, caches = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
        steps = None
        if self.config.way == "step":
            _, (h0, c0), steps = run_cell(
                self.decoder.cell, outs["x"][:, None], *self.decoder.cell.start(len(image))
            )
        else:
            h0 = outs["h"]
            c0 = outs["c"] if self.config.way == "both" else backend_of(h0=h0).xp.zeros_like(h0)
        places, places_cache = self.places.forward(features, train) if self.config.attention else (None, None)
        return Reading(h0, c0, places), (caches, steps, places_cache, features.shape)

    def read_backward(self, dreading: Reading, cache: Any) -> tuple[Array, Gradients]:
        caches, steps, places_cache, shape = cache
        grads: Gradients = {}
        douts = {"h": dreading.h0, "c": dreading.c0}
        if self.config.way == "step":
            dx, of_cell = run_cell_backward(self.decoder.cell, None, dreading.h0, dreading.c0, steps)
            douts = {"x": dx[:, 0]}
            grads |= prefixed("decoder.cell", of_cell)
        dfeatures = backend_of(dh=dreading.h0).xp.zeros(shape, dtype=dreading.h0.dtype)
        for name, affine in self.image.items():
            dimage, of_image = affine.backward(douts[name], caches[name])
            dfeatures[:, -self.stages[-1] :] += dimage
            grads |= prefixed(f"image.{name}", of_image)
        if self.config.attention:
            dplaces, of_places = self.places.backward(dreading.places, places_cache)
            dfeatures = dfeatures + dplaces
            grads |= prefixed("places", of_places)
        return dfeatures, grads
