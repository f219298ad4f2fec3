"""Whole networks."""

from minicap.models.imagenet import imagenet_classes
from minicap.models.squeezenet import Fire, SqueezeNet

__all__ = ["Fire", "SqueezeNet", "imagenet_classes"]
