import numpy as np
import pytest

from minicap.captioning import ShowAndTell, ShowAndTellConfig
from minicap.nn import LSTM, RNN, Affine, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential, Work

BATCH = {"x": np.zeros((64, 10))}


def photos(size):
    return {"x": np.zeros((64, 3, size, size)), "y": np.zeros(64, int)}


def test_small_work_stays_in_one_piece_and_large_work_is_shared():
    assert RNN(10, 512).shards(BATCH, 1, most=8) == 1
    assert RNN(1, 1000).shards(BATCH, 64, most=8) == 4  # 1,002,000 weights meet 64 samples: 64 million
    assert RNN(1, 1000).shards(BATCH, 64, most=2) == 2


def test_every_filter_meets_every_pixel():
    filters = Conv2d(3, 8)  # 216 weights
    assert filters.shards(photos(8), 64, most=8) == 1
    assert filters.shards(photos(64), 64, most=8) == 3  # 216 * 4096 * 64 is 56.6 million
    assert filters.shards(photos(128), 64, most=8) == 8


def test_words_count_one_by_one():
    words = {"words": np.zeros((32, 12), int)}
    assert RNN(1, 512).shards(words, 32, most=8) == 1
    assert RNN(1, 512).shards(words, 32 * 12 * 2, most=8) == 2  # the state of 32 rows of 512


def test_matrices_alone_are_one_shard_however_large():
    x = {"x": np.zeros((64, 4000))}
    assert Affine(4000, 4000).shards(x, 64, most=8) == 1
    assert Sequential(Affine(4000, 4000), RNN(4000, 4000)).shards(x, 64, most=8) == 8


def test_a_recurrent_layer_is_shared_only_when_its_single_steps_are_large():
    def net(hidden):
        return Sequential(LSTM(512, hidden), Affine(hidden, 10_000))

    words = {"words": np.zeros((64, 16), int)}
    assert net(128).shards(words, 64 * 16, most=8) == 1
    assert net(512).shards(words, 64 * 16, most=8) == 4
    assert net(512).shards(words, 64 * 16, most=2) == 2


def test_a_device_of_its_own_gets_the_batch_in_one_piece(strict_cupy):
    batch = {"x": strict_cupy.from_host(np.zeros((64, 10)))}
    assert RNN(1000, 1000).shards(batch, 64, most=8) == 1


def test_a_module_of_ones_own_says_what_it_needs():
    class Unrolled(Module):
        def work(self, pixels):
            return Work(10_000_000, pays=True, state=256)

    assert Unrolled().shards(BATCH, 64, most=8) == 2  # 64 states of 256


def cnn2(classes, size):
    def half(channels, filters):
        convs = (Conv2d(channels, filters), ReLU(), Conv2d(filters, filters), ReLU())
        return (*convs, MaxPool2d(), Dropout(0.25))

    features = 64 * (size // 4) ** 2
    return Sequential(*half(3, 32), *half(32, 64), Affine(features, 512), ReLU(), Affine(512, classes))


@pytest.mark.parametrize(
    ("model", "batch", "count", "shards"),
    [
        (cnn2(10, 32), photos(32), 64, 8),
        (cnn2(10, 8), {"x": np.zeros((4, 3, 8, 8))}, 4, 1),
        (Sequential(Affine(784, 512), ReLU(), Affine(512, 10)), {"x": np.zeros((128, 784))}, 128, 1),
        (LSTM(256, 512), {"x": np.zeros((64, 16, 256))}, 1024, 4),
        (LSTM(128, 128), {"x": np.zeros((64, 16, 128))}, 1024, 1),
        (
            ShowAndTell(ShowAndTellConfig("lstm", 256, 512), 1024, 8000),
            {"features": np.zeros((64, 1024)), "words": np.zeros((64, 12), int)},
            700,
            4,
        ),
    ],
    ids=["CNN2", "CNN2 of 4 tiny images", "MLP", "LSTM 512", "LSTM 128", "captioner"],
)
def test_networks_we_have_measured(model, batch, count, shards):
    assert model.shards(batch, count, most=8) == shards
