import numpy as np
import pytest

from minicap.errors import DtypeError, InputError, ShapeError

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from matplotlib.figure import Figure

from minicap.plots import top_classes

PHOTO = np.full((30, 40, 3), 128, np.uint8)
NAMES = [
    "Egyptian cat",
    "tabby",
    "a name that is far too long for the bar beneath it, so it is cut",
    "$1 and $2",
]


@pytest.mark.parametrize("shape", [(30, 40, 3), (40, 30, 3), (1, 1, 3), (1, 400, 3), (400, 1, 3)])
def test_nothing_overlaps_for_any_photo(assert_readable, shape):
    figure = top_classes(np.zeros(shape, np.uint8), NAMES, [1.0, 0.25, 0.0001, 0.0])
    assert isinstance(figure, Figure)
    assert_readable(figure)


def test_bars_are_as_long_as_the_probabilities():
    figure = top_classes(PHOTO, ["a", "b"], [0.75, 0.2])
    (axes,) = figure.axes
    _, *bars = [patch.get_width() for patch in axes.patches]  # the first is the mat of the photo
    assert bars == pytest.approx([3.0, 3.0 * 0.75, 3.0, 3.0 * 0.2])


def test_percentages_stand_beside_the_bars():
    figure = top_classes(PHOTO, ["a", "b", "c"], [0.756, 0.0001, 0.0])
    assert [t.get_text() for t in figure.axes[0].texts] == ["a", "75.6%", "b", "< 0.1%", "c", "0.0%"]


def test_as_many_classes_as_one_likes(assert_readable):
    assert_readable(top_classes(PHOTO, [f"class {i}" for i in range(40)], [1 / 40] * 40))


def test_numpy_probabilities_are_taken():
    assert top_classes(PHOTO, np.array(["a", "b"]), np.array([0.7, 0.3], np.float32)).axes


def test_bad_input_is_named():
    with pytest.raises(ShapeError, match="2 names but 1 prob"):
        top_classes(PHOTO, ["a", "b"], [1.0])
    with pytest.raises(ShapeError, match="0 names"):
        top_classes(PHOTO, [], [])
    with pytest.raises(InputError, match=r"'b' is 1\.5"):
        top_classes(PHOTO, ["a", "b"], [0.5, 1.5])
    with pytest.raises(InputError, match="'a' is nan"):
        top_classes(PHOTO, ["a"], [float("nan")])
    with pytest.raises(ShapeError, match="image is"):
        top_classes(PHOTO[0], ["a"], [1.0])
    with pytest.raises(DtypeError, match="float32"):
        top_classes(PHOTO.astype(np.float32), ["a"], [1.0])
