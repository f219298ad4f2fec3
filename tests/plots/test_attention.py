import numpy as np
import pytest

from minicap.errors import DtypeError, ShapeError

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from minicap.plots import attention_sheet


def pictures(figure):
    return [image.get_array() for image in figure.axes[0].images]


def test_the_photo_comes_first_then_each_word_in_the_light_of_its_attention(assert_readable):
    photo = np.full((40, 60, 3), 200, np.uint8)
    attention = np.zeros((2, 4))
    attention[0, 1] = 0.5  # top right
    attention[1] = 0.25  # evenly
    figure = attention_sheet(photo, ["a", "dog"], attention)
    assert_readable(figure)
    assert [text.get_text() for text in figure.axes[0].texts] == ["a dog", "a", "dog"]
    first, spot, even = pictures(figure)
    np.testing.assert_array_equal(first, photo)
    np.testing.assert_array_equal(even, photo)
    assert (spot[:10, 45:] == 200).all()
    assert (spot[30:, :15] == 60).all()  # as dark as it gets


def test_a_share_of_its_own_says_how_bright_a_place_is(assert_readable):
    photo = np.full((40, 60, 3), 200, np.uint8)
    _, half = pictures(attention_sheet(photo, ["a"], np.full((1, 4), 0.5), relative=False))
    assert (half == 130).all()  # 0.3 + 0.7 x 0.5 of the light
    _, dark = pictures(attention_sheet(photo, ["a"], np.zeros((1, 4)), relative=False))
    assert (dark == 60).all()


def test_what_does_not_fit_is_refused():
    photo, words = np.zeros((4, 4, 3), np.uint8), ["a", "dog"]
    for attention in (np.ones((3, 4)), np.ones((2, 5)), np.ones(4)):
        with pytest.raises(ShapeError, match=r"attention is .* but must be \(2, S\)"):
            attention_sheet(photo, words, attention)
    with pytest.raises(DtypeError):
        attention_sheet(photo / 255, words, np.ones((2, 4)))
