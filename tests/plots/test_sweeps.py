import pytest

from minicap.errors import InputError, ShapeError
from minicap.plots import sweep_dots

pytest.importorskip("matplotlib", reason="plots need matplotlib")


def drawn(figure):
    """What is drawn, by its name in the legend: the x and y of every dot."""
    found = {}
    for line in figure.axes[0].get_lines():
        found.setdefault(line.get_label(), []).extend(zip(*line.get_data(), strict=True))
    return found


def test_every_run_is_a_dot_and_every_cell_has_its_mean():
    figure = sweep_dots(["one", "none", "two"], [[0.5, 0.7], [], [0.9]], "top_5", "title")
    dots = drawn(figure)
    assert dots["a run"] == [(0.5, 0), (0.7, 0), (0.9, 2)]
    assert dots["mean"] == [(pytest.approx(0.6), 0), (0.9, 2)]
    panel = figure.axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["one", "none", "two"]
    assert panel.get_xlabel() == "top 5"
    assert panel.get_ylim()[0] > panel.get_ylim()[1]  # the first cell is on top
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a run", "mean"]


def test_dollar_signs_are_no_formulas_and_many_cells_are_cut_short():
    figure = sweep_dots([f"$x$ {number}" for number in range(99)], [[1.0]] * 99, "a $y$")
    figure.draw_without_rendering()
    assert len(figure.axes[0].get_yticklabels()) == 60


def test_what_cannot_be_drawn_is_told():
    with pytest.raises(ShapeError, match="there are 1 labels but values for 2"):
        sweep_dots(["one"], [[1.0], [2.0]])
    with pytest.raises(InputError, match="there is no value to draw"):
        sweep_dots(["one"], [[]])
