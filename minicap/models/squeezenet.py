"""SqueezeNet 1.1 (Iandola et al. 2016; version 1.1 of the authors), with its ImageNet weights."""

from importlib import resources

from minicap.data.images import SQUEEZENET, Preprocess
from minicap.formats import load_safetensors
from minicap.models.torch_names import SQUEEZENET as SQUEEZENET_NAMES
from minicap.models.torch_names import from_torch
from minicap.nn import Branches, Conv2d, Dropout, GlobalAvgPool, MaxPool2d, ReLU, Sequential

_WEIGHTS = "weights/squeezenet1_1.safetensors"


class Fire(Sequential):
    """Squeeze to few channels by 1x1 filters, then expand by 1x1 and 3x3 filters side by side."""

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__(
            squeeze=Sequential(conv=Conv2d(in_channels, squeeze, 1), relu=ReLU()),
            expand=Branches(
                expand1x1=Sequential(conv=Conv2d(squeeze, expand, 1), relu=ReLU()),
                expand3x3=Sequential(conv=Conv2d(squeeze, expand, 3, pad=1), relu=ReLU()),
            ),
        )


class SqueezeNet(Sequential):
    """SqueezeNet 1.1: images (N, 3, 227, 227) to scores (N, 1000).

    `features` ends in fire9's grid (N, 512, 14, 14).
    """

    preprocess: Preprocess = SQUEEZENET
    features: Sequential
    classifier: Sequential

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__(
            features=Sequential(
                conv1=Conv2d(3, 64, 3, stride=2),
                relu1=ReLU(),
                pool1=MaxPool2d(3, 2, ceil_mode=True),
                fire2=Fire(64, 16, 64),
                fire3=Fire(128, 16, 64),
                pool3=MaxPool2d(3, 2, ceil_mode=True),
                fire4=Fire(128, 32, 128),
                fire5=Fire(256, 32, 128),
                pool5=MaxPool2d(3, 2, ceil_mode=True),
                fire6=Fire(256, 48, 192),
                fire7=Fire(384, 48, 192),
                fire8=Fire(384, 64, 256),
                fire9=Fire(512, 64, 256),
            ),
            classifier=Sequential(
                dropout=Dropout(0.5), conv10=Conv2d(512, num_classes, 1), relu=ReLU(), pool=GlobalAvgPool()
            ),
        )

    @classmethod
    def pretrained(cls) -> "SqueezeNet":
        """With the ImageNet weights that ship in the package (BSD-2-Clause, see weights/NOTICE.txt)."""
        model = cls()
        with resources.as_file(resources.files("minicap.models") / _WEIGHTS) as path:
            tensors, _ = load_safetensors(path)
        model.load(from_torch(model, tensors, SQUEEZENET_NAMES, where=_WEIGHTS))
        return model
