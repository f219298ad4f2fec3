"""SqueezeNet (Iandola et al. 2016, table 1, and the authors' version 1.1), with ImageNet weights of 1.1."""

from importlib import resources
from typing import Literal

from minicap.data.images import SQUEEZENET, Preprocess
from minicap.errors import InputError
from minicap.formats import load_safetensors
from minicap.models.torch_names import from_torch, squeezenet
from minicap.nn import Branches, Conv2d, Dropout, GlobalAvgPool, MaxPool2d, Module, ReLU, Sequential
from minicap.nn.init import HEAD

Version = Literal["1.0", "1.1"]
# Filters of the first convolution, their size, and the modules that pooling comes before.
_PLANS = {
    "1.0": (96, 7, ("fire2", "fire5", "fire9")),
    "1.1": (64, 3, ("fire2", "fire4", "fire6")),
}
# The number of filters that squeeze, and of each of the two sizes that expand.
_FIRES = {
    "fire2": (16, 64),
    "fire3": (16, 64),
    "fire4": (32, 128),
    "fire5": (32, 128),
    "fire6": (48, 192),
    "fire7": (48, 192),
    "fire8": (64, 256),
    "fire9": (64, 256),
}
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
    """SqueezeNet: images (N, 3, 227, 227) to scores (N, 1000).

    version: "1.0" is the paper's; "1.1" takes 2.4 times fewer multiplications for the same accuracy, with
    fewer and smaller filters at the start and earlier pooling.
    `features` ends in fire9's grid (N, 512, 14, 14); in version 1.0 it is (N, 512, 13, 13).
    Raises InputError for another version.
    """

    preprocess: Preprocess = SQUEEZENET
    features: Sequential
    classifier: Sequential

    def __init__(self, num_classes: int = 1000, version: Version = "1.1") -> None:
        if version not in _PLANS:
            raise InputError(f'SqueezeNet: version is {version!r} but must be "1.0" or "1.1"')
        filters, size, pooled_before = _PLANS[version]
        layers: dict[str, Module] = {"conv1": Conv2d(3, filters, size, stride=2), "relu1": ReLU()}
        channels, previous = filters, "conv1"
        for name, (squeeze, expand) in _FIRES.items():
            if name in pooled_before:
                layers[f"pool{previous[-1]}"] = MaxPool2d(3, 2, ceil_mode=True)
            layers[name] = Fire(channels, squeeze, expand)
            channels, previous = 2 * expand, name
        super().__init__(
            features=Sequential(**layers),
            classifier=Sequential(
                dropout=Dropout(0.5),
                conv10=Conv2d(512, num_classes, 1, draw=HEAD),
                relu=ReLU(),
                pool=GlobalAvgPool(),
            ),
        )

    @classmethod
    def pretrained(cls) -> "SqueezeNet":
        """Version 1.1 with the ImageNet weights in the package (BSD-2-Clause, see weights/NOTICE.txt)."""
        model = cls()
        with resources.as_file(resources.files("minicap.models") / _WEIGHTS) as path:
            tensors, _ = load_safetensors(path)
        model.load(from_torch(model, tensors, squeezenet(model), where=_WEIGHTS))
        return model
