"""minicap.layers.sequence_losses against hand-computed values and PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import ClassIndexError, DtypeError, InputError, ShapeError
from minicap.layers.losses import softmax_loss
from minicap.layers.sequence_losses import (
    policy_gradient_loss,
    temporal_affine_softmax_loss,
    temporal_softmax_loss,
)
from minicap.layers.temporal import temporal_affine_backward, temporal_affine_forward

REDUCTIONS = st.sampled_from(["mean", "words", "sum", "none"])


def torch_words_loss(x, y, weight, mask, reduction, smoothing=0.0):
    """Weighted word losses in PyTorch, reduced as the docstring says, and the gradient of their sum."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    x = torch.tensor(x, requires_grad=True)
    single = torch.nn.functional.cross_entropy(
        x.swapaxes(1, 2), torch.tensor(y), reduction="none", label_smoothing=smoothing
    )
    single = single * torch.tensor(weight * mask)
    loss = {
        "mean": lambda: single.sum() / len(y),
        "words": lambda: single.sum() / max(mask.sum(), 1),
        "sum": lambda: single.sum(),
        "none": lambda: single,
    }[reduction]()
    loss.sum().backward()
    return loss.detach().numpy(), x.grad.numpy()


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * max(1, np.abs(b).max()))


def random_batch(seed, N, T, V):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, T + 1, size=(N, 1))
    return rng, 3 * rng.normal(size=(N, T, V)), rng.integers(V, size=(N, T)), np.arange(T) < lengths


def test_the_mean_sums_over_time_and_divides_by_the_batch():
    x, y, mask = np.zeros((2, 3, 10)), np.zeros((2, 3), dtype=int), np.array([[1.0, 1, 1], [1, 0, 0]])
    log10 = np.log(10)
    assert temporal_softmax_loss(x, y, mask)[0] == pytest.approx(4 * log10 / 2)
    assert temporal_softmax_loss(x, y)[0] == pytest.approx(3 * log10)
    assert temporal_softmax_loss(x, y, mask, "words")[0] == pytest.approx(log10)
    assert temporal_softmax_loss(x, y, mask, "sum")[0] == pytest.approx(4 * log10)
    np.testing.assert_allclose(temporal_softmax_loss(x, y, mask, "none")[0], mask * log10)


def test_masked_words_have_no_loss_and_no_gradient(rng):
    x, y = rng.normal(size=(2, 3, 4)), np.array([[1, 2, 3], [0, 1, 2]])
    mask = np.array([[True, False, True], [False, True, False]])
    _, dx = temporal_softmax_loss(x, y, mask)
    assert not dx[~mask].any()
    assert dx[mask].all()
    changed = np.where(mask[:, :, None], x, 100 * x)
    assert temporal_softmax_loss(changed, y, mask)[0] == temporal_softmax_loss(x, y, mask)[0]


def test_a_sequence_of_one_step_is_the_softmax_loss(rng):
    x, y = rng.normal(size=(4, 1, 5)), rng.integers(5, size=(4, 1))
    loss, dx = temporal_softmax_loss(x, y)
    expected, dexpected = softmax_loss(x[:, 0], y[:, 0])
    assert loss == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(dx[:, 0], dexpected, rtol=1e-14)


def test_a_batch_without_words_has_loss_zero():
    for reduction in ("mean", "words", "sum"):
        loss, dx = temporal_softmax_loss(
            np.ones((2, 3, 4)), np.zeros((2, 3), int), np.zeros((2, 3)), reduction
        )
        assert loss == 0
        assert not dx.any()


@pytest.mark.parametrize("reduction", ["mean", "words", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_a_projection_is_that_of_its_scores(reduction, smoothing):
    rng, x, y, mask = random_batch(5, 3, 4, 6)
    w, b = rng.normal(size=(6, 7)), rng.normal(size=7)
    scores, cache = temporal_affine_forward(x, w, b)
    expected, dscores = temporal_softmax_loss(scores, y, mask, reduction, smoothing)
    ours = temporal_affine_softmax_loss(x, w, b, y, mask, reduction, smoothing)
    assert_same(ours, (expected, *temporal_affine_backward(dscores, cache)))
    alone = temporal_affine_softmax_loss(x, w, b, y, mask, reduction, smoothing, gradients=False)
    assert_same(alone[:1], (expected,))
    assert alone[1:] == (None, None, None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_of_a_projection_keeps_its_dtype_and_its_arguments(dtype):
    rng, x, y, mask = random_batch(5, 3, 4, 6)
    arrays = [a.astype(dtype) for a in (x, rng.normal(size=(6, 7)), rng.normal(size=7))]
    for array in (*arrays, y, mask):
        array.flags.writeable = False
    assert {a.dtype for a in temporal_affine_softmax_loss(*arrays, y, mask)} == {np.dtype(dtype)}


def test_a_better_sentence_is_made_likelier_and_a_worse_one_less_likely():
    x, y = np.zeros((2, 1, 2)), np.array([[0], [0]])
    loss, dx = policy_gradient_loss(x, y, np.array([2.0, -2.0]))
    assert loss == 0  # log 2 gained and lost
    np.testing.assert_allclose(dx[:, 0], [[-0.5, 0.5], [0.5, -0.5]])


def test_equal_advantages_of_one_are_the_softmax_loss(rng):
    _, x, y, mask = random_batch(3, 3, 4, 5)
    assert_same(policy_gradient_loss(x, y, np.ones(3), mask), temporal_softmax_loss(x, y, mask))


def test_the_policy_gradient_is_the_gradient_of_the_expected_reward(rng):
    # One step, four words: the average over all samples, each as often as it is drawn, is exact.
    x, reward = rng.normal(size=4), rng.normal(size=4)
    p = np.exp(x) / np.exp(x).sum()
    expected = -(p * (reward - p @ reward))  # d(-p.reward)/dx
    estimate = 0
    for word in range(4):
        _, dx = policy_gradient_loss(x[None, None], np.array([[word]]), reward[[word]])
        estimate = estimate + p[word] * dx[0, 0]
    np.testing.assert_allclose(estimate, expected, rtol=1e-12)


@settings(max_examples=50)
@given(
    N=st.integers(1, 4),
    T=st.integers(1, 4),
    V=st.integers(1, 6),
    reduction=REDUCTIONS,
    smoothing=st.sampled_from([0.0, 0.1]),
    bool_mask=st.booleans(),
    seed=st.integers(0, 999),
)
def test_temporal_softmax_loss_equals_pytorch(N, T, V, reduction, smoothing, bool_mask, seed):
    _, x, y, mask = random_batch(seed, N, T, V)
    ours = temporal_softmax_loss(
        x, y, mask if bool_mask else mask.astype(float), reduction, label_smoothing=smoothing
    )
    assert_same(ours, torch_words_loss(x, y, np.ones((N, T)), mask, reduction, smoothing))


@settings(max_examples=50)
@given(
    N=st.integers(1, 4),
    T=st.integers(1, 4),
    V=st.integers(1, 6),
    reduction=REDUCTIONS,
    per_word=st.booleans(),
    seed=st.integers(0, 999),
)
def test_policy_gradient_loss_equals_pytorch(N, T, V, reduction, per_word, seed):
    rng, x, y, mask = random_batch(seed, N, T, V)
    advantage = rng.normal(size=(N, T) if per_word else (N, 1))
    ours = policy_gradient_loss(x, y, advantage if per_word else advantage[:, 0], mask, reduction)
    assert_same(ours, torch_words_loss(x, y, advantage, mask, reduction))


CALLS = {
    "temporal softmax": lambda x, y, **o: temporal_softmax_loss(x, y, y > 0, **o),
    "smoothed": lambda x, y, **o: temporal_softmax_loss(x, y, label_smoothing=np.float64(0.1), **o),
    "policy gradient": lambda x, y, **o: policy_gradient_loss(x, y, np.arange(3.0), y > 0, **o),
}


@pytest.mark.parametrize("loss_of", CALLS.values(), ids=CALLS)
class TestEveryLoss:
    @pytest.mark.parametrize("reduction", ["mean", "words", "sum", "none"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_the_dtype_that_goes_in_comes_out(self, loss_of, dtype, reduction, rng):
        x, y = rng.normal(size=(3, 4, 5)).astype(dtype), rng.integers(5, size=(3, 4))
        loss, dx = loss_of(x, y, reduction=reduction)
        assert loss.dtype == dx.dtype == dtype
        assert np.shape(loss) == ((3, 4) if reduction == "none" else ())

    def test_any_strides_give_the_same(self, loss_of, rng):
        x, y = rng.normal(size=(5, 4, 3)).T, rng.integers(5, size=(4, 3)).T
        for strided, copied in zip(loss_of(x, y), loss_of(x.copy(), y.copy()), strict=True):
            np.testing.assert_allclose(strided, copied, rtol=1e-13)

    def test_nothing_is_written_into_the_scores(self, loss_of, rng):
        x, y = rng.normal(size=(3, 4, 5)), rng.integers(5, size=(3, 4))
        x.flags.writeable = y.flags.writeable = False
        loss_of(x, y)

    def test_an_unknown_reduction_is_named(self, loss_of):
        with pytest.raises(InputError, match=r'reduction is \'tokens\' but must be .*"words"'):
            loss_of(np.ones((3, 4, 5)), np.ones((3, 4), int), reduction="tokens")


X, Y = np.ones((2, 3, 4)), np.array([[0, 1, 2], [3, 0, 0]])


def project(**changes):
    return temporal_affine_softmax_loss(**(dict(x=X, w=np.ones((4, 6)), b=np.ones(6), y=Y) | changes))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: temporal_softmax_loss(X[0], Y), ShapeError, "x has 2 axes"),
        (
            lambda: temporal_softmax_loss(X, Y.T),
            ShapeError,
            r"y must be \(2, 3\), one word for every row of x",
        ),
        (
            lambda: temporal_softmax_loss(X, Y, np.ones((2, 2))),
            ShapeError,
            r"mask is \(2, 2\) but must be \(2, 3\)",
        ),
        (lambda: temporal_softmax_loss(X, Y, np.ones(2)), ShapeError, r"mask is \(2,\)"),
        (lambda: temporal_softmax_loss(X, Y, np.ones((2, 3), int)), DtypeError, "mask is int64"),
        (
            lambda: temporal_softmax_loss(X, Y + 1),
            ClassIndexError,
            r"y\[1, 0\] is 4 but a word index must be 0..3",
        ),
        (
            lambda: temporal_softmax_loss(X, Y / 1),
            DtypeError,
            "y is float64 but must hold integer word indices",
        ),
        (lambda: temporal_softmax_loss(X, Y, label_smoothing=-0.1), InputError, "label_smoothing is -0.1"),
        (lambda: project(w=np.ones((5, 6))), ShapeError, "w does not fit x: D is 4 in x .* but 5 in w"),
        (lambda: project(b=np.ones(5)), ShapeError, "b does not fit w: M is 6"),
        (lambda: project(x=X.astype("f")), DtypeError, "x is float32 but w is float64"),
        (lambda: project(y=Y + 3), ClassIndexError, r"y\[1, 0\] is 6 but a word index must be 0..5"),
        (lambda: project(y=Y.T), ShapeError, r"y must be \(2, 3\)"),
        (lambda: project(mask=np.ones(2)), ShapeError, r"mask is \(2,\)"),
        (lambda: project(mask=np.ones((2, 3), int)), DtypeError, "mask is int64"),
        (lambda: project(reduction="tokens"), InputError, "reduction is 'tokens'"),
        (lambda: project(label_smoothing=2), InputError, "label_smoothing is 2"),
        (
            lambda: policy_gradient_loss(X, Y, np.ones(3)),
            ShapeError,
            r"advantage must be \(2,\), one per sentence, or \(2, 3\), one per word",
        ),
        (lambda: policy_gradient_loss(X, Y, np.ones(2), np.ones((3, 2))), ShapeError, r"mask is \(3, 2\)"),
        (lambda: policy_gradient_loss(X, Y - 1, np.ones(2)), ClassIndexError, r"y\[0, 0\] is -1"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
