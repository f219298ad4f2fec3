"""minicap.layers.losses against hand-computed values and PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import BackendMismatch, ClassIndexError, DtypeError, InputError, ShapeError
from minicap.layers.losses import mse_loss, sigmoid_bce_loss, softmax_loss, svm_loss

REDUCTIONS = st.sampled_from(["mean", "sum", "none"])


def torch_loss(loss_of, x):
    """The loss that PyTorch finds, and the gradient of its sum."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    x = torch.tensor(x, requires_grad=True)
    loss = loss_of(torch.nn.functional, x)
    loss.sum().backward()
    return loss.detach().numpy(), x.grad.numpy()


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * max(1, np.abs(b).max()))


def test_the_softmax_loss_of_equal_scores_is_the_logarithm_of_the_number_of_classes():
    loss, dx = softmax_loss(np.zeros((3, 10)), np.array([0, 4, 9]))
    assert loss == pytest.approx(np.log(10), rel=1e-15)
    assert dx[0] == pytest.approx(np.array([-0.9] + [0.1] * 9) / 3)


def test_the_softmax_loss_of_two_classes_by_hand():
    loss, dx = softmax_loss(np.array([[np.log(3.0), 0.0]]), np.array([1]))  # probabilities 3/4 and 1/4
    assert loss == pytest.approx(np.log(4))
    np.testing.assert_allclose(dx, [[0.75, -0.75]], rtol=1e-14)


def test_huge_scores_do_not_overflow_the_softmax_loss():
    loss, dx = softmax_loss(np.array([[1e4, 0.0], [0.0, -1e4]]), np.array([1, 0]))
    assert loss == 5000
    np.testing.assert_array_equal(dx, [[0.5, -0.5], [0, 0]])


def test_label_smoothing_spreads_its_share_over_every_class_the_right_one_too():
    x = np.log(np.array([[0.5, 0.3, 0.2]]))
    loss, dx = softmax_loss(x, np.array([0]), label_smoothing=0.3)
    target = np.array([0.8, 0.1, 0.1])
    assert loss == pytest.approx(-(target * x).sum())
    np.testing.assert_allclose(dx, np.exp(x) - target, atol=1e-15)


def test_the_svm_loss_by_hand():
    # The classes inside the margin of 1 are 1 (by 0.5) and 2 (by 3), then none.
    loss, dx = svm_loss(np.array([[2.0, 1.5, 4.0], [0.0, 5.0, -1.0]]), np.array([0, 1]))
    assert loss == (0.5 + 3) / 2
    np.testing.assert_array_equal(dx, [[-1, 0.5, 0.5], [0, 0, 0]])


def test_a_class_that_just_meets_the_margin_costs_nothing_and_gets_no_gradient():
    loss, dx = svm_loss(np.array([[1.0, 0.0]]), np.array([0]))
    assert loss == 0
    assert not dx.any()


def test_the_mean_of_the_binary_cross_entropy_is_over_all_entries():
    loss, dx = sigmoid_bce_loss(np.zeros((2, 3)), np.ones((2, 3)))
    assert loss == pytest.approx(np.log(2))
    np.testing.assert_allclose(dx, np.full((2, 3), -0.5 / 6))


def test_huge_logits_do_not_overflow_the_binary_cross_entropy():
    loss, dx = sigmoid_bce_loss(np.array([[1e4, -1e4, 1e4, -1e4]]), np.array([[0.0, 1, 1, 0]]), "none")
    np.testing.assert_array_equal(loss, [[1e4, 1e4, 0, 0]])
    np.testing.assert_array_equal(dx, [[1, -1, 0, 0]])


def test_a_confident_binary_loss_keeps_its_small_digits():
    loss, _ = sigmoid_bce_loss(np.array([[40.0]]), np.array([[1.0]]))
    assert loss == pytest.approx(np.exp(-40.0), rel=1e-12)


def test_the_squared_error_has_no_half_and_averages_over_entries():
    loss, dx = mse_loss(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
    assert loss == 2.5
    np.testing.assert_array_equal(dx, [[1, -2]])


@settings(max_examples=40)
@given(
    N=st.integers(1, 5),
    K=st.integers(1, 6),
    reduction=REDUCTIONS,
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 999),
)
def test_softmax_loss_equals_pytorch(N, K, reduction, smoothing, seed):
    rng = np.random.default_rng(seed)
    x, y = 5 * rng.normal(size=(N, K)), rng.integers(K, size=N)
    target = pytest.importorskip("torch", reason="PyTorch is the oracle of this test").tensor(y)
    assert_same(
        softmax_loss(x, y, reduction=reduction, label_smoothing=smoothing),
        torch_loss(
            lambda F, x: F.cross_entropy(x, target, reduction=reduction, label_smoothing=smoothing), x
        ),
    )


@settings(max_examples=40)
@given(
    N=st.integers(1, 5),
    K=st.integers(1, 6),
    reduction=REDUCTIONS,
    margin=st.sampled_from([0.5, 1.0, 3.0]),
    seed=st.integers(0, 999),
)
def test_svm_loss_is_k_times_the_multi_margin_loss_of_pytorch(N, K, reduction, margin, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(N, K)), rng.integers(K, size=N)
    target = pytest.importorskip("torch", reason="PyTorch is the oracle of this test").tensor(y)
    assert_same(
        svm_loss(x, y, margin=margin, reduction=reduction),
        torch_loss(lambda F, x: K * F.multi_margin_loss(x, target, margin=margin, reduction=reduction), x),
    )


@settings(max_examples=40)
@given(
    N=st.integers(1, 5),
    K=st.integers(1, 6),
    reduction=REDUCTIONS,
    weighted=st.booleans(),
    seed=st.integers(0, 9),
)
def test_sigmoid_bce_loss_equals_pytorch(N, K, reduction, weighted, seed):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    rng = np.random.default_rng(seed)
    x, y, pos_weight = 5 * rng.normal(size=(N, K)), rng.uniform(size=(N, K)), rng.uniform(0.1, 4, size=K)
    theirs = torch_loss(
        lambda F, x: F.binary_cross_entropy_with_logits(
            x,
            torch.tensor(y),
            reduction=reduction,
            pos_weight=torch.tensor(pos_weight) if weighted else None,
        ),
        x,
    )
    assert_same(sigmoid_bce_loss(x, y, reduction, pos_weight if weighted else 1.0), theirs)


@settings(max_examples=25)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), reduction=REDUCTIONS, seed=st.integers(0, 999)
)
def test_mse_loss_equals_pytorch(shape, reduction, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=shape), rng.normal(size=shape)
    target = pytest.importorskip("torch", reason="PyTorch is the oracle of this test").tensor(y)
    assert_same(
        mse_loss(x, y, reduction), torch_loss(lambda F, x: F.mse_loss(x, target, reduction=reduction), x)
    )


CALLS = {
    "softmax": lambda x, **o: softmax_loss(x, np.arange(len(x)) % 3, **o),
    "smoothed softmax": lambda x, **o: softmax_loss(
        x, np.arange(len(x)) % 3, label_smoothing=np.float64(0.1), **o
    ),
    "svm": lambda x, **o: svm_loss(x, np.arange(len(x)) % 3, margin=np.float64(0.7), **o),
    "bce": lambda x, **o: sigmoid_bce_loss(x, (x > 0.3).astype(x.dtype), pos_weight=x.dtype.type(2), **o),
    "weighted bce": lambda x, **o: sigmoid_bce_loss(x, (x > 0.3).astype(x.dtype), pos_weight=abs(x[0]), **o),
    "mse": lambda x, **o: mse_loss(x, 0.5 * x, **o),
}


@pytest.mark.parametrize("loss_of", CALLS.values(), ids=CALLS)
class TestEveryLoss:
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_the_dtype_that_goes_in_comes_out(self, loss_of, dtype, reduction, rng):
        x = rng.normal(size=(4, 3)).astype(dtype)
        loss, dx = loss_of(x, reduction=reduction)
        assert loss.dtype == dx.dtype == dtype
        assert np.shape(loss) == () or reduction == "none"

    def test_any_strides_give_the_same(self, loss_of, rng):
        x = rng.normal(size=(8, 6))[::-2, ::2]
        loss, dx = loss_of(x)
        loss_copy, dx_copy = loss_of(x.copy())
        assert loss == pytest.approx(loss_copy, rel=1e-14)
        np.testing.assert_allclose(dx, dx_copy, rtol=1e-14)

    def test_nothing_is_written_into_the_scores(self, loss_of, rng):
        x = rng.normal(size=(4, 3))
        x.flags.writeable = False
        loss_of(x)

    def test_the_single_losses_add_up(self, loss_of, rng):
        x = rng.normal(size=(4, 3))
        single, dx = loss_of(x, reduction="none")
        total, dtotal = loss_of(x, reduction="sum")
        mean, dmean = loss_of(x, reduction="mean")
        assert single.sum() == pytest.approx(total)
        assert single.mean() == pytest.approx(mean)
        np.testing.assert_allclose(dx, dtotal)
        np.testing.assert_allclose(dx / single.size, dmean)

    def test_an_unknown_reduction_is_named(self, loss_of):
        with pytest.raises(InputError, match="reduction is 'average' but must be"):
            loss_of(np.ones((2, 3)), reduction="average")


X, Y = np.ones((2, 3)), np.array([0, 2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: softmax_loss(np.ones(3), Y), ShapeError, r"softmax_loss: x has 1 axes"),
        (lambda: softmax_loss(X, Y[:1]), ShapeError, r"y must be \(2,\), one class for every row of x"),
        (lambda: softmax_loss(X, np.eye(2)), ShapeError, r"y must be \(2,\).*y \(2, 2\)"),
        (lambda: softmax_loss(np.ones((0, 3)), Y[:0]), ShapeError, r"x is empty \(0, 3\)"),
        (
            lambda: softmax_loss(X, np.array([0, 3])),
            ClassIndexError,
            r"y\[1\] is 3 but a class index must be 0..2",
        ),
        (lambda: softmax_loss(X, np.array([-1, 0])), ClassIndexError, r"y\[0\] is -1"),
        (lambda: softmax_loss(X, Y.astype(float)), DtypeError, "y is float64 but must hold integer class"),
        (lambda: softmax_loss(X.astype(int), Y), DtypeError, "x is int64"),
        (lambda: softmax_loss(X.astype(np.float16), Y), DtypeError, "x is float16.*use float32"),
        (lambda: softmax_loss(X, [0, 2]), BackendMismatch, "y is a list, not an array"),
        (
            lambda: softmax_loss(X, Y, label_smoothing=1.5),
            InputError,
            r"label_smoothing is 1.5 but must lie in",
        ),
        (lambda: svm_loss(X, np.array([0, 3])), ClassIndexError, r"svm_loss: y\[1\] is 3"),
        (lambda: svm_loss(X, Y[:1]), ShapeError, r"svm_loss: y must be \(2,\)"),
        (lambda: sigmoid_bce_loss(X, X[:, :2]), ShapeError, "K is 3 in x .* but 2 in y"),
        (lambda: sigmoid_bce_loss(X, X > 0), DtypeError, "x is float64 but y is bool|y is bool"),
        (lambda: sigmoid_bce_loss(X, X.astype("f4")), DtypeError, "x is float64 but y is float32"),
        (lambda: sigmoid_bce_loss(X, -X), InputError, r"y must lie in \[0, 1\] but runs from -1.0 to -1.0"),
        (lambda: sigmoid_bce_loss(X, X * np.nan), InputError, r"y must lie in \[0, 1\] but runs from nan"),
        (lambda: sigmoid_bce_loss(X, X, pos_weight=np.ones(2)), ShapeError, "but 2 in pos_weight"),
        (lambda: mse_loss(X, X[:, :2]), ShapeError, r"y must be shaped like x \(x \(2, 3\), y \(2, 2\)\)"),
        (lambda: mse_loss(X, X.astype("f4")), DtypeError, "x is float64 but y is float32"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
