"""Sides that agree on small sizes; every case checks itself again at its own size before it is timed."""

import importlib

import numpy as np
import pytest

from benchmarks.cases.captions import BeamSearch, CaptionStep
from benchmarks.cases.conv import Convolution
from benchmarks.cases.layers import KINDS, Layer
from benchmarks.cases.networks import Network, bricks
from benchmarks.cases.recurrent import RecurrentLayer, VocabularyProjection
from benchmarks.parity import disagreement, sketch
from benchmarks.peers import PEERS, load, set_up
from minicap.models import cnn2, fast_cifar, mlp, resnet
from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, ReLU, Sequential


def small(image, classes):
    """For images (3, 8, 8)."""
    return Sequential(
        *(Conv2d(3, 4, 5, pad="same"), ReLU(), MaxPool2d(), Dropout(0.25)),
        *(Conv2d(4, 6, pad="same"), ReLU(), MaxPool2d()),
        *(Affine(24, 8), ReLU(), Affine(8, classes)),
    )


def residual(image, classes):
    return resnet(18, classes, width=2)


def narrow(image, classes):
    """For images (3, 32, 32)."""
    return fast_cifar(classes, (2, 3, 4))


SMALL = {
    "conv": (Convolution(4, 5, 9, 6, stride=2), 1e-5),
    "rnn": (RecurrentLayer("rnn", 4, 5, 6, T=3), 1e-5),
    "lstm": (RecurrentLayer("lstm", 4, 5, 6, T=3), 1e-5),
    "gru": (RecurrentLayer("gru", 4, 5, 6, T=3), 1e-5),
    "projection": (VocabularyProjection(11, N=4, T=3, H=5), 1e-5),
    "network": (Network(small, 6, (3, 8, 8), 7), 1e-4),
    "scores": (Network(small, 6, (3, 8, 8), 7, train=False), 1e-5),
    "record": (Network(narrow, 4, (3, 32, 32), 7), 1e-4),
    "residual scores": (Network(residual, 6, (3, 40, 40), 7, train=False), 1e-5),
    "captioner": (CaptionStep(4, 6, 5, 13, T=4, F=7), 1e-4),
    "beam": (BeamSearch(4, 6, 5, 13, T=5, F=7), 1e-4),
}


def answers(work, side):
    return {name: sketch(array) for name, array in set_up(side, work, threads=2).answer().items()}


@pytest.mark.parametrize("side", ["torch", "torch-channels-last"])
@pytest.mark.parametrize("name", SMALL)
def test_torch_computes_the_same(name, side):
    pytest.importorskip("torch", reason="the peer is not installed")
    (work, tolerance), were_on = SMALL[name], _gradients_on()
    try:
        ours, theirs = answers(work, "minicap"), answers(work, side)
    finally:
        _gradients_on(were_on)
    assert disagreement(ours, theirs, tolerance) == ""
    assert set(ours) == set(theirs)


@pytest.mark.parametrize("name", KINDS)
def test_torch_has_the_same_layers(name):
    pytest.importorskip("torch", reason="the peer is not installed")
    ours, theirs = answers(Layer(name), "minicap"), answers(Layer(name), "torch")
    assert disagreement(ours, theirs, 1e-2 if name == "dropout" else 1e-4) == ""


@pytest.mark.parametrize("name", ["conv", "network"])
def test_the_floor_computes_the_same(name):
    work, tolerance = SMALL[name]
    assert disagreement(answers(work, "minicap"), answers(work, "cs231n"), tolerance) == ""


@pytest.mark.parametrize("name", ["conv", "network"])
def test_dezero_computes_the_same(name, monkeypatch):
    if PEERS["dezero"].missing:
        pytest.skip("the peer is not installed")
    monkeypatch.setattr(np, "int", int, raising=False)  # loading it does so too, but for good
    load("dezero", threads=1)
    work, tolerance = SMALL[name]
    assert disagreement(answers(work, "minicap"), answers(work, "dezero"), tolerance) == ""


@pytest.mark.parametrize("name", SMALL)
def test_minicaps_side_runs(name):
    work, _ = SMALL[name]
    task = set_up("minicap", work, threads=2)
    task.run()
    task.run()


def test_the_layers_of_a_network_have_their_sizes():
    layers = list(bricks(cnn2((3, 64, 64), 200)).values())
    assert [brick.kind for brick in layers].count("conv") == 4
    first_fc, last_fc = (brick for brick in layers if brick.kind == "fc")
    assert (first_fc.inputs, first_fc.outputs) == (64 * 16 * 16, 512)
    assert (last_fc.inputs, last_fc.outputs) == (512, 200)
    assert [brick.rate for brick in layers if brick.kind == "dropout"] == [0.25, 0.25, 0.5]


def test_the_last_layer_has_the_classes_of_the_data():
    assert bricks(mlp((3, 32, 32), 10))["affine2"].outputs == 10


def _gradients_on(wanted=None):
    """Whether torch records gradients; a convolution's side switches that off in its own process."""
    torch = importlib.import_module("torch")
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(before if wanted is None else wanted)
    return before
