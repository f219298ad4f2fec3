"""ResNet-50 (He et al. 2016), with the stride in the 3x3 convolution of a block as everybody has it now."""

from benchmarks.cases.networks import Network, classifier_case
from minicap.models import resnet
from minicap.nn import Sequential


def resnet50(image: tuple[int, int, int], classes: int) -> Sequential:
    """For photos of any size."""
    return resnet(50, classes)


# In float64 both sides agree to 1e-9 (tests/models).  In float32 each, PyTorch too, is 4 % from that in some
# gradient of a training step: rounding flips ReLUs, and 50 layers of batch normalisation spread it.
_TOLERANCE = {"infer": 1e-2, "train": 1e-1}

CASES = [
    classifier_case(
        f"resnet50/{name}",
        Network(resnet50, 8, (3, 224, 224), 1000, train=name == "train"),
        tolerance=tolerance,
        slow=True,
    )
    for name, tolerance in _TOLERANCE.items()
]
