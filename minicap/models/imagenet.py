"""The classes of ImageNet."""

from importlib import resources


def imagenet_classes() -> list[str]:
    """Names of the 1000 classes in the order of a classifier's scores."""
    file = resources.files("minicap.models") / "weights" / "imagenet_classes.txt"
    return file.read_text(encoding="utf-8").splitlines()
