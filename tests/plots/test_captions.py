import numpy as np
import pytest

from minicap.errors import DtypeError, InputError, ShapeError

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from matplotlib.figure import Figure

from minicap.plots import caption_sheet

LONG = "a man riding a wave on top of a surfboard in the ocean near a pier " * 8
CAPTIONS = ["a dog", LONG, "", "W" * 300, "a sign that says $5 and $6", "x y " * 3]
REFERENCES = [["A dog."], [LONG, LONG, "left out"], [], ["short", LONG], ["q" * 200], ["one", "two"]]


def photos(rng, *shapes):
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


SHAPES = [(48, 64), (64, 48), (1, 1), (2, 300), (300, 2), (1200, 1600)]


@pytest.mark.parametrize("columns", [1, 2, 4, 6])
def test_no_text_overlaps_or_leaves_the_sheet_at_any_length(rng, assert_readable, columns):
    figure = caption_sheet(photos(rng, *SHAPES), CAPTIONS, REFERENCES, columns=columns, title=LONG)
    assert isinstance(figure, Figure)
    assert_readable(figure)


def test_captions_are_bold_and_two_references_grey(rng):
    figure = caption_sheet(photos(rng, (8, 8)), ["a dog"], [["first", "second", "third"]])
    styles = {t.get_text(): (t.get_fontweight(), t.get_color()) for t in figure.axes[0].texts}
    assert styles.keys() == {"a dog", "first", "second"}
    assert styles["a dog"][0] == "bold"
    assert styles["first"] == styles["second"] == ("normal", "#666666")


def test_texts_do_not_run_over_the_photos(rng, texts):
    figure = caption_sheet(photos(rng, *SHAPES), CAPTIONS, REFERENCES, columns=3)
    photo_boxes = [image.get_window_extent() for image in figure.axes[0].images]
    assert len(photo_boxes) == len(SHAPES)
    for text, box in texts(figure):
        for photo in photo_boxes:
            assert box.x1 <= photo.x0 or photo.x1 <= box.x0 or box.y1 <= photo.y0 or photo.y1 <= box.y0, text


def test_photos_keep_their_proportions_and_are_as_large_as_their_cell(rng):
    figure = caption_sheet(photos(rng, (60, 80), (80, 60)), ["a", "b"])
    wide, tall = (image.get_window_extent() for image in figure.axes[0].images)
    assert wide.width / wide.height == pytest.approx(4 / 3, rel=0.02)
    assert tall.height / tall.width == pytest.approx(4 / 3, rel=0.02)
    cells = figure.axes[0].patches
    assert cells[0].get_height() == cells[1].get_height() == pytest.approx(2.1 * np.median([3 / 4, 4 / 3]))


def test_cells_of_a_column_are_aligned_and_of_one_size(rng):
    figure = caption_sheet(photos(rng, *SHAPES), CAPTIONS, columns=2)
    cells = figure.axes[0].patches
    assert {round(cell.get_width(), 9) for cell in cells} == {2.1}
    assert len({round(cell.get_height(), 9) for cell in cells}) == 1
    assert len({round(cell.get_x(), 9) for cell in cells}) == 2


def test_an_empty_caption_says_so(rng):
    figure = caption_sheet(photos(rng, (8, 8)), [""])
    assert [t.get_text() for t in figure.axes[0].texts] == ["(no words)"]


def test_large_photos_are_shrunk_to_what_can_be_seen(rng):
    figure = caption_sheet(photos(rng, (1200, 1600)), ["a"])
    assert figure.axes[0].images[0].get_array().shape == (675, 900, 3)


def test_bad_input_is_named(rng):
    (photo,) = photos(rng, (8, 8))
    with pytest.raises(InputError, match="no images"):
        caption_sheet([], [])
    with pytest.raises(ShapeError, match="1 images but 2 captions"):
        caption_sheet([photo], ["a", "b"])
    with pytest.raises(ShapeError, match="1 images but 2 lists of references"):
        caption_sheet([photo], ["a"], [["b"], ["c"]])
    with pytest.raises(ShapeError, match=r"images\[1\] is \(8, 8\)"):
        caption_sheet([photo, photo[:, :, 0]], ["a", "b"])
    with pytest.raises(DtypeError, match=r"images\[0\] is float64"):
        caption_sheet([photo / 255], ["a"])
    with pytest.raises(InputError, match="columns is 0"):
        caption_sheet([photo], ["a"], columns=0)
