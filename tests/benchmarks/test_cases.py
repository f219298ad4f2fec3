"""Sides that agree on small sizes; every case checks itself again at its own size before it is timed."""

import importlib

import numpy as np
import pytest

from benchmarks.cases.captions import BeamSearch, CaptionStep
from benchmarks.cases.conv import Convolution
from benchmarks.cases.layers import KINDS, Layer
from benchmarks.cases.networks import PAPER, Network, bricks
from benchmarks.cases.recurrent import RecurrentLayer, VocabularyProjection
from benchmarks.cases.residual import minicap_resnet50, torch_resnet50
from benchmarks.parity import disagreement, sketch
from benchmarks.peers import PEERS, load, set_up
from benchmarks.torch_mode import copy_parameters, in_minicap_layout
from minicap.nn import Supervised

SPEC = "CONV(4, 5), RELU, POOL(2), DROPOUT(0.25), CONV(6, 3), RELU, POOL(2), FC(8), RELU, FC(200), SOFTMAX"
SMALL = {
    "conv": (Convolution(4, 5, 9, 6, stride=2), 1e-5),
    "rnn": (RecurrentLayer("rnn", 4, 5, 6, T=3), 1e-5),
    "lstm": (RecurrentLayer("lstm", 4, 5, 6, T=3), 1e-5),
    "gru": (RecurrentLayer("gru", 4, 5, 6, T=3), 1e-5),
    "projection": (VocabularyProjection(11, N=4, T=3, H=5), 1e-5),
    "network": (Network(SPEC, 6, (3, 8, 8), 7), 1e-4),
    "scores": (Network(SPEC, 6, (3, 8, 8), 7, train=False), 1e-5),
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


@pytest.mark.slow
def test_resnet50_has_the_gradients_of_torch_in_float64(rng):
    torch = pytest.importorskip("torch", reason="the peer is not installed")
    ours = minicap_resnet50(10).initialize(seed=0, dtype=np.float64)
    theirs = torch_resnet50(10).double()
    copy_parameters(theirs, ours.params)
    x, y = rng.normal(size=(4, 3, 64, 64)), rng.integers(10, size=4)
    loss, grads = Supervised(ours).loss({"x": x, "y": y})
    their_loss = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
    their_loss.backward()
    assert float(loss) == pytest.approx(their_loss.item(), rel=1e-12)
    compared = 0
    for parameter in theirs.parameters():
        parameter.data = parameter.grad  # read the gradients as the parameters are read
    for name, expected in in_minicap_layout(theirs, ours.params).items():
        gap = np.linalg.norm(grads[f"net.{name}"] - expected) / np.linalg.norm(expected)
        assert gap < 1e-10, name
        compared += 1
    assert compared == len(list(theirs.parameters()))


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


def test_a_network_is_read_as_the_paper_writes_it():
    layers = bricks(PAPER["cnn2"], (3, 64, 64), 200)
    assert [brick.kind for brick in layers].count("conv") == 4
    first_fc, last_fc = (brick for brick in layers if brick.kind == "fc")
    assert (first_fc.inputs, first_fc.outputs) == (64 * 16 * 16, 512)
    assert (last_fc.inputs, last_fc.outputs) == (512, 200)
    assert [brick.rate for brick in layers if brick.kind == "dropout"] == [0.25, 0.25, 0.5]


def test_the_last_layer_has_the_classes_of_the_data():
    assert bricks(PAPER["mlp"], (3, 32, 32), 10)[-1].outputs == 10


def _gradients_on(wanted=None):
    """Whether torch records gradients; a convolution's side switches that off in its own process."""
    torch = importlib.import_module("torch")
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(before if wanted is None else wanted)
    return before
