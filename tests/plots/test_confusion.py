import numpy as np
import pytest

from minicap.errors import InputError, ShapeError

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from minicap.plots import confusion_table

NAMES = ["", "a dog with a name far too long to stand beside the table", "$1"]
COUNTS = np.array([[8, 2, 0], [1, 1, 0], [0, 0, 0]])


def test_the_blue_of_a_cell_is_the_root_of_its_share_of_the_row():
    panel = confusion_table(COUNTS, NAMES).axes[0]
    shares = np.array([[0.8, 0.2, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(panel.images[0].get_array(), np.sqrt(shares))


def test_counts_stand_in_their_cells_and_zeros_are_left_out():
    texts = confusion_table(COUNTS, NAMES).axes[0].texts
    assert [(t.get_position(), t.get_text()) for t in texts] == [
        ((0, 0), "8"),
        ((1, 0), "2"),
        ((0, 1), "1"),
        ((1, 1), "1"),
    ]


@pytest.mark.parametrize("K", [1, 2, 10, 20, 21, 50])
def test_nothing_overlaps_for_any_number_of_classes(assert_readable, K):
    counts = np.full((K, K), 12345 if K <= 20 else 3)
    assert_readable(
        confusion_table(counts, [f"class {i} of {K}" for i in range(K)], "mnist test: 97.53% right")
    )


def test_two_hundred_classes_are_a_picture_without_names():
    figure = confusion_table(np.eye(200, dtype=int), [str(i) for i in range(200)])
    assert max(figure.get_size_inches()) < 8
    assert not figure.axes[0].texts


def test_bad_input_is_named():
    with pytest.raises(ShapeError, match=r"counts is \(3, 3\) but there are 2 names"):
        confusion_table(COUNTS, ["a", "b"])
    with pytest.raises(ShapeError, match="there are 0 names"):
        confusion_table(np.zeros((0, 0), int), [])
    with pytest.raises(InputError, match="a count is -1"):
        confusion_table(np.array([[-1]]), ["a"])


def test_long_names_are_cut_and_none_leaves_the_figure(assert_readable):
    assert_readable(confusion_table(COUNTS, NAMES, "a title that is longer than the table is wide"))


def test_rows_and_columns_may_be_called_otherwise():
    panel = confusion_table(np.eye(2, dtype=np.int64), ["a", "b"], "", "has", "is given").axes[0]
    assert (panel.get_ylabel(), panel.get_xlabel()) == ("has", "is given")
