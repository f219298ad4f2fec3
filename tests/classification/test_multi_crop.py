import numpy as np

from minicap.classification.multi_crop import multi_crop, views


def test_the_six_views_of_an_image():
    image = np.arange(9.0).reshape(1, 1, 3, 3)
    weights, seen = zip(*views(image), strict=True)
    assert weights == (1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 8, 1 / 8)
    same, _, up_left, _, down_right, _ = (view[0, 0].tolist() for view in seen)
    assert same == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert up_left == [[4, 3, 4], [1, 0, 1], [4, 3, 4]]
    assert down_right == [[4, 5, 4], [7, 8, 7], [4, 5, 4]]
    for view, mirrored in zip(seen[::2], seen[1::2], strict=True):
        np.testing.assert_array_equal(view[..., ::-1], mirrored)


def test_scores_are_the_weighted_mean_over_the_views(rng):
    images = rng.normal(size=(2, 3, 5, 5))

    def score(x):
        return x[:, :, 0, 0]

    image, moved = images, [images[:, :, 1, 1], images[:, :, 1, -2], images[:, :, 1, 1], images[:, :, 1, -2]]
    expected = (image[:, :, 0, 0] + image[:, :, 0, -1]) / 4 + sum(moved) / 8
    np.testing.assert_allclose(multi_crop(score, images), expected)
