"""Which parts of an image a network's answer depends on.

All methods ask how the score of a class changes: with the pixels (saliency, Simonyan et al. 2014), with the
output of a layer (Grad-CAM, Selvaraju et al. 2017), or when a part of the image is hidden (occlusion, Zeiler
and Fergus 2014), which needs no gradient.  The network runs as in evaluation, layer by layer, including the
layers of a Sequential within it; a Residual or Branches is one layer.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minicap.arrays import Array, backend_of
from minicap.errors import ClassIndexError, InputError, ShapeError
from minicap.formats import nearest
from minicap.layers import log_softmax_forward
from minicap.nn.composition import Sequential
from minicap.nn.heads import WithHeads
from minicap.nn.module import Module

_AT_ONCE = 16  # copies of an image that are read together


def layers_in_order(net: Module) -> dict[str, Module]:
    """The layers that a network applies one after another, by their names ("features.conv1")."""
    if isinstance(net, WithHeads):
        return layers_in_order(net.trunk)  # in evaluation it has no heads
    if not isinstance(net, Sequential) or type(net).forward is not Sequential.forward:
        return {"": net}
    return {
        f"{name}.{below}".rstrip("."): layer
        for name, child in net.children.items()
        for below, layer in layers_in_order(child).items()
    }


def find_layer(net: Module, name: str) -> str:
    """The full name of a layer; the name of a Sequential stands for its last layer.  Raises InputError."""
    layers = layers_in_order(net)
    found = [known for known in layers if known == name or known.startswith(f"{name}.")]
    if not found:
        raise InputError(f"there is no layer {name!r}{nearest(name, layers)}; there are {', '.join(layers)}")
    return found[-1]


def activations(net: Module, x: Array) -> Iterator[tuple[str, Any]]:
    """The name of each layer and its output for x, from the first to the last."""
    for name, layer in layers_in_order(net).items():
        x = layer(x)
        yield name, x


def saliency(net: Module, x: Array, classes: Sequence[int]) -> Array:
    """How much the score of its class changes with each pixel of an image; the largest of its channels.

    M = max_c |d score / d x_c|  (Simonyan et al. 2014, section 3.1).
    x: (N, C, H, W), as the network reads it.  classes: (N,), one for each image, or several for a single one.
    Returns (N, H, W).
    Raises ShapeError, ClassIndexError.
    """
    _, dx = score_gradient(net, x, classes)
    return abs(dx).max(axis=1)


def grad_cam(net: Module, x: Array, classes: Sequence[int], layer: str = "") -> Array:
    """Where in a layer's grid the features are that support a class.

    L = max(0, sum_k alpha_k A_k)  with  alpha_k = mean over places of d score / d A_k
    (Selvaraju et al. 2017, eq. 1 and 2), A (N, K, h, w) the activation of the layer.
    layer: its name, or that of a Sequential, which stands for its last layer; by default the last layer that
    gives a grid of more than one place.  x, classes: as for saliency.  Returns (N, h, w).
    Raises InputError for another name, ShapeError for a layer that gives no grid, ClassIndexError.
    """
    A, dA = score_gradient(net, x, classes, layer or last_grid(net, x))
    if A.ndim != 4:
        raise ShapeError(f"grad_cam: {layer} gives {A.shape}, no grid (N, K, h, w)")
    alpha = dA.mean(axis=(2, 3), keepdims=True)
    L = (alpha * A).sum(axis=1)
    return L * (L > 0)


def occlusion(net: Module, x: Array, classes: Sequence[int], places: int = 7) -> Array:
    """The share of its probability that a class loses when a square of the image is hidden.

    L[k, s] = max(0, 1 - p(k | x with square s hidden) / p(k | x))
    (Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2).
    A square is 2 / (places + 1) of the image wide, so that neighbours overlap by half.
    x: (1, C, H, W), one image as the network reads it.  classes: K of them.  places: squares a side.
    Returns (K, places, places).
    Raises ShapeError for several images, ClassIndexError.
    """
    if len(x) != 1:
        raise ShapeError(f"occlusion: x is {x.shape} but must hold one image")
    xp = backend_of(x=x).xp
    photos = xp.concatenate([x, hidden(x[0], places)])
    scores = xp.concatenate([net(photos[at : at + _AT_ONCE]) for at in range(0, len(photos), _AT_ONCE)])
    _require_classes(scores, classes)
    log_probs = log_softmax_forward(scores)[0][:, list(classes)]
    lost = 1 - xp.exp(log_probs[1:] - log_probs[:1])
    return (lost * (lost > 0)).T.reshape(len(classes), places, places)


def hidden(image: Array, places: int) -> Array:
    """Copies of an image (C, H, W), each with one square hidden: (places^2, C, H, W).

    What hides it is 0, the mean colour of the images that a network learned from.
    """
    rows, columns = (np.linspace(0, size, places + 2).round().astype(int) for size in image.shape[1:])
    copies = image[None].repeat(places * places, axis=0)
    for place, copy in enumerate(copies):
        row, column = divmod(place, places)
        copy[:, rows[row] : rows[row + 2], columns[column] : columns[column + 2]] = 0
    return copies


def score_gradient(net: Module, x: Array, classes: Sequence[int], layer: str = "") -> tuple[Array, Array]:
    """A layer's output for x, and the gradient of each image's score by it; x itself if no layer is given.

    classes: (N,), the class whose score is taken, for each image, or several for a single one.
    Raises as grad_cam does.
    """
    layers = layers_in_order(net)
    before = [*layers].index(find_layer(net, layer)) + 1 if layer else 0
    A = x
    for module in [*layers.values()][:before]:
        A = module(A)
    if len(A) == 1:  # what the classes of one image share is computed once
        A = A.repeat(len(classes), axis=0)
    scores, caches = A, []
    for module in [*layers.values()][before:]:
        scores, cache = module.forward(scores, train=False)
        caches.append((module, cache))
    gradient = _one_hot(scores, classes)
    for module, cache in reversed(caches):
        gradient, _ = module.backward(gradient, cache)
    return A, gradient


def last_grid(net: Module, x: Array) -> str:
    """The name of the last layer that gives a grid of more than one place.

    Raises InputError for a network without one.
    """
    grids = [name for name, out in activations(net, x[:1]) if out.ndim == 4 and out[0, 0].size > 1]
    if not grids:
        raise InputError("grad_cam: no layer of this network gives a grid; it has no convolution")
    return grids[-1]


def _one_hot(scores: Array, classes: Sequence[int]) -> Array:
    """The gradient of the scores (N, K) of these classes, by all scores."""
    if scores.ndim != 2 or len(classes) != len(scores):
        raise ShapeError(f"there are {len(classes)} classes for scores {scores.shape}; each image needs one")
    _require_classes(scores, classes)
    gradient = backend_of(scores=scores).xp.zeros_like(scores)
    for n, k in enumerate(classes):
        gradient[n, int(k)] = 1
    return gradient


def _require_classes(scores: Array, classes: Sequence[int]) -> None:
    if not all(0 <= int(k) < scores.shape[1] for k in classes):
        raise ClassIndexError(f"classes are {list(classes)} but there are {scores.shape[1]}")
