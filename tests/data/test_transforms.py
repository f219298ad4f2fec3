import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.arrays.random import RandomStream
from minicap.data.transforms import (
    AUGMENTATIONS,
    colour_jitter,
    compose,
    crop,
    cutout,
    flip,
    make_augmentation,
    shift,
)
from minicap.errors import InputError, ShapeError

TRANSFORMS = {
    "flip": flip(),
    "shift": shift(2),
    "crop": crop(3),
    "cutout": cutout(2),
    "colour_jitter": colour_jitter(0.3, 0.3, 0.3),
}
every_transform = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)


@pytest.fixture
def images(rng):
    return rng.uniform(size=(64, 3, 6, 5)).astype(np.float32)


@every_transform
def test_the_same_stream_gives_the_same_images(transform, images):
    once, again = (transform(images, RandomStream(3)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (transform(images, RandomStream(4)) != once).any()


@every_transform
def test_what_happens_to_a_sample_depends_on_its_row_alone(transform, images):
    whole = transform(images, RandomStream(3))
    np.testing.assert_array_equal(transform(images[40:], RandomStream(3, row=40)), whole[40:])


@every_transform
def test_images_keep_their_dtype_and_nothing_is_written_into_them(transform, images):
    images.flags.writeable = False
    assert transform(images, RandomStream(0)).dtype == np.float32


@every_transform
def test_what_is_no_batch_of_images_is_refused(transform, images):
    with pytest.raises(ShapeError, match=r"must be \(N, C, H, W\)"):
        transform(images[0], RandomStream(0))


def test_a_flip_mirrors_about_half_of_the_images(images):
    out = flip()(images, RandomStream(0))
    mirrored = (out == images[..., ::-1]).all(axis=(1, 2, 3))
    assert ((out == images).all(axis=(1, 2, 3)) | mirrored).all()
    assert 16 < mirrored.sum() < 48  # four standard deviations around 32


def test_a_shift_moves_the_image_and_mirrors_what_moves_in():
    image = np.arange(5.0).reshape(1, 1, 1, 5).repeat(3, axis=2).repeat(50, axis=0)
    rows = {tuple(row) for row in shift(1)(image, RandomStream(0))[:, 0, 1]}
    assert rows == {(1, 0, 1, 2, 3), (0, 1, 2, 3, 4), (1, 2, 3, 4, 3)}


def test_a_shift_can_bring_in_zeros():
    image = np.ones((50, 1, 3, 3))
    sums = shift(1, mode="constant")(image, RandomStream(0)).sum(axis=(1, 2, 3))
    assert set(sums) == {4, 6, 9}


def test_what_a_shift_brings_in_can_have_a_colour_of_its_own():
    red, green = shift(1, mode="constant", fill=(0.25, 0.75))(
        np.zeros((50, 2, 3, 3)), RandomStream(0)
    ).transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(green, 3 * red)
    assert set(red.sum(axis=(1, 2))) == {0, 0.75, 1.25}  # nothing, an edge, or an edge and a corner's rest


@given(st.integers(1, 5), st.integers(0, 99))
def test_a_crop_is_a_window_of_the_image(size, seed):
    image = np.arange(30.0).reshape(1, 1, 6, 5)
    window = crop(size)(image, RandomStream(seed))[0, 0]
    assert window.shape == (size, size)
    top, left = divmod(int(window[0, 0]), 5)
    np.testing.assert_array_equal(window, image[0, 0, top : top + size, left : left + size])


def test_a_crop_larger_than_the_image_is_refused(images):
    with pytest.raises(ShapeError, match="size is 6 but the images are"):
        crop(6)(images, RandomStream(0))


def test_cutout_hides_one_square_around_a_point_of_the_image():
    hidden = cutout(2)(np.ones((200, 1, 4, 4)), RandomStream(0))[:, 0] == 0
    assert set(hidden.sum(axis=(1, 2))) == {1, 2, 4}  # a corner, an edge, or the whole square
    assert hidden.any(axis=0).all()


def test_what_cutout_hides_takes_the_colour_that_is_asked_for(images):
    out = cutout(3, fill=(2.0, 3.0, 4.0))(images, RandomStream(0))
    hidden = out[:, 0] == 2
    assert hidden.any()
    for channel, colour in enumerate((2, 3, 4)):
        np.testing.assert_array_equal(out[:, channel], np.where(hidden, colour, images[:, channel]))


@pytest.mark.parametrize("transform", [cutout(2, fill=(0.5, 0.5)), shift(1, "constant", fill=(0.5, 0.5))])
def test_a_colour_needs_a_number_for_each_channel(transform, images):
    with pytest.raises(ShapeError, match=r"fill has the shape \(2,\).* each of the 3 channels"):
        transform(images, RandomStream(0))


def test_jitter_without_strength_changes_nothing_but_rounding(images):
    ulp = np.finfo(np.float32).eps  # of 1, and no pixel or mean is larger
    np.testing.assert_allclose(colour_jitter()(images, RandomStream(0)), images, rtol=0, atol=4 * ulp)


def test_brightness_scales_an_image_by_one_factor(images):
    factors = colour_jitter(brightness=0.5)(images, RandomStream(0)) / images
    np.testing.assert_allclose(factors.std(axis=(1, 2, 3)), 0, atol=1e-5)
    assert 0.5 <= factors.min() < 0.7 < 1.3 < factors.max() <= 1.5


def test_contrast_keeps_the_mean_and_saturation_the_grey_of_every_pixel(images):
    contrast = colour_jitter(contrast=0.5)(images, RandomStream(0))
    np.testing.assert_allclose(contrast.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), rtol=1e-5)
    saturation = colour_jitter(saturation=0.5)(images, RandomStream(0))
    np.testing.assert_allclose(saturation.mean(axis=1), images.mean(axis=1), rtol=1e-5)


def test_composed_transforms_have_random_numbers_of_their_own(images):
    twice = compose(flip(), flip())(images, RandomStream(0))
    assert not (twice == images).all()  # the same numbers would mirror every image back


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: flip(1.5), "probability is 1.5"),
        (lambda: shift(-1), "most is -1"),
        (lambda: shift(1, mode="wrap"), 'mode is .wrap. but must be "reflect" or "constant"'),
        (lambda: crop(0), "size is 0"),
        (lambda: cutout(0), "size is 0"),
        (lambda: colour_jitter(contrast=2), "contrast is 2"),
    ],
)
def test_options_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_transforms_by_name_are_those_made_by_hand(rng):
    images, stream = rng.normal(size=(6, 3, 8, 8)).astype(np.float32), RandomStream(4)
    named = make_augmentation({"flip": 0.5, "shift": 2.0, "cutout": 3.0}, fill=0.5)
    by_hand = compose(flip(), shift(2), cutout(3, fill=0.5))
    np.testing.assert_array_equal(named(images, stream), by_hand(images, stream))
    assert make_augmentation({}) is None


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_name_changes_images_and_keeps_their_shape(name, rng):
    images = rng.normal(size=(6, 3, 8, 8)).astype(np.float32)
    changed = make_augmentation({name: 1.0})(images, RandomStream(4))
    assert changed.shape == images.shape
    assert changed.dtype == np.float32
    assert (changed != images).any()


def test_an_unknown_name_and_a_broken_pixel_are_refused():
    with pytest.raises(InputError, match=r"unknown augmentation 'crop'.*known: flip, shift"):
        make_augmentation({"crop": 4.0})
    with pytest.raises(InputError, match=r"cutout: 2\.5 is not a whole number of pixels"):
        make_augmentation({"cutout": 2.5})
    with pytest.raises(InputError, match="shift: inf is not a whole number of pixels"):
        make_augmentation({"shift": float("inf")})
