import numpy as np
import pytest

from minicap.errors import InputError, ShapeError

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from matplotlib.figure import Figure

from minicap.plots import activation_grid, filter_grid, image_grid


def pictures(figure):
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def test_every_filter_fills_its_own_range(rng):
    w = rng.normal(size=(5, 3, 4, 4)) * np.array([1, 10, 0.1, 3, 5])[:, None, None, None]
    shown = pictures(filter_grid(w))
    assert len(shown) == 5
    for picture, filter_ in zip(shown, w, strict=True):
        assert (picture.min(), picture.max()) == (0, 1)
        np.testing.assert_allclose(
            np.ptp(filter_) * picture + filter_.min(), filter_.transpose(1, 2, 0), atol=1e-9
        )


def test_a_grey_filter_is_grey_and_a_flat_one_middle_grey():
    w = np.array([[[[0.0, 1.0], [2.0, 4.0]]], [[[7.0, 7.0], [7.0, 7.0]]]])
    first, flat = pictures(filter_grid(w))
    np.testing.assert_array_equal(first, np.repeat(np.array([[0, 0.25], [0.5, 1]])[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(flat, np.full((2, 2, 3), 0.5))


def test_activations_share_one_scale_with_its_colour_bar(rng):
    maps = rng.random((6, 5, 7)) * np.arange(1, 7)[:, None, None]
    figure = activation_grid(maps, title="relu3")
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 2
    scales = {image.get_clim() for image in figure.axes[0].images}
    assert scales == {(0.0, np.percentile(maps, 99.5))}
    np.testing.assert_array_equal(np.stack(pictures(figure)), maps)


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_activations_of_one_value_are_drawn(value, assert_readable):
    figure = activation_grid(np.full((1, 2, 2), value))
    low, high = figure.axes[0].images[0].get_clim()
    assert low <= value < high or low < value <= high
    assert_readable(figure)


def test_images_of_all_sizes_get_their_labels(rng, assert_readable):
    images = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in [(32, 32), (10, 90), (1, 1)]]
    labels = ["cat", "a very long label of a class that nobody can say in one breath", "w" * 99]
    figure = image_grid(images, labels, columns=2, title="CIFAR-10")
    assert len(figure.axes[0].images) == 3
    assert_readable(figure)


@pytest.mark.parametrize("count", [1, 2, 10, 17])
def test_a_grid_is_about_as_wide_as_high(count):
    width, height = image_grid([np.zeros((8, 8, 3), np.uint8)] * count).get_size_inches()
    assert 0.9 <= width / height <= 2.1


def test_small_grids_have_room_for_their_title(assert_readable):
    assert_readable(filter_grid(np.zeros((1, 1, 2, 2)), title="the only filter of a very small network"))
    assert_readable(activation_grid(np.ones((1, 2, 2)), title="the only map of a very small network"))


def test_bad_input_is_named(rng):
    with pytest.raises(ShapeError, match=r"w is \(2, 16, 3, 3\).*one input channel"):
        filter_grid(np.zeros((2, 16, 3, 3)))
    with pytest.raises(ShapeError, match=r"maps is \(1, 2, 3, 3\)"):
        activation_grid(np.zeros((1, 2, 3, 3)))
    with pytest.raises(InputError, match="not finite"):
        activation_grid(np.full((1, 2, 2), np.nan))
    with pytest.raises(InputError, match="no images"):
        image_grid([])
    photo = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ShapeError, match="1 images but 2 labels"):
        image_grid([photo], ["a", "b"])
    with pytest.raises(InputError, match="columns is 0"):
        image_grid([photo], columns=0)
