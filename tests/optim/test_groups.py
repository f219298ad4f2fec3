import numpy as np
import pytest

from minicap.errors import InputError
from minicap.optim import SGD, Adam, Group, GroupedRule, Momentum, settings_by_name
from minicap.optim.groups import Setting

NAMES = ("encoder.w", "encoder.b", "head.w", "head.b")


def draw(rng):
    return {name: rng.normal(size=3) for name in NAMES}


def test_the_last_group_that_sets_a_thing_takes_precedence_and_the_rest_adds_up():
    groups = [Group("encoder.*", rate_factor=0.1), Group("*.b", weight_decay=0.0), Group("encoder.b", 0.5)]
    assert settings_by_name(groups, NAMES) == {
        "encoder.w": Setting(0.1),
        "encoder.b": Setting(0.5, 0.0),
        "head.w": Setting(),
        "head.b": Setting(1.0, 0.0),
    }


def test_by_hand_with_two_rates_no_decay_on_biases_and_a_frozen_part():
    params = {name: np.array([2.0]) for name in NAMES}
    groups = [
        Group("encoder.*", rate_factor=0.5),
        Group("*.b", weight_decay=0.0),
        Group("head.b", frozen=True),
    ]
    rule = GroupedRule(SGD(0.1, weight_decay=1.0), groups, params)
    rule.step(params, {name: np.array([1.0]) for name in NAMES})
    moved = {name: 2 - float(w[0]) for name, w in params.items()}
    # learning rate times (gradient 1 + decay times 2)
    assert moved == pytest.approx(
        {"encoder.w": 0.05 * 3, "encoder.b": 0.05 * 1, "head.w": 0.1 * 3, "head.b": 0.0}
    )


def test_the_l1_penalty_of_a_group_is_used_instead_of_the_rules():
    params = {"head.w": np.array([2.0]), "head.b": np.array([2.0])}
    rule = GroupedRule(SGD(0.1, l1=1.0), [Group("*.b", l1=0.0)], params)
    rule.step(params, {name: np.zeros(1) for name in params})
    assert {name: float(w[0]) for name, w in params.items()} == pytest.approx({"head.w": 1.9, "head.b": 2.0})


def test_groups_equal_pytorchs_parameter_groups(rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    params = draw(rng)
    theirs = {name: torch.tensor(w.copy(), requires_grad=True) for name, w in params.items()}
    optimizer = torch.optim.Adam(
        [
            {"params": [theirs["encoder.w"]], "lr": 0.002, "weight_decay": 0.1},
            {"params": [theirs["encoder.b"]], "lr": 0.002, "weight_decay": 0.0},
            {"params": [theirs["head.w"]], "lr": 0.02, "weight_decay": 0.1},
            {"params": [theirs["head.b"]], "lr": 0.02, "weight_decay": 0.0},
        ]
    )
    groups = [Group("encoder.*", rate_factor=0.1), Group("*.b", weight_decay=0.0)]
    rule = GroupedRule(Adam(0.02, weight_decay=0.1), groups, params)
    for _ in range(10):
        grads = draw(rng)
        rule.step(params, grads)
        for name, tensor in theirs.items():
            tensor.grad = torch.tensor(grads[name])
        optimizer.step()
    for name, tensor in theirs.items():
        np.testing.assert_allclose(params[name], tensor.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_frozen_parameters_have_no_memory_and_are_not_written():
    params = {name: np.ones(3) for name in NAMES}
    params["encoder.w"].setflags(write=False)
    rule = GroupedRule(Adam(0.1), [Group("encoder.*", frozen=True)], params)
    rule.step(params, {name: np.ones(3) for name in NAMES})
    assert set(rule.arrays()) == {"m/head.w", "m/head.b", "v/head.w", "v/head.b"}


def test_a_group_learns_for_some_steps_and_then_stays():
    params = {name: np.zeros(1) for name in NAMES}
    groups = [Group("head.b", frozen_after=2)]
    rule = GroupedRule(Momentum(1.0), groups, params)
    for step in range(4):
        if step == 3:  # after a resume too
            rule.load(rule.arrays(), rule.step_count)
        rule.step(params, {name: np.full(1, -1.0) for name in NAMES})
    assert float(params["head.b"][0]) == 1 + 1.9
    assert float(params["head.w"][0]) == pytest.approx(1 + 1.9 + 2.71 + 3.439)


def test_the_learning_rate_may_change_from_step_to_step():
    params = {name: np.zeros(1) for name in NAMES}
    rule = GroupedRule(SGD(1.0), [Group("head.*", rate_factor=0.5)], params)
    for rule.learning_rate in (0.1, 0.01):
        rule.step(params, {name: np.ones(1) for name in NAMES})
    assert float(params["encoder.w"][0]) == pytest.approx(-0.11)
    assert float(params["head.w"][0]) == pytest.approx(-0.055)


def test_memory_that_was_saved_goes_on_bit_for_bit(rng):
    params, groups = draw(rng), [Group("*.b", weight_decay=0.0), Group("head.*", rate_factor=2.0)]
    first = GroupedRule(Adam(0.05, weight_decay=0.1), groups, params)
    for _ in range(3):
        first.step(params, draw(rng))
    copied = {name: w.copy() for name, w in params.items()}
    second = GroupedRule(Adam(0.05, weight_decay=0.1), groups, copied)
    second.load(first.arrays(), first.step_count)
    grads = draw(rng)
    for rule, own in ((first, params), (second, copied)):
        rule.step(own, grads)
    assert all((params[name] == copied[name]).all() for name in params)
    assert first.step_count == second.step_count == 4


def test_every_group_counts_every_step(rng):
    params = draw(rng)
    rule = GroupedRule(Adam(), [Group("head.*", rate_factor=2.0)], params)
    rule.step(params, {"head.w": np.ones(3)})
    assert {part.step_count for part in rule.rules.values()} == {1}


def test_state_of_a_frozen_parameter_is_refused(rng):
    params = draw(rng)
    rule = GroupedRule(Momentum(0.1), [Group("head.*", frozen=True)], params)
    with pytest.raises(
        InputError, match=r"head.w has a state but is frozen or unknown; have the groups changed"
    ):
        rule.load({"v/head.w": np.zeros(3)}, 1)


def test_a_pattern_that_fits_nothing_is_an_error_and_names_the_nearest():
    with pytest.raises(
        InputError, match=r'group "encodr.w" matches no parameter \(did you mean "encoder.w"\?\)'
    ):
        settings_by_name([Group("encodr.w", 0.1)], NAMES)


def test_a_gradient_without_a_parameter_is_named(rng):
    with pytest.raises(InputError, match="no parameter is called 'tail'"):
        GroupedRule(SGD(0.1), [Group("*", 0.1)], NAMES).step(draw(rng), {"tail": np.ones(3)})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate_factor": -1.0}, "rate_factor is -1.0 but must be a number, at least 0"),
        ({"rate_factor": 0.0}, "rate_factor is 0; use frozen=True instead"),
        ({"weight_decay": float("nan")}, "weight_decay is nan"),
        ({"l1": -0.5}, "l1 is -0.5 but must be a number, at least 0"),
        ({"rate_factor": float("inf")}, "rate_factor is inf but must be a number"),
        ({"weight_decay": "much"}, "weight_decay is 'much' but must be a number"),
    ],
)
def test_senseless_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Group("*.b", **settings)


def test_groups_that_leave_nothing_to_learn_are_refused():
    with pytest.raises(InputError, match="the groups freeze every parameter; leave one that can learn"):
        GroupedRule(SGD(0.1), [Group("*", frozen=True)], NAMES)
