"""Layers as objects that own their parameters."""

from minicap.nn.activations import (
    ELU,
    GELU,
    GLU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from minicap.nn.affine import Affine, Flatten, Scale, ScaleShift, Split, TemporalAffine
from minicap.nn.attention import AdditiveAttention, DotProductAttention, MultiHeadAttention, SoftAttention
from minicap.nn.bidirectional import Bidirectional
from minicap.nn.composition import Branches, Residual, Sequential
from minicap.nn.conv import Conv1d, Conv2d, ConvTranspose2d
from minicap.nn.dropout import Dropout, RecurrentDropout, SpatialDropout
from minicap.nn.embedding import Embedding
from minicap.nn.heads import WithHeads
from minicap.nn.module import Gradients, Module, prefixed
from minicap.nn.normalization import LRN, BatchNorm, BatchNorm2d, GroupNorm, LayerNorm
from minicap.nn.pair import Pair
from minicap.nn.pooling import AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d
from minicap.nn.recurrent import GRU, LSTM, RECURRENT, RNN, Recurrent
from minicap.nn.sharing import Work
from minicap.nn.summary import summarize
from minicap.nn.supervised import Supervised
from minicap.nn.whitening import PatchWhitening

__all__ = [
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LRN",
    "LSTM",
    "RECURRENT",
    "RNN",
    "AdditiveAttention",
    "Affine",
    "AvgPool2d",
    "BatchNorm",
    "BatchNorm2d",
    "Bidirectional",
    "Branches",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "DotProductAttention",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Gradients",
    "GroupNorm",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "Pair",
    "PatchWhitening",
    "ReLU",
    "ReLU6",
    "Recurrent",
    "RecurrentDropout",
    "Residual",
    "Scale",
    "ScaleShift",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SoftAttention",
    "Softmax",
    "SpatialDropout",
    "Split",
    "Supervised",
    "Tanh",
    "TemporalAffine",
    "WithHeads",
    "Work",
    "prefixed",
    "summarize",
]
