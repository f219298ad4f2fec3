"""The affine layer at every step, and the loss of its scores."""

from typing import Any

import numpy as np
from hypothesis import strategies as st


@st.composite
def temporal_affines(draw: st.DrawFn) -> dict[str, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    N, T, D, M = (draw(st.integers(1, 7)) for _ in range(4))
    return dict(x=rng.normal(size=(N, T, D)), w=rng.normal(size=(D, M)), b=rng.normal(size=M))


@st.composite
def vocabulary_losses(draw: st.DrawFn) -> dict[str, Any]:
    inputs = draw(temporal_affines())
    (N, T, _), V = inputs["x"].shape, inputs["b"].size
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    masks = [None, rng.integers(2, size=(N, T)).astype(bool), rng.random(size=(N, T))]
    return inputs | dict(
        y=rng.integers(V, size=(N, T)),
        mask=masks[draw(st.integers(0, 2))],
        reduction=draw(st.sampled_from(["mean", "words", "sum", "none"])),
        label_smoothing=draw(st.sampled_from([0.0, 0.1, 1.0])),
    )


@st.composite
def classifications(draw: st.DrawFn) -> dict[str, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    N, K = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    return dict(
        x=rng.normal(size=(N, K)),
        y=rng.integers(K, size=N),
        reduction=draw(st.sampled_from(["mean", "sum", "none"])),
        label_smoothing=draw(st.sampled_from([0.0, 0.1, 1.0])),
    )


@st.composite
def word_losses(draw: st.DrawFn) -> dict[str, Any]:
    inputs = draw(vocabulary_losses())
    inputs["x"] = inputs["x"] @ inputs.pop("w") + inputs.pop("b")
    return inputs


@st.composite
def sampled_sentences(draw: st.DrawFn) -> dict[str, Any]:
    inputs = draw(word_losses())
    del inputs["label_smoothing"]
    shape = inputs["y"].shape if draw(st.booleans()) else inputs["y"].shape[:1]
    return inputs | dict(advantage=np.random.default_rng(0).normal(size=shape))


STRATEGIES = {
    ("policy_gradient_loss", "policy_gradient_loss"): sampled_sentences(),
    ("softmax_loss", "softmax_loss"): classifications(),
    ("temporal_softmax_loss", "temporal_softmax_loss"): word_losses(),
    ("temporal_affine", "temporal_affine_forward"): temporal_affines(),
    ("temporal_affine_softmax_loss", "temporal_affine_softmax_loss"): vocabulary_losses(),
}
