"""The cells of CS231n's captioning notebooks, run on minicap."""

import numpy as np
import pytest

from minicap.compat.cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from minicap.compat.cs231n.rnn_layers import (
    affine_backward,
    affine_forward,
    lstm_backward,
    lstm_forward,
    lstm_step_backward,
    lstm_step_forward,
    rnn_backward,
    rnn_forward,
    rnn_step_backward,
    rnn_step_forward,
    sigmoid,
    temporal_affine_backward,
    temporal_affine_forward,
    temporal_softmax_loss,
    word_embedding_backward,
    word_embedding_forward,
)

N, T, D, H, M, V = 2, 3, 4, 5, 6, 7


@pytest.mark.parametrize(
    ("forward", "backward", "shapes"),
    [
        (rnn_step_forward, rnn_step_backward, [(N, D), (N, H), (D, H), (H, H), (H,)]),
        (rnn_forward, rnn_backward, [(N, T, D), (N, H), (D, H), (H, H), (H,)]),
        (lstm_forward, lstm_backward, [(N, T, D), (N, H), (D, 4 * H), (H, 4 * H), (4 * H,)]),
        (affine_forward, affine_backward, [(N, T, D), (T * D, M), (M,)]),
        (temporal_affine_forward, temporal_affine_backward, [(N, T, D), (D, M), (M,)]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_gradients(forward, backward, shapes, rng):
    arrays = [rng.normal(size=shape) for shape in shapes]
    out, cache = forward(*arrays)
    dout = rng.normal(size=out.shape)
    for array, gradient in zip(arrays, backward(dout, cache), strict=True):
        numeric = eval_numerical_gradient_array(lambda _: forward(*arrays)[0], array, dout)
        np.testing.assert_allclose(gradient, numeric, atol=1e-7)


def test_lstm_step_gradients_from_both_outputs(rng):
    shapes = [(N, D), (N, H), (N, H), (D, 4 * H), (H, 4 * H), (4 * H,)]
    arrays = [rng.normal(size=shape) for shape in shapes]
    *_, cache = lstm_step_forward(*arrays)
    dh, dc = rng.normal(size=(N, H)), rng.normal(size=(N, H))
    for array, gradient in zip(arrays, lstm_step_backward(dh, dc, cache), strict=True):
        numeric_h = eval_numerical_gradient_array(lambda _: lstm_step_forward(*arrays)[0], array, dh)
        numeric_c = eval_numerical_gradient_array(lambda _: lstm_step_forward(*arrays)[1], array, dc)
        np.testing.assert_allclose(gradient, numeric_h + numeric_c, atol=1e-7)


def test_the_sigmoid_of_the_notebook_neither_overflows_nor_changes_its_input():
    x = np.array([-1000.0, 0.0, np.log(3), 1000.0])
    with np.errstate(over="raise"):
        np.testing.assert_allclose(sigmoid(x), [0, 0.5, 0.75, 1])
    assert x[0] == -1000
    assert sigmoid(np.array([0, 1])).dtype == np.float64  # as NumPy computes with integers


def test_an_rnn_is_tanh_of_two_products(rng):
    x, h = rng.normal(size=(N, T, D)), rng.normal(size=(N, H))
    Wx, Wh, b = rng.normal(size=(D, H)), rng.normal(size=(H, H)), rng.normal(size=H)
    out, _ = rnn_forward(x, h, Wx, Wh, b)
    for t in range(T):
        h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        np.testing.assert_allclose(out[:, t], h)


def test_the_gates_are_in_the_order_i_f_o_g_and_the_first_cell_is_zero(rng):
    x, h, c = rng.normal(size=(N, T, D)), rng.normal(size=(N, H)), np.zeros((N, H))
    Wx, Wh, b = rng.normal(size=(D, 4 * H)), rng.normal(size=(H, 4 * H)), rng.normal(size=4 * H)
    out, _ = lstm_forward(x, h, Wx, Wh, b)
    for t in range(T):
        a = x[:, t] @ Wx + h @ Wh + b
        i, f, o = (sigmoid(a[:, k * H : (k + 1) * H]) for k in range(3))
        c = f * c + i * np.tanh(a[:, 3 * H :])
        h = o * np.tanh(c)
        np.testing.assert_allclose(out[:, t], h)


def test_word_embedding_adds_up_repeated_words(rng):
    x, W = np.array([[0, 3, 1], [3, 3, 0]]), rng.normal(size=(V, D))
    out, cache = word_embedding_forward(x, W)
    np.testing.assert_array_equal(out[1, 1], W[3])
    dout = rng.normal(size=out.shape)
    numeric = eval_numerical_gradient_array(lambda _: word_embedding_forward(x, W)[0], W, dout)
    np.testing.assert_allclose(word_embedding_backward(dout, cache), numeric, atol=1e-9)


def test_temporal_softmax_loss_has_the_notebooks_expected_sizes(rng):
    def loss(N, T, V, p):
        x, y = 0.001 * rng.normal(size=(N, T, V)), rng.integers(V, size=(N, T))
        return temporal_softmax_loss(x, y, rng.random((N, T)) <= p)[0]

    assert loss(100, 1, 10, 1.0) == pytest.approx(np.log(10), abs=0.01)
    assert loss(100, 10, 10, 1.0) == pytest.approx(10 * np.log(10), abs=0.05)
    assert loss(5000, 10, 10, 0.1) == pytest.approx(np.log(10), abs=0.1)


@pytest.mark.parametrize("dtype", [bool, int, float])
def test_temporal_softmax_gradient_with_a_mask_of_any_dtype(dtype, rng):
    x, y = rng.normal(size=(N, T, V)), rng.integers(V, size=(N, T))
    mask = np.array([[1, 0, 1], [1, 1, 0]]).astype(dtype)
    _, dx = temporal_softmax_loss(x, y, mask, verbose=False)
    numeric = eval_numerical_gradient(lambda x: temporal_softmax_loss(x, y, mask)[0], x, verbose=False)
    np.testing.assert_allclose(dx, numeric, atol=1e-8)


def test_verbose_prints_a_shape_and_quiet_prints_nothing(capsys):
    arguments = np.zeros((1, 2, 3)), np.zeros((1, 2), int), np.ones((1, 2))
    temporal_softmax_loss(*arguments)
    assert capsys.readouterr().out == ""
    temporal_softmax_loss(*arguments, verbose=True)
    assert "(1, 2, 3)" in capsys.readouterr().out
