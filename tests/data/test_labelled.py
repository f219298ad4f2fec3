import tracemalloc

import numpy as np
import pytest

from minicap.arrays.random import RandomStream
from minicap.data import ArrayDataset
from minicap.errors import InputError, ShapeError


@pytest.fixture
def images(rng):
    return rng.integers(256, size=(10, 3, 4, 4)).astype(np.uint8)


def test_a_batch_holds_the_samples_of_its_indices(images):
    batch = ArrayDataset(images, np.arange(10)).batch(np.array([7, 2]))
    assert batch["y"].tolist() == [7, 2]
    np.testing.assert_array_equal(batch["x"], images[[7, 2]].astype(np.float32) / 255)


def test_bytes_become_float32_and_floats_keep_their_dtype(images):
    assert ArrayDataset(images, np.arange(10)).batch(np.arange(2))["x"].dtype == np.float32
    assert ArrayDataset(images.astype(float), np.arange(10)).batch(np.arange(2))["x"].dtype == np.float64


def test_mean_and_std_belong_to_the_channels_on_the_scale_of_the_batch():
    x = np.full((2, 2, 1, 1), 255, dtype=np.uint8)
    batch = ArrayDataset(x, np.zeros(2), mean=(0.5, 0.25), std=(0.5, 0.25)).batch(np.array([0]))
    assert batch["x"].ravel().tolist() == [1.0, 3.0]


def test_standardized_channels_have_mean_0_and_deviation_1(images):
    data = ArrayDataset(images, np.arange(10)).standardized()
    x = data.batch(np.arange(10))["x"]
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, rtol=1e-5)


def test_standardizing_needs_little_memory_beside_the_images():
    images = np.random.default_rng(0).integers(256, size=(8192, 3, 8, 8), dtype=np.uint8)
    data = ArrayDataset(images, np.zeros(8192))
    tracemalloc.start()
    data.standardized()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < images.nbytes  # one array of float64 would take eight times as much


def test_a_channel_without_contrast_cannot_be_standardized(images):
    images[:, 1] = 7
    with pytest.raises(InputError, match="channel 1 of x is the same everywhere"):
        ArrayDataset(images, np.arange(10)).standardized()


def test_images_are_augmented_where_there_is_randomness_as_in_training(images):
    data = ArrayDataset(images, np.arange(10), augment=lambda x, rng: x + rng.key)
    plain = data.batch(np.arange(3))["x"]
    np.testing.assert_array_equal(data.batch(np.arange(3), RandomStream(2))["x"], plain + 2)


def test_images_are_augmented_while_their_black_is_0_and_their_white_1(images):
    seen = []

    def look(x, rng):
        seen.append(x)
        return np.ones_like(x)

    data = ArrayDataset(images, np.arange(10), mean=[0.5] * 3, std=[0.25] * 3, augment=look)
    np.testing.assert_array_equal(data.batch(np.arange(10), RandomStream(0))["x"], 2)
    np.testing.assert_array_equal(seen[0], images.astype(np.float32) / 255)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, bool])
def test_whole_numbers_become_float32_before_mean_and_std_are_taken_out(dtype):
    x = np.array([[0, 1], [1, 1]], dtype=dtype)
    batch = ArrayDataset(x, np.zeros(2), mean=(0.5, 0.0), std=(0.25, 0.5)).batch(np.arange(2))["x"]
    assert batch.dtype == np.float32
    assert batch.tolist() == [[-2, 2], [2, 2]]


def test_a_split_shares_the_samples_out(images):
    first, second = ArrayDataset(images, np.arange(10)).split(0.7, seed=1)
    assert (len(first), len(second)) == (7, 3)
    assert sorted([*first.y, *second.y]) == list(range(10))


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
def test_a_split_leaves_no_part_empty(images, share):
    with pytest.raises(InputError, match="leaves one part empty"):
        ArrayDataset(images, np.arange(10)).split(share)


def test_a_split_refuses_a_negative_seed(images):
    with pytest.raises(InputError, match=r"ArrayDataset\.split: seed is -1 but must not be negative"):
        ArrayDataset(images, np.arange(10)).split(0.5, seed=-1)


def test_samples_and_labels_must_be_as_many(images):
    with pytest.raises(ShapeError, match="10 samples in x but 9 in y"):
        ArrayDataset(images, np.arange(9))


def test_a_mean_needs_a_number_for_each_channel(images):
    with pytest.raises(ShapeError, match="mean has 1 numbers, one is needed for each channel"):
        ArrayDataset(images, np.arange(10), mean=(0.5,))


def test_a_deviation_must_be_positive(images):
    with pytest.raises(InputError, match=r"std is .* but must be positive"):
        ArrayDataset(images, np.arange(10), std=(1.0, 0.0, 1.0))


@pytest.mark.parametrize("x", [[[1.0]], np.float32(3), np.array(["a"]), np.array([None])])
def test_what_is_no_array_of_numbers_is_refused(x):
    with pytest.raises(InputError, match="ArrayDataset: x must be an array of numbers"):
        ArrayDataset(x, np.zeros(1, int))


@pytest.mark.parametrize("share", [float("nan"), 2, -1])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(InputError, match="leaves one part empty"):
        ArrayDataset(np.zeros((4, 3), np.float32), np.zeros(4, int)).split(share)


def test_alternating_flips_show_every_image_both_ways_round_in_two_epochs():
    images = np.tile(np.array([[[[1, 2]]]], np.uint8), (400, 1, 1, 1))
    data, run, every = ArrayDataset(images, np.arange(400), alternate=True), RandomStream(3), np.arange(400)
    mirrored = [
        data.of_epoch(epoch, run).batch(every, RandomStream(9))["x"][:, 0, 0, 0] * 255 == 2
        for epoch in range(3)
    ]
    np.testing.assert_array_equal(mirrored[0], ~mirrored[1])
    np.testing.assert_array_equal(mirrored[0], mirrored[2])
    assert 150 < mirrored[0].sum() < 250  # five standard deviations of 400 coins
    other = data.of_epoch(0, RandomStream(4)).batch(every, RandomStream(9))["x"][:, 0, 0, 0] * 255 == 2
    assert (other != mirrored[0]).any()


def test_evaluation_sees_no_image_mirrored(images):
    data = ArrayDataset(images, np.arange(10), alternate=True).of_epoch(0, RandomStream(3))
    np.testing.assert_array_equal(data.batch(np.arange(10))["x"], images.astype(np.float32) / 255)
    np.testing.assert_array_equal(data.x, images)  # nor did training write to them
    assert len(data.subset(np.arange(4)).mirrored) == 4
