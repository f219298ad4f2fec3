import pytest

from minicap.errors import InputError
from minicap.optim import (
    SCHEDULES,
    constant,
    cosine,
    exponential,
    linear,
    linear_warmup,
    make_schedule,
    one_cycle,
    step_decay,
    triangular,
)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle")


def sgd(torch):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def advance(scheduler):
    scheduler.optimizer.step()
    scheduler.step()


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


def test_linear_falls_from_one_to_its_floor_and_stays_there():
    schedule = linear(100, floor=0.2)
    assert [schedule(step) for step in (0, 25, 50, 100, 1000)] == pytest.approx([1, 0.8, 0.6, 0.2, 0.2])


def test_exponential_loses_the_same_share_at_every_step():
    schedule = exponential(100, final=0.01)
    assert [schedule(step) for step in (0, 50, 100, 1000)] == pytest.approx([1, 0.1, 0.01, 0.01])
    assert schedule(7) / schedule(6) == pytest.approx(schedule(93) / schedule(92))


def test_triangular_goes_up_and_down_over_and_over():
    schedule = triangular(100, rise=10, floor=0.2)
    assert [schedule(step) for step in (0, 5, 10, 15, 20, 25)] == pytest.approx([0.2, 0.6, 1, 0.6, 0.2, 0.6])


def test_triangular_has_four_triangles_unless_told_otherwise():
    schedule = triangular(80)
    assert [step for step in range(80) if schedule(step) == 1] == [10, 30, 50, 70]
    assert triangular(3)(1) == 1


def test_triangular_equals_pytorchs(torch):
    theirs = torch.optim.lr_scheduler.CyclicLR(sgd(torch), 0.1, 1.0, step_size_up=7)
    ours = triangular(100, rise=7, floor=0.1)
    for step in range(40):
        assert ours(step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        advance(theirs)


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_one_cycle_rises_to_its_peak_and_falls_to_its_end(shape):
    schedule = one_cycle(100, peak=0.2, start=0.2, final=0.1, shape=shape)
    assert [schedule(step) for step in (0, 20, 100)] == pytest.approx([0.2, 1, 0.1])
    halves = [0.6, 0.55]  # half of the way up at half of the time, and half of the way down
    assert [schedule(step) for step in (10, 60)] == pytest.approx(halves)
    assert schedule(1000) == schedule(100)


@pytest.mark.parametrize(("shape", "theirs"), [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_equals_pytorchs(torch, shape, theirs):
    # PyTorch counts to the last step, T - 1, and peaks a step before pct_start * T.
    total, top = 80, 20
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        sgd(torch),
        max_lr=1.0,
        total_steps=total + 1,
        pct_start=(top + 1) / (total + 1),
        anneal_strategy=theirs,
        cycle_momentum=False,
        div_factor=25,
        final_div_factor=100,
    )
    ours = one_cycle(total, peak=top / total, start=1 / 25, final=1 / 2500, shape=shape)
    for step in range(total + 1):
        assert ours(step) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        if step < total:
            advance(scheduler)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 3, 100])
def test_every_factor_lies_between_0_and_1_also_after_the_last_step(name, total):
    schedule = make_schedule(name, total)
    assert all(0 <= schedule(step) <= 1 for step in range(2 * total + 1))


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
    with pytest.raises(InputError, match="unknown schedule 'lineal'; choose one of constant, step"):
        make_schedule("lineal", 90)


def test_step_decay_falls_twice_on_its_way_unless_told_otherwise():
    schedule = step_decay(30)
    assert [schedule(step) for step in (9, 10, 20)] == pytest.approx([1, 0.1, 0.01])
    assert step_decay(31)(30) == pytest.approx(0.01)  # not a third time just before the end


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cosine", {"flor": 0.1}, r'schedule cosine: unknown key "flor" \(did you mean "floor"\?\)'),
        ("cosine", {"floor": "low"}, "\"floor\" is 'low', a str, but must be float"),
        ("cosine", {"floor": 2.0}, "floor is 2.0 but must be from 0 to 1"),
        ("step", {"every": -1}, "every is -1 but must not be negative"),
        ("step", {"factor": 0.0}, "factor is 0.0 but must be above 0"),
        ("linear", {"floor": -0.1}, "linear: floor is -0.1 but must be from 0 to 1"),
        ("exponential", {"final": 0.0}, "exponential: final is 0.0 but must be above 0"),
        ("triangular", {"rise": -1}, "rise is -1 but must not be negative"),
        ("triangular", {"floor": 1.5}, "floor is 1.5 but must be from 0 to 1"),
        ("one-cycle", {"peak": 1.0}, "peak is 1.0 but must be above 0 and below 1"),
        ("one-cycle", {"start": -1.0}, "start is -1.0 but must be from 0 to 1"),
        ("one-cycle", {"final": 2.0}, "final is 2.0 but must be from 0 to 1"),
        ("one-cycle", {"shape": "square"}, "\"shape\" is 'square' but must be one of cosine, linear"),
        ("constant", {"floor": 0.1}, 'schedule constant: unknown key "floor"'),
    ],
)
def test_senseless_options_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        make_schedule(name, 90, **options)


@pytest.mark.parametrize("steps", [-1, float("nan")])
def test_a_warmup_of_fewer_than_no_steps_is_refused(steps):
    with pytest.raises(InputError, match=r"linear_warmup: steps is .* but must not be negative"):
        linear_warmup(steps, constant())
