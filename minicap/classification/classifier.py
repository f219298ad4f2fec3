"""A classifier in one piece: preprocessing, network and the names of its classes, from photo to class."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from minicap.arrays import Array, to_device, to_host
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.data import Preprocess
from minicap.errors import InputError
from minicap.formats import from_named
from minicap.layers import softmax_forward
from minicap.metrics.classification import accuracy
from minicap.models import CLASSIFIER_SETTINGS, imagenet_classes, make_network
from minicap.models.pretrained import load_pretrained
from minicap.models.published import CLASSIFIERS, DEFAULT, pretrained
from minicap.nn import Supervised
from minicap.training import Trained


class Classifier(Trained):
    """Names what is on photos.

    Classifier.shipped() works straight after installation; Classifier.load(PATH) reads a checkpoint.
    model: a network with its loss; of photos it reads what `preprocess` makes of them, as grey ones where
    channels is 1.
    """

    kind, called = "classifier", "a classifier"

    def __init__(
        self,
        model: Supervised,
        config: Any,
        classes: Sequence[str],
        preprocess: Preprocess,
        channels: int = 3,
    ) -> None:
        self.model, self.config, self.classes = model, config, tuple(classes)
        self.preprocess, self.channels = preprocess, channels

    @classmethod
    def create(
        cls,
        config: Any,
        classes: Sequence[str],
        preprocess: Preprocess,
        channels: int = 3,
        label_smoothing: float = 0.0,
    ) -> "Classifier":
        """One with an untrained network; call model.initialize(seed) on it.

        config: the network's settings.  label_smoothing: of its loss in training.
        Raises InputError for fewer than two classes, or a network that cannot read such photos.
        """
        if len(classes) < 2:
            raise InputError(f"a classifier needs two classes or more, not {len(classes)}")
        net = make_network(config, (channels, preprocess.size, preprocess.size), len(classes))
        model = Supervised(net, metrics={"accuracy": accuracy}, label_smoothing=label_smoothing)
        return cls(model, config, classes, preprocess, channels)

    def about(self) -> dict[str, Any]:
        """What a checkpoint must carry besides arrays, as JSON values."""
        return {
            "kind": self.kind,
            "model": asdict(self.config),
            "classes": list(self.classes),
            "preprocess": self.preprocess.to_json(),
            "channels": self.channels,
        }

    @classmethod
    def described(cls, about: Mapping[str, Any], where: str) -> "Classifier":
        config = from_named(CLASSIFIER_SETTINGS, about["model"], "model", where)
        preprocess = Preprocess.from_json(about["preprocess"])
        return cls.create(config, _names(about), preprocess, _channels(about))

    @classmethod
    def shipped(cls) -> "Classifier":
        """EfficientNet-Lite0 with its ImageNet weights, which are in the package."""
        return cls.pretrained(DEFAULT)

    @classmethod
    def pretrained(cls, name: str) -> "Classifier":
        """A network with published ImageNet weights (`minicap models` lists them).

        Raises InputError for another name, and when the weights are not here.
        """
        if name not in CLASSIFIERS:
            raise InputError(
                f"{name!r} names no classes of ImageNet; those that do: {', '.join(CLASSIFIERS)}"
            )
        net, preprocess = load_pretrained(name)
        return cls(Supervised(net), pretrained(name).config, imagenet_classes(), preprocess)

    def load_photo(self, path: str | os.PathLike[str]) -> NDArray[np.uint8]:
        """The photo in a file, (H, W, 3), as large as it needs to be.  Raises InputError for no photo."""
        return self.preprocess.load(path)

    def prepared(self, photo: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network reads of a photo (H, W, 3) of any size: (C, size, size)."""
        if self.channels == 1:
            photo = np.asarray(Image.fromarray(photo).convert("L").convert("RGB"))
        return self.preprocess.of_photo(photo)[: self.channels]

    def scores(self, images: Array, batch_size: int = 256) -> NDArray[np.float32]:
        """Scores (N, K) of images (N, C, size, size) as `prepared` makes them, on the host."""
        found = []
        for start in range(0, len(images), batch_size):
            rows = images[start : start + batch_size]
            with explain_out_of_memory(len(rows)):
                found.append(to_host(self.model(to_device(rows))))
        return np.concatenate(found)

    def probabilities(self, photo: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The probability of each class for a photo (H, W, 3), (K,)."""
        return np.asarray(softmax_forward(self.scores(self.prepared(photo)[None]))[0][0])

    def classify(
        self, photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], top: int = 5
    ) -> list[list[tuple[str, float]]]:
        """The most probable classes of each photo file with their probabilities, best first.

        Raises InputError naming a file that is no photo.
        """
        several = [photos] if isinstance(photos, (str, os.PathLike)) else photos
        found = (self.best(self.load_photo(photo), top) for photo in several)
        return [[(self.classes[i], p) for i, p in best] for best in found]

    def best(self, photo: NDArray[np.uint8], top: int = 5) -> list[tuple[int, float]]:
        """Indices and probabilities of the most probable classes of a photo (H, W, 3), best first."""
        probabilities = self.probabilities(photo)
        order = np.argsort(-probabilities, kind="stable")[:top]
        return [(int(i), float(probabilities[i])) for i in order]


def _names(about: Mapping[str, Any]) -> list[str]:
    names = about["classes"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("its classes are not a list of names")
    return names


def _channels(about: Mapping[str, Any]) -> int:
    channels = about["channels"]
    if type(channels) is not int or channels not in (1, 3):
        raise ValueError(f"channels is {channels!r} but must be 1 or 3")
    return channels
