"""A classifier on the features of a pretrained network that stays as it is: for photos that are few."""

from dataclasses import dataclass
from typing import Any, Literal

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.data.images import Preprocess
from minicap.errors import InputError
from minicap.models.cnns import Image
from minicap.models.encoders import ENCODER_SETTINGS, Encoder, make_encoder
from minicap.models.registry import NETWORK_SETTINGS
from minicap.nn import Affine, Dropout, Gradients, Module, Sequential, prefixed
from minicap.nn.init import zeros
from minicap.nn.standardization import Standardization

_AT_ONCE = 32  # photos that the encoder is given together


class OnFeatures(Module):
    """Softmax regression on an encoder's features f of the photo (Donahue et al. 2014):

        scores = dropout((f - mean) / std) W + b.

    The encoder is not a part of the model: its weights are neither trained nor saved with it.
    It reads photos in RGB, with the encoder's mean and std taken out.
    """

    def __init__(self, encoder: Encoder, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        (features,) = encoder.shapes["pooled"]
        self.encoder = encoder
        self.head = Sequential(
            standardized=Standardization(features),
            dropout=Dropout(dropout),
            affine=Affine(features, num_classes, zeros),
        )

    def fit(self, images: Array) -> None:
        """Take mean and std of the features from images (M, 3, H, W), prepared like those of training."""
        starts = range(0, len(images), _AT_ONCE)
        parts = [self.features(images[start : start + _AT_ONCE]) for start in starts]
        standardized: Any = self.head.children["standardized"]
        standardized.fit(backend_of(part=parts[0]).xp.concatenate(parts), self.head.params["affine.w"].dtype)

    def features(self, images: Array) -> Array:
        """The encoder's features (N, F) of photos (N, 3, H, W)."""
        if self.encoder.preprocess.channels == "BGR":
            images = images[:, ::-1]
        return self.encoder.encode(images)

    def forward(self, x: Array, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return self.head.forward(self.features(x), train, rng)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradients of the parameters.  Raises InputError for that of the photo, which the encoder hides."""
        if input_gradient:
            raise InputError("OnFeatures: the photo has no gradient here; the encoder keeps no cache of it")
        _, grads = self.head.backward(dout, cache, input_gradient=False)
        return None, prefixed("head", grads)


@dataclass(frozen=True)
class OnFeaturesConfig:
    """Settings of a classifier on the features of an encoder, which stays as it is.

    name: softmax regression on pretrained features, for photos of your own that are few.
    encoder: efficientnet_lite0, squeezenet1_1, resnet50, vgg16 or inception_v3.
    dropout: of the features.
    """

    name: Literal["on-features"] = "on-features"
    encoder: Literal["efficientnet_lite0", "squeezenet1_1", "resnet50", "vgg16", "inception_v3"] = (
        "efficientnet_lite0"
    )
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout} but must be at least 0 and below 1")

    @property
    def photos(self) -> Preprocess:
        """How its photos are prepared.  Raises InputError where the encoder's weights are missing."""
        return self._encoder().preprocess

    def make(self, image: Image, num_classes: int) -> Module:
        encoder = self._encoder()
        size = encoder.preprocess.size
        if image != (3, size, size):
            raise InputError(
                f"on-features with {self.encoder} reads photos in colour of {size} x {size}, but these are "
                f"{' x '.join(map(str, image))} (C, H, W); --size {size} brings a folder's photos to that"
            )
        return OnFeatures(encoder, num_classes, self.dropout)

    def _encoder(self) -> Encoder:
        return make_encoder(ENCODER_SETTINGS[self.encoder]())


CLASSIFIER_SETTINGS: dict[str, type[Any]] = NETWORK_SETTINGS | {"on-features": OnFeaturesConfig}
