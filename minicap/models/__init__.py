"""Whole networks."""

from minicap.models.alexnet import alexnet
from minicap.models.cnns import (
    SMALL_NETWORKS,
    cnn1,
    cnn2,
    cnn3,
    cnn4,
    cnn5,
    lenet,
    mlp,
    softmax_regression,
)
from minicap.models.efficientnet import efficientnet_lite0
from minicap.models.fast_cifar import fast_cifar
from minicap.models.googlenet import googlenet
from minicap.models.imagenet import imagenet_classes
from minicap.models.inception import inception_v3
from minicap.models.on_features import CLASSIFIER_SETTINGS, OnFeatures
from minicap.models.registry import NETWORK_SETTINGS, make_network
from minicap.models.resnet import resnet
from minicap.models.saved import load_model
from minicap.models.squeezenet import Fire, SqueezeNet
from minicap.models.vgg import vgg

__all__ = [
    "CLASSIFIER_SETTINGS",
    "NETWORK_SETTINGS",
    "SMALL_NETWORKS",
    "Fire",
    "OnFeatures",
    "SqueezeNet",
    "alexnet",
    "cnn1",
    "cnn2",
    "cnn3",
    "cnn4",
    "cnn5",
    "efficientnet_lite0",
    "fast_cifar",
    "googlenet",
    "imagenet_classes",
    "inception_v3",
    "lenet",
    "load_model",
    "make_network",
    "mlp",
    "resnet",
    "softmax_regression",
    "vgg",
]
