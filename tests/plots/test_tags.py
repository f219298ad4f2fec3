import numpy as np
import pytest

from minicap.errors import DtypeError, InputError, ShapeError

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from minicap.plots import tag_sheet
from minicap.plots.figure import BLUE, GREEN, GREY, INK, VERMILION

LONG = "a very long name of a thing " * 5
GIVEN = [[("cat", 0.9), ("dog", 0.4)], [], [(LONG, 1.0)] * 12, [("$5 & $6", 0.5)]]
THERE = [["cat", "sofa"], [LONG], ["W" * 90, "b"], ["$5 & $6"]]


def photos(rng):
    return [
        rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((48, 64), (64, 48), (1, 1), (9, 90))
    ]


def lines(figure):
    return {text.get_text(): text.get_color() for text in figure.axes[0].texts}


@pytest.mark.parametrize("columns", [1, 3, 6])
@pytest.mark.parametrize("attention", [False, True])
def test_no_text_overlaps_or_leaves_the_sheet(rng, assert_readable, columns, attention):
    looked = [np.full((len(labels), 5), 0.2) for labels in GIVEN] if attention else []
    assert_readable(tag_sheet(photos(rng), GIVEN, THERE, looked, columns, title=LONG))


def test_right_wrong_and_missed_labels_are_told_apart_by_mark_and_colour(rng):
    found = lines(tag_sheet(photos(rng)[:1], GIVEN[:1], THERE[:1]))
    assert found == {"✓ cat 90%": GREEN, "✗ dog 40%": VERMILION, "missed: sofa": GREY}


def test_without_the_truth_nothing_is_judged(rng):
    assert lines(tag_sheet(photos(rng)[:2], GIVEN[:2])) == {
        "cat 90%": INK,
        "dog 40%": INK,
        "nothing it knows": GREY,
    }


def test_a_bar_is_as_high_as_the_attention_to_its_stage(rng):
    looked = [np.array([[0.75, 0.25], [0.0, 1.0]])]
    figure = tag_sheet(photos(rng)[:1], GIVEN[:1], (), looked)
    heights = [bar.get_height() for bar in figure.axes[0].patches if bar.get_facecolor()[:3] == rgb(BLUE)]
    assert heights == pytest.approx(heights[3] * np.array([0.75, 0.25, 0.0, 1.0]))
    assert {"1", "2", "stage"} <= lines(figure).keys()


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def test_what_does_not_fit_is_refused(rng):
    with pytest.raises(InputError, match="columns is 0"):
        tag_sheet(photos(rng), GIVEN, columns=0)
    with pytest.raises(InputError, match="there are no images"):
        tag_sheet([], [])
    with pytest.raises(ShapeError, match="4 images but 1 lists of labels given"):
        tag_sheet(photos(rng), GIVEN[:1])
    with pytest.raises(ShapeError, match="4 images but 3 lists of true labels"):
        tag_sheet(photos(rng), GIVEN, THERE[:3])
    with pytest.raises(ShapeError, match=r"attention is \(1, 5\) but must be \(2, S\)"):
        tag_sheet(photos(rng)[:1], GIVEN[:1], (), [np.ones((1, 5))])
    with pytest.raises(DtypeError, match="must be uint8"):
        tag_sheet([np.zeros((2, 2, 3))], [[]])
