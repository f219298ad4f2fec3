import numpy as np
import pytest

from minicap.training.order import epoch_batches, nearly_sorted


def test_an_epoch_sees_every_example_once_in_another_order_each_time():
    orders = []
    for epoch in range(3):
        batches = epoch_batches(500, 32, seed=0, epoch=epoch)
        assert [len(batch) for batch in batches] == [32] * 15 + [20]
        orders.append(list(np.concatenate(batches)))
        assert sorted(orders[-1]) == list(range(500))
    assert orders[0] != orders[1] != orders[2]
    assert list(np.concatenate(epoch_batches(500, 32, seed=0, epoch=0))) == orders[0]


def test_another_seed_is_another_order():
    one, other = (np.concatenate(epoch_batches(50, 8, seed, epoch=0)) for seed in (0, 1))
    assert (one != other).any()


def test_batches_of_similar_length_still_see_every_example_once():
    lengths = np.random.default_rng(0).integers(1, 20, size=2100)
    batches = epoch_batches(2100, 32, seed=0, epoch=0, lengths=lengths)
    assert sorted(np.concatenate(batches)) == list(range(2100))
    spread = [np.ptp(lengths[batch]) for batch in batches]
    assert np.mean(spread) < np.ptp(lengths) / 4
    # The batches themselves come in no order of length.
    means = [lengths[batch].mean() for batch in batches]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


@pytest.mark.parametrize("size", [1, 7, 8, 9])
def test_nearly_sorted_sorts_stretches_and_loses_nothing(size):
    lengths, order = np.arange(size)[::-1], np.arange(size)
    found = nearly_sorted(order, lengths, batch_size=2, pool=2)
    assert sorted(found) == list(range(size))
    for start in range(0, size, 4):
        assert (np.diff(lengths[found[start : start + 4]]) >= 0).all()
