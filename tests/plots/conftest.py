from itertools import combinations

import pytest


@pytest.fixture
def texts():
    """The visible texts of a figure with their boxes in pixels, by matplotlib's own renderer."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def found(figure):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        every = [*figure.texts]
        for panel in figure.axes:
            legend = panel.get_legend()
            every += [*panel.texts, panel.title, *(legend.get_texts() if legend else [])]
            for axis in (panel.xaxis, panel.yaxis) if panel.axison else ():
                low, high = sorted(axis.get_view_interval())
                ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                every += [axis.label, *(tick.label1 for tick in ticks)]
        shown = [t for t in every if t.get_visible() and t.get_text()]
        return [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in shown]

    return found


@pytest.fixture
def assert_readable(texts):
    """No text overlaps another, and all lie inside the figure."""

    def check(figure):
        boxes = texts(figure)
        assert boxes
        for text, box in boxes:
            inside = figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
            inside = inside and figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
            assert inside, f"{text!r} leaves the figure"
        for (text, a), (other, b) in combinations(boxes, 2):
            apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
            assert apart, f"{text!r} overlaps {other!r}"

    return check
