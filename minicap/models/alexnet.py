"""AlexNet: the original on two GPUs (Krizhevsky, Sutskever, Hinton 2012) and its successor in one tower."""

from collections.abc import Sequence

from minicap.errors import InputError
from minicap.nn import LRN, Affine, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential
from minicap.nn.init import HEAD

_SMALLEST = 63  # pixels, which leave one cell after the last pooling


def alexnet(
    num_classes: int = 1000,
    grouped: bool = False,
    image_size: int | None = None,
    filters: Sequence[int] | None = None,
    hidden: int = 4096,
) -> Sequential:
    """Photos (N, 3, image_size, image_size) to scores (N, num_classes).

    grouped: the paper's network.  Its second, fourth and fifth convolutions are split into two groups, one
    per GPU, and the first two are normalised across channels (LRN).  Otherwise the network of "One weird
    trick" (Krizhevsky 2014), which has neither and is narrower at first.
    image_size: 227 for the paper's network (which says 224, but 227 fits its sizes), 224 for the other.
    filters: of the five convolutions.  hidden: units of the two hidden layers.
    Raises InputError for photos smaller than 63 pixels.
    """
    size = image_size or (227 if grouped else 224)
    if size < _SMALLEST:
        raise InputError(f"alexnet: image_size is {size} but must be at least {_SMALLEST}")
    first, *widths = filters or ((96, 256, 384, 384, 256) if grouped else (64, 192, 384, 256, 256))
    second, third, fourth, fifth = widths
    groups = 2 if grouped else 1
    # The paper's alpha of 1e-4 is not divided by the window's size; that of LRN is.
    normalise: list[Module] = [LRN(5, alpha=5e-4), LRN(5, alpha=5e-4)] if grouped else []
    features = Sequential(
        *(Conv2d(3, first, 11, stride=4, pad=0 if grouped else 2), ReLU(), *normalise[:1], MaxPool2d(3, 2)),
        *(Conv2d(first, second, 5, pad=2, groups=groups), ReLU(), *normalise[1:], MaxPool2d(3, 2)),
        *(Conv2d(second, third, 3, pad=1), ReLU()),
        *(Conv2d(third, fourth, 3, pad=1, groups=groups), ReLU()),
        *(Conv2d(fourth, fifth, 3, pad=1, groups=groups), ReLU(), MaxPool2d(3, 2)),
    )
    side = (size - 11 + (0 if grouped else 4)) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    classifier = Sequential(
        *(Dropout(0.5), Affine(fifth * side**2, hidden), ReLU()),
        *(Dropout(0.5), Affine(hidden, hidden), ReLU()),
        Affine(hidden, num_classes, HEAD),
    )
    return Sequential(features=features, classifier=classifier)
