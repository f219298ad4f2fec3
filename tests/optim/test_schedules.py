import pytest

from minicap.errors import InputError
from minicap.optim import constant, cosine, linear_warmup, make_schedule, step_decay


def test_constant_is_one():
    assert [constant()(step) for step in (0, 10**6)] == [1, 1]


def test_cosine_falls_from_one_to_its_floor_and_stays_there():
    schedule = cosine(100, floor=0.1)
    assert schedule(0) == 1
    assert schedule(50) == pytest.approx(0.55)
    assert schedule(100) == schedule(1000) == pytest.approx(0.1)
    values = [schedule(step) for step in range(101)]
    assert values == sorted(values, reverse=True)


def test_step_decay_falls_after_every_so_many_steps():
    schedule = step_decay(100, every=10, factor=0.5)
    assert [schedule(step) for step in (0, 9, 10, 19, 20)] == [1, 1, 0.5, 0.5, 0.25]


def test_warmup_rises_to_one_then_hands_over_from_the_start():
    schedule = linear_warmup(4, cosine(10))
    assert [schedule(step) for step in range(4)] == [0.25, 0.5, 0.75, 1]
    assert [schedule(step + 4) for step in range(11)] == [cosine(10)(step) for step in range(11)]


def test_schedules_by_name():
    assert make_schedule("constant", 90)(80) == 1
    assert make_schedule("cosine", 90, floor=0.5)(90) == 0.5
    thirds = make_schedule("step", 90)
    assert [thirds(step) for step in (29, 30, 60)] == pytest.approx([1, 0.1, 0.01])
    assert make_schedule("step", 90, every=5, factor=0.5)(5) == 0.5
    assert make_schedule("step", 2)(1) == pytest.approx(0.1)


def test_an_unknown_schedule_is_named_beside_the_known_ones():
    with pytest.raises(InputError, match="unknown schedule 'linear'; choose one of constant, cosine, step"):
        make_schedule("linear", 90)


def test_step_decay_falls_twice_on_its_way_unless_told_otherwise():
    schedule = step_decay(30)
    assert [schedule(step) for step in (9, 10, 20)] == pytest.approx([1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cosine", {"flor": 0.1}, r'schedule cosine: unknown key "flor" \(did you mean "floor"\?\)'),
        ("cosine", {"floor": "low"}, "\"floor\" is 'low', a str, but must be float"),
        ("cosine", {"floor": 2.0}, "floor is 2.0 but must be from 0 to 1"),
        ("step", {"every": -1}, "every is -1 but must not be negative"),
        ("step", {"factor": 0.0}, "factor is 0.0 but must be above 0"),
        ("constant", {"floor": 0.1}, 'schedule constant: unknown key "floor"'),
    ],
)
def test_senseless_options_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        make_schedule(name, 90, **options)
