import numpy as np
import pytest

from minicap.errors import DtypeError, InputError, ShapeError
from minicap.plots import attribution_sheet

pytest.importorskip("matplotlib", reason="plots need matplotlib")

PHOTO = np.random.default_rng(0).integers(0, 256, size=(20, 20, 3), dtype=np.uint8)
MAPS = [np.arange(16.0).reshape(4, 4), np.zeros((4, 4))]


def test_a_row_for_each_class_with_the_photo_its_saliency_and_grad_cam():
    figure = attribution_sheet(PHOTO, ["$cat$ 90%", "dog 5%"], MAPS, MAPS)
    figure.draw_without_rendering()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["photo", "saliency", "Grad-CAM", "$cat$ 90%", "dog 5%"]
    assert len(figure.axes[0].images) == 2 * 4  # Grad-CAM lies over the photo in grey
    assert figure.axes[0].images[1].get_array().max() == 1
    assert not figure.axes[0].images[5].get_array().any()  # a map of zeros stays dark


def test_without_grad_cam_its_column_is_left_out():
    narrow, wide = (attribution_sheet(PHOTO, ["cat"], MAPS[:1], cams) for cams in ((), MAPS[:1]))
    assert len(narrow.axes[0].images) == 2
    assert narrow.get_figwidth() < wide.get_figwidth()


def test_occlusion_can_stand_alone():
    figure = attribution_sheet(PHOTO, ["cat"], occlusions=MAPS[:1])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["photo", "occlusion", "cat"]
    assert len(figure.axes[0].images) == 3  # it lies over the photo in grey


@pytest.mark.parametrize(
    ("image", "labels", "maps", "error", "message"),
    [
        (PHOTO, ["a"], MAPS, ShapeError, "there are 1 labels but 2 saliencies"),
        (PHOTO, [], [], ShapeError, "there are 0 labels"),
        (PHOTO, ["a"], [np.zeros(4)], ShapeError, r"saliencies has a map \(4,\)"),
        (PHOTO, ["a"], [np.full((2, 2), -1.0)], InputError, "must be finite and not negative"),
        (PHOTO, ["a"], [np.full((2, 2), np.nan)], InputError, "must be finite and not negative"),
        (PHOTO / 255, ["a"], MAPS[:1], DtypeError, "uint8"),
    ],
)
def test_what_cannot_be_drawn_is_told(image, labels, maps, error, message):
    with pytest.raises(error, match=message):
        attribution_sheet(image, labels, maps, maps)


def test_maps_of_a_squashed_photo_lie_over_all_of_it():
    wide = PHOTO[:10]
    figure = attribution_sheet(wide, ["cat"], MAPS[:1], MAPS[:1])
    assert len({tuple(image.get_extent()[2:]) for image in figure.axes[0].images}) == 1
    assert [image.get_array().shape[:2] for image in figure.axes[0].images] == [(10, 20)] * 4
