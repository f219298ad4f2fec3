"""Whole models for the tests of the GPU, and batches for them: small ones, drawn alike on every machine."""

from typing import Any

import numpy as np

from minicap.arrays import Array, backend_of, to_host
from minicap.arrays.random import RandomStream
from minicap.captioning.model import CaptionModel, CaptionModelConfig
from minicap.layers import (
    concat_backward,
    concat_forward,
    doubly_stochastic_loss,
    lstm_step_backward,
    lstm_step_forward,
    soft_attention_backward,
    soft_attention_forward,
    temporal_affine_backward,
    temporal_affine_forward,
    temporal_softmax_loss,
)
from minicap.nn import (
    Affine,
    Conv2d,
    Dropout,
    Embedding,
    Gradients,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    Supervised,
    prefixed,
)
from minicap.nn.init import glorot_uniform, zeros

WORDS, FEATURES, PLACES = 11, 5, 6

Batch = dict[str, Array]


def cnn2() -> Module:
    """Two blocks of conv, relu, conv, relu, pool, dropout; two affine layers.  For images (3, 8, 8)."""

    def block(channels: int, filters: int) -> list[Module]:
        return [
            *(Conv2d(channels, filters, 3, pad=1), ReLU(), Conv2d(filters, filters, 3, pad=1), ReLU()),
            *(MaxPool2d(), Dropout(0.25)),
        ]

    return Supervised(Sequential(*block(3, 4), *block(4, 8), Affine(32, 16), ReLU(), Affine(16, 10)))


def lstm_captioner() -> Module:
    """Show and Tell."""
    return CaptionModel(CaptionModelConfig("lstm", 6, 7, dropout=0.2), FEATURES, WORDS)


class AttentionCaptioner(Module):
    """Show, Attend and Tell (Xu et al. 2015), its state starting from the mean of the features.

    A batch is that of CaptionModel, with features (N, L, D) of L places of the image.
    """

    def __init__(self, places: int, features: int, vocabulary: int, embed: int = 4, hidden: int = 7) -> None:
        super().__init__()
        self.places, self.hidden = places, hidden
        self.start, self.words = Affine(features, hidden, glorot_uniform), Embedding(vocabulary, embed)
        sizes = {
            **{"Wf": (features, 5), "Wa": (hidden, 5), "ba": (5,), "v": (5,)},
            **{"w_beta": (hidden, 1), "b_beta": (1,)},
            **{"Wx": (embed + features, 4 * hidden), "Wh": (hidden, 4 * hidden), "b": (4 * hidden,)},
            **{"out_w": (hidden, vocabulary), "out_b": (vocabulary,)},
        }
        for name, shape in sizes.items():
            vector = len(shape) == 1 and name != "v"
            self.declare(name, shape, zeros if vector else lambda rng, shape: 0.5 * rng.normal(size=shape))

    def count(self, batch: Batch) -> int:
        return int(batch["mask"].sum())

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        features, mask = batch["features"], batch["mask"]
        xp, steps = backend_of(features=features).xp, mask.shape[1]
        h, start_cache = self.start.forward(features.mean(axis=1), train)
        c = xp.zeros_like(h)
        embedded, words_cache = self.words.forward(batch["words"], train)
        attention = [self[name] for name in ("Wf", "Wa", "ba", "v", "w_beta", "b_beta")]
        hs, weights, caches = [], [], []
        for t in range(steps):
            context, alpha, attention_cache = soft_attention_forward(features, h, *attention)
            x, concat_cache = concat_forward(embedded[:, t], context, axis=1)
            h, c, cell_cache = lstm_step_forward(x, h, c, self["Wx"], self["Wh"], self["b"])
            hs.append(h)
            weights.append(alpha)
            caches.append((attention_cache, concat_cache, cell_cache))
        scores, scores_cache = temporal_affine_forward(xp.stack(hs, axis=1), self["out_w"], self["out_b"])
        scale = mask / (count or self.count(batch))
        loss, dscores = temporal_softmax_loss(scores, batch["next_words"], scale, reduction="sum")
        spent, dweights = doubly_stochastic_loss(xp.stack(weights, axis=1), mask)
        if not train:
            return loss + spent, {}

        dh_above, dout_w, dout_b = temporal_affine_backward(dscores, scores_cache)
        dh, dc, dembedded = xp.zeros_like(h), xp.zeros_like(c), []
        grads = {name: xp.zeros_like(self[name]) for name in self.declared}
        for t in reversed(range(steps)):
            attention_cache, concat_cache, cell_cache = caches[t]
            dx, dh, dc, *of_cell = lstm_step_backward(dh_above[:, t] + dh, dc, cell_cache)
            dword, dcontext = concat_backward(dx, concat_cache)
            _, dh_attention, *of_attention = soft_attention_backward(
                xp.ascontiguousarray(dcontext), xp.ascontiguousarray(dweights[:, t]), attention_cache
            )
            dh = dh + dh_attention
            dembedded.insert(0, dword)
            names = ("Wx", "Wh", "b", "Wf", "Wa", "ba", "v", "w_beta", "b_beta")
            for name, grad in zip(names, [*of_cell, *of_attention], strict=True):
                grads[name] = grads[name] + grad
        _, words = self.words.backward(xp.stack(dembedded, axis=1), words_cache)
        _, start = self.start.backward(dh, start_cache, input_gradient=False)
        grads |= {"out_w": dout_w, "out_b": dout_b}
        return loss + spent, grads | prefixed("start", start) | prefixed("words", words)


def attention_captioner() -> Module:
    return AttentionCaptioner(PLACES, FEATURES, WORDS)


def images(rng: np.random.Generator) -> Batch:
    return dict(x=rng.normal(size=(4, 3, 8, 8)), y=rng.integers(10, size=4))


def captions(rng: np.random.Generator, *places: int) -> Batch:
    """Four captions of up to four words."""
    words = rng.integers(WORDS, size=(4, 5))
    mask = (np.arange(4) < np.array([4, 2, 3, 4])[:, None]).astype(np.float64)
    features = rng.normal(size=(4, *places, FEATURES))
    return dict(features=features, words=words[:, :-1], next_words=words[:, 1:], mask=mask)


def captions_of_grids(rng: np.random.Generator) -> Batch:
    return captions(rng, PLACES)


MODELS: dict[str, tuple[Any, Any]] = {
    "CNN2": (cnn2, images),
    "LSTM captioner": (lstm_captioner, captions),
    "attention captioner": (attention_captioner, captions_of_grids),
}


def relative_error(ours: Any, theirs: Any) -> float:
    """The largest difference over the largest of theirs; infinite for other shapes.  NaN stays NaN."""
    ours, theirs = to_host(ours).astype(np.float64), to_host(theirs).astype(np.float64)
    if ours.shape != theirs.shape:
        return float("inf")
    largest = np.abs(theirs).max(initial=0)
    gap = np.abs(ours - theirs).max(initial=0)
    return float(gap / largest) if largest else float(gap and np.inf)
