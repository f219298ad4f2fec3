"""minicap.layers.ranking_losses against the definitions, written as loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays.random import RandomStream
from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers.ranking_losses import pairwise_ranking_loss, warp_loss


def rank_weight(rank):
    return sum(1 / i for i in range(1, rank + 1))


def possible_terms(x, has, j, margin):
    """Every (draws, violator) that sampling for label j may end with."""
    lacked = [k for k in range(len(x)) if not has[k]]
    violators = [k for k in lacked if margin - x[j] + x[k] > 0]
    most_draws = len(lacked) - len(violators) + 1
    return [(draws, k) for draws in range(1, most_draws + 1) for k in violators]


def test_warp_by_hand_where_every_draw_violates():
    # Label 0 is below both others, so the first draw ends it: rank 2, L = 1 + 1/2.
    x, y = np.array([[0.0, 5.0, 5.0]]), np.array([[1, 0, 0]])
    loss, dx = warp_loss(x, y, rng=0)
    assert loss == pytest.approx(1.5 * 6)
    assert dx[0, 0] == -1.5
    assert sorted(dx[0, 1:]) == [0, 1.5]


def test_labels_ranked_with_room_to_spare_cost_nothing():
    loss, dx = warp_loss(np.array([[3.0, 0.0, 1.9]]), np.array([[True, False, False]]), rng=0)
    assert loss == 0
    assert not dx.any()


@pytest.mark.parametrize("y", [np.zeros((2, 3)), np.ones((2, 3)), np.ones((2, 1)), np.zeros((2, 1))])
def test_samples_with_no_label_or_with_all_have_nothing_to_rank(y, rng):
    loss, dx = warp_loss(rng.normal(size=y.shape), y, rng=0)
    assert loss == 0
    assert not dx.any()


@settings(max_examples=50)
@given(K=st.integers(2, 7), margin=st.sampled_from([0.3, 1.0]), seed=st.integers(0, 9999))
def test_warp_is_a_draw_that_the_definition_allows(K, margin, seed):
    rng = np.random.default_rng(seed)
    x, has = rng.normal(size=K), np.arange(K) == rng.integers(K)
    j = int(has.argmax())
    loss, dx = warp_loss(x[None], has[None], rng=seed, margin=margin)
    allowed = possible_terms(x, has, j, margin)
    if not allowed:
        assert loss == 0
        assert not dx.any()
        return
    violator = int(dx[0].argmax())
    weight = dx[0, violator]
    assert any(
        k == violator and weight == pytest.approx(rank_weight((K - 1) // draws)) for draws, k in allowed
    )
    assert dx[0, j] == -weight
    assert loss == pytest.approx(weight * (margin - x[j] + x[violator]))


def test_the_draws_are_uniform_and_without_replacement():
    # Label 4, the one violator of four lacked labels, comes at draw 1, 2, 3 or 4, each a quarter of the time.
    x = np.tile([0.0, -9, -9, -9, 5.0], (8000, 1))
    y = np.tile([1.0, 0, 0, 0, 0], (8000, 1))
    _, dx = warp_loss(x, y, rng=1, reduction="sum")
    weights = {rank_weight(4 // draws): 0 for draws in (1, 2, 3, 4)}  # ranks 4, 2, 1, 1
    for weight in weights:
        weights[weight] = np.isclose(dx[:, 4], weight).mean()
    assert weights == pytest.approx(
        {rank_weight(4): 0.25, rank_weight(2): 0.25, rank_weight(1): 0.5}, abs=0.02
    )


def test_violators_are_drawn_equally_often():
    x, y = np.zeros((6000, 4)), np.tile([1.0, 0, 0, 0], (6000, 1))
    _, dx = warp_loss(x, y, rng=2)
    np.testing.assert_allclose((dx[:, 1:] > 0).mean(axis=0), 1 / 3, atol=0.02)


def test_two_labels_that_draw_the_same_violator_both_push_it():
    x, y = np.array([[0.0, 0.0, 9.0]]), np.array([[1, 1, 0]])
    loss, dx = warp_loss(x, y, rng=0)
    np.testing.assert_array_equal(dx, [[-1.5, -1.5, 3.0]])
    assert loss == 30


def test_the_same_seed_draws_the_same_and_a_generator_moves_on(rng):
    x, y = rng.normal(size=(20, 9)), rng.integers(2, size=(20, 9))
    np.testing.assert_array_equal(warp_loss(x, y, rng=5)[1], warp_loss(x, y, rng=5)[1])
    assert (warp_loss(x, y, rng=5)[1] != warp_loss(x, y, rng=6)[1]).any()
    assert (warp_loss(x, y, rng)[1] != warp_loss(x, y, rng)[1]).any()


def test_a_batch_cut_into_shards_draws_what_the_whole_batch_draws(rng):
    x, y = rng.normal(size=(7, 5)), rng.integers(2, size=(7, 5))
    stream = RandomStream(key=11)
    _, whole = warp_loss(x, y, stream, reduction="sum")
    _, first = warp_loss(x[:3], y[:3], stream, reduction="sum")
    _, second = warp_loss(x[3:], y[3:], stream._replace(row=3), reduction="sum")
    np.testing.assert_array_equal(np.concatenate((first, second)), whole)


def ranking_loop(x, margin, hardest):
    """Both directions, pair by pair."""
    losses = np.zeros(len(x))
    for n in range(len(x)):
        others = [k for k in range(len(x)) if k != n]
        to_sentences = [max(0.0, margin - x[n, n] + x[n, k]) for k in others]
        to_images = [max(0.0, margin - x[n, n] + x[k, n]) for k in others]
        join = (lambda costs: max(costs, default=0.0)) if hardest else sum
        losses[n] = join(to_sentences) + join(to_images)
    return losses


@settings(max_examples=40)
@given(
    N=st.integers(1, 6),
    hardest=st.booleans(),
    margin=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 999),
)
def test_pairwise_ranking_equals_the_loop_over_pairs(N, hardest, margin, seed):
    x = np.random.default_rng(seed).normal(size=(N, N))
    losses, _ = pairwise_ranking_loss(x, margin, hardest, "none")
    np.testing.assert_allclose(losses, ranking_loop(x, margin, hardest), atol=1e-12)


@settings(max_examples=40)
@given(
    N=st.integers(2, 6),
    hardest=st.booleans(),
    reduction=st.sampled_from(["mean", "sum", "none"]),
    seed=st.integers(0, 999),
)
def test_pairwise_ranking_gradient_equals_pytorch(N, hardest, reduction, seed):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    scores = np.random.default_rng(seed).normal(size=(N, N))
    x = torch.tensor(scores, requires_grad=True)
    total = 0
    for s in (x, x.T):
        costs = (0.2 - s.diagonal()[:, None] + s).clamp(min=0).masked_fill(torch.eye(N, dtype=bool), 0)
        total = total + (costs.max(dim=1).values if hardest else costs.sum(dim=1))
    loss = {"mean": total.mean(), "sum": total.sum(), "none": total}[reduction]
    loss.sum().backward()
    ours, dx = pairwise_ranking_loss(scores, hardest=hardest, reduction=reduction)
    np.testing.assert_allclose(ours, loss.detach().numpy(), atol=1e-9)
    np.testing.assert_allclose(dx, x.grad.numpy(), atol=1e-9)


def test_among_equally_hard_negatives_the_first_gets_the_gradient():
    x = np.array([[0.0, 1.0, 1.0], [-5, 0, -5], [-5, -5, 0]])
    _, dx = pairwise_ranking_loss(x, margin=0.5, hardest=True, reduction="sum")
    np.testing.assert_array_equal(dx, [[-1, 2, 1], [0, -1, 0], [0, 0, -1]])


CALLS = {
    "warp": lambda x, **o: warp_loss(x, np.eye(4), 3, margin=np.float64(0.7), **o),
    "pairwise": lambda x, **o: pairwise_ranking_loss(x, margin=np.float64(0.7), **o),
    "hardest": lambda x, **o: pairwise_ranking_loss(x, hardest=True, **o),
}


@pytest.mark.parametrize("loss_of", CALLS.values(), ids=CALLS)
class TestEveryLoss:
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_the_dtype_that_goes_in_comes_out(self, loss_of, dtype, reduction, rng):
        loss, dx = loss_of(rng.normal(size=(4, 4)).astype(dtype), reduction=reduction)
        assert loss.dtype == dx.dtype == dtype
        assert np.shape(loss) == ((4,) if reduction == "none" else ())

    def test_any_strides_give_the_same(self, loss_of, rng):
        x = rng.normal(size=(8, 8))[::-2, ::2]
        for strided, copied in zip(loss_of(x), loss_of(x.copy()), strict=True):
            np.testing.assert_allclose(strided, copied, rtol=1e-14)

    def test_nothing_is_written_into_the_scores(self, loss_of, rng):
        x = rng.normal(size=(4, 4))
        x.flags.writeable = False
        loss_of(x)


X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: warp_loss(X, np.ones(2), 0),
            ShapeError,
            r"y must be shaped like x \(x \(2, 3\), y \(2,\)\)",
        ),
        (lambda: warp_loss(X[0], X[0], 0), ShapeError, "warp_loss: x has 1 axes"),
        (lambda: warp_loss(X.astype(int), X, 0), DtypeError, "warp_loss: x is int64"),
        (lambda: warp_loss(X, 2 * X, 0), InputError, r"y must lie in \[0, 1\]"),
        (lambda: warp_loss(X, X, None), InputError, "rng is missing"),
        (lambda: warp_loss(X, X, 0, reduction="max"), InputError, "warp_loss: reduction is 'max'"),
        (lambda: pairwise_ranking_loss(X), ShapeError, r"pairwise_ranking_loss: x .*\(2, 3\)"),
        (lambda: pairwise_ranking_loss(np.ones((0, 0))), ShapeError, "x is empty"),
        (lambda: pairwise_ranking_loss(np.eye(2, dtype=np.float16)), DtypeError, "float16"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
