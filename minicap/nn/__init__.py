"""Layers as objects that own their parameters."""

from minicap.nn.activations import ReLU, Sigmoid, Tanh
from minicap.nn.affine import Affine
from minicap.nn.classifier import Classifier
from minicap.nn.conv import Conv2d
from minicap.nn.dropout import Dropout
from minicap.nn.embedding import Embedding
from minicap.nn.module import Gradients, Module, prefixed
from minicap.nn.normalization import BatchNorm, BatchNorm2d, LayerNorm
from minicap.nn.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from minicap.nn.recurrent import GRU, LSTM, RECURRENT, RNN, Recurrent
from minicap.nn.sequential import Sequential
from minicap.nn.summary import summarize

__all__ = [
    "GRU",
    "LSTM",
    "RECURRENT",
    "RNN",
    "Affine",
    "AvgPool2d",
    "BatchNorm",
    "BatchNorm2d",
    "Classifier",
    "Conv2d",
    "Dropout",
    "Embedding",
    "GlobalAvgPool",
    "Gradients",
    "LayerNorm",
    "MaxPool2d",
    "Module",
    "ReLU",
    "Recurrent",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "prefixed",
    "summarize",
]
