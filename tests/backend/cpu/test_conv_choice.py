import numpy as np
import pytest

from minicap.backend.cpu import conv, tuning
from minicap.backend.cpu.conv.problem import problem_of
from minicap.errors import MinicapError
from minicap.layers.checks import complex_numbers
from minicap.layers.conv import ConvCache, conv_forward


@pytest.fixture(autouse=True)
def nothing_is_measured(monkeypatch):
    monkeypatch.setenv("MINICAP_AUTOTUNE", "0")
    conv.chosen.cache_clear()
    yield
    conv.chosen.cache_clear()


def algorithm_of(x, w, **options):
    arrays = np.zeros(x, np.float32), np.zeros(w, np.float32), None
    cache = conv_forward(*arrays, **options)[1]
    return type(cache).__name__


@pytest.mark.parametrize(
    ("cache", "x", "w", "options"),
    [
        ("WinogradCache", (2, 16, 9, 9), (16, 16, 3, 3), dict(pad=1)),
        ("WinogradCache", (2, 16, 9, 9), (16, 8, 5, 5), dict(pad="same", groups=2)),
        ("PointwiseCache", (2, 32, 9, 9), (16, 32, 1, 1), dict(stride=[2, 1])),
        ("FewChannelsCache", (2, 3, 32, 32), (16, 3, 3, 3), dict(pad=1)),
        ("FewChannelsCache", (2, 3, 64, 64), (64, 3, 7, 7), dict(pad=3, stride=2)),
        ("DepthwiseCache", (2, 32, 16, 16), (32, 1, 3, 3), dict(pad=1, groups=32)),
        ("ColumnsCache", (2, 16, 9, 9), (16, 16, 3, 3), dict(stride=2)),
        ("ColumnsCache", (2, 16, 9, 9), (16, 16, 3, 3), dict(dilation=2)),
        ("ColumnsCache", (2, 16, 9, 9), (16, 16, 1, 1), dict(pad=1)),
        ("ColumnsCache", (2, 16, 9, 9), (4, 16, 3, 3), {}),
        ("ConvCache", (1, 3, 5, 5), (2, 3, 3, 3), {}),
    ],
)
def test_an_algorithm_takes_what_it_is_good_at(cache, x, w, options):
    assert algorithm_of(x, w, **options) == cache


X, W, B = np.zeros((2, 16, 9, 9)), np.zeros((16, 16, 3, 3)), np.zeros(16)


@pytest.mark.parametrize(
    ("arrays", "options"),
    [
        ((X[0], W, B), {}),
        ((X, W[:, 1:], B), {}),
        ((X, W, B[1:]), {}),
        ((X, W, B.astype(np.float32)), {}),
        ((X, W.tolist(), B), {}),
        ((X.astype(int), W.astype(int), B.astype(int)), {}),
        ((X, W, B), dict(stride=0)),
        ((X, W, B), dict(stride="two")),
        ((X, W, B), dict(pad={})),
        ((X, W, B), dict(groups=3)),
        ((X, W, B), dict(dilation=9)),
        ((X, W, B), dict(strid=9)),
    ],
)
def test_what_does_not_fit_is_left_to_the_textbook_to_refuse(arrays, options):
    with pytest.raises((MinicapError, TypeError)):
        conv_forward(*arrays, **options)


def test_complex_numbers_are_left_to_the_textbook():
    arrays = [a.astype(complex) for a in (X, W, B)]
    assert problem_of(*arrays) is None
    with complex_numbers():
        assert isinstance(conv_forward(*arrays)[1], ConvCache)


def test_the_choice_may_be_measured_and_asks_nothing_about_the_batch(monkeypatch):
    asked = []

    def choose(question, names, candidates):
        asked.append(question)
        ways = candidates()
        assert set(names) == set(ways)
        for way in ways.values():
            way()
        return "columns" if question.startswith("conv") else names[0]

    monkeypatch.setattr(tuning, "choose", choose)
    arrays = np.zeros((2, 16, 40, 9)), np.zeros((16, 16, 3, 3)), None
    assert type(conv_forward(*arrays, pad=1)[1]).__name__ == "ColumnsCache"
    conv.chosen.cache_clear()
    conv_forward(np.zeros((3, 16, 40, 9)), *arrays[1:], pad=1)
    questions = [question for question in asked if question.startswith("conv")]
    assert len(questions) == 2
    assert len(set(questions)) == 1
