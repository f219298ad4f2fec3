import pytest

from minicap.errors import InputError
from minicap.optim import SCHEDULES, constant, cosine, make_schedule

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from minicap.plots import schedule_curves


def test_every_schedule_has_its_panel_and_its_factors():
    figure = schedule_curves({"flat": constant(), "half a cosine": cosine(20)}, steps=20)
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["flat", "half a cosine"]
    for panel, schedule in zip(figure.axes, (constant(), cosine(20)), strict=True):
        (line,) = panel.lines
        assert list(line.get_ydata()) == [schedule(step) for step in range(20)]


@pytest.mark.parametrize("columns", [1, 3, 4, 9])
def test_all_schedules_of_minicap_can_be_read(columns, assert_readable):
    schedules = {name: make_schedule(name, 1000) for name in SCHEDULES}
    assert_readable(schedule_curves(schedules, 1000, columns))


def test_long_names_stay_above_their_panels(assert_readable):
    names = ("a schedule with a name that nobody can say in one breath, whoever tries", "w" * 99, "$x$")
    assert_readable(schedule_curves(dict.fromkeys(names, constant()), 1000, columns=3))


@pytest.mark.parametrize("arguments", [({}, 10), ({"flat": constant()}, 0), ({"flat": constant()}, 10, 0)])
def test_nothing_to_draw_is_refused(arguments):
    with pytest.raises(InputError, match="there must be one of each at least"):
        schedule_curves(*arguments)
