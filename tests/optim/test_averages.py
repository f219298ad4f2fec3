import numpy as np
import pytest

from minicap.errors import InputError, ShapeError
from minicap.optim import (
    SGD,
    Adam,
    Group,
    GroupedRule,
    Lookahead,
    Nesterov,
    WeightAverage,
    grouped,
    rising_lookahead,
)


def draw(rng):
    return {name: rng.normal(size=3) for name in ("encoder.w", "head.w", "head.b")}


def copied(params):
    return {name: w.copy() for name, w in params.items()}


def test_lookahead_by_hand_steps_back_after_every_second_step():
    w, rule = np.zeros(1), Lookahead(SGD(1.0), k=2, alpha=0.5)
    seen = []
    for _ in range(4):
        rule.step({"w": w}, {"w": np.array([-1.0])})
        seen.append(float(w[0]))
    assert seen == [1, 1, 2, 2]  # 0 + 1 + 1 and half of it back, then the same from 1


def test_lookahead_reads_as_algorithm_1_of_its_paper(rng):
    k, alpha, params = 3, 0.3, draw(rng)
    slow, theta, inner = copied(params), copied(params), Nesterov(0.1)
    rule = Lookahead(Nesterov(0.1), k, alpha)
    for _ in range(4):
        for _ in range(k):
            grads = draw(rng)
            inner.step(theta, grads)
            rule.step(params, grads)
        for name in slow:
            slow[name] = slow[name] + alpha * (theta[name] - slow[name])
            theta[name][:] = slow[name]
    for name in params:
        np.testing.assert_allclose(params[name], slow[name], rtol=1e-13)


def test_alpha_may_follow_the_steps():
    w, rule = np.zeros(1), Lookahead(SGD(1.0), k=2, alpha=lambda step: step / 4)
    seen = []
    for _ in range(4):
        rule.step({"w": w}, {"w": np.array([-1.0])})
        seen.append(float(w[0]))
    assert seen == [1, 1, 2, 3]  # alpha 1/2, then 1


def test_the_learning_rate_is_that_of_the_rule_inside():
    rule = Lookahead(SGD(0.1), k=1, alpha=1.0)
    rule.learning_rate = 0.5
    w = np.zeros(1)
    rule.step({"w": w}, {"w": np.ones(1)})
    assert (float(w[0]), rule.learning_rate, rule.rule.learning_rate) == (-0.5, 0.5, 0.5)


def test_statistics_that_come_with_the_parameters_step_back_with_them():
    weights, rule = {"w": np.zeros(1), "mean": np.zeros(1)}, Lookahead(SGD(1.0), k=2, alpha=0.25)
    for mean in (4.0, 8.0):
        weights["mean"] = np.array([mean])  # as a forward replaces it
        rule.step(weights, {"w": np.full(1, -1.0)})
    assert float(weights["w"][0]) == 0.5
    assert float(weights["mean"][0]) == 4 + 0.25 * (8 - 4)


def test_a_rising_lookahead_starts_without_an_average_and_ends_at_its_alpha():
    alpha = rising_lookahead(final=0.2, power=3, steps=10)
    assert [alpha(step) for step in (0, 5, 10, 11)] == pytest.approx([1, 1 - 0.8 / 8, 0.2, 0.2])


@pytest.mark.parametrize("steps", [4, 6])
def test_a_lookahead_that_took_up_saved_memory_goes_on_bit_for_bit(steps, rng):
    params = draw(rng)
    first = Lookahead(Adam(0.05), k=3)
    for _ in range(steps):
        first.step(params, draw(rng))
    again, second = copied(params), Lookahead(Adam(0.05), k=3)
    second.load(first.arrays(), first.step_count)
    for _ in range(4):
        grads = draw(rng)
        first.step(params, grads)
        second.step(again, grads)
    assert all((params[name] == again[name]).all() for name in params)
    assert first.step_count == second.step_count


def test_memory_without_slow_weights_is_refused_and_changes_nothing(rng):
    adam, rule = Adam(), Lookahead(Adam())
    adam.step(draw(rng), draw(rng))
    with pytest.raises(InputError, match=r"slow/encoder.w is missing; does it belong to another rule\?"):
        rule.load(adam.arrays(), 1)
    assert (rule.step_count, rule.arrays()) == (0, {})


def test_a_step_that_is_refused_leaves_no_slow_weights(rng):
    rule, params = Lookahead(SGD(0.1)), draw(rng)
    with pytest.raises(ShapeError):
        rule.step(params, {"head.b": np.ones(4)})
    with pytest.raises(InputError, match="no parameter is called 'tail'"):
        rule.step(params, {"tail": np.ones(3)})
    assert rule.arrays() == {}


def test_groups_stand_inside_the_lookahead(rng):
    params, groups = draw(rng), [Group("encoder.*", frozen=True), Group("*.b", rate_factor=0.5)]
    rule = grouped(Lookahead(SGD(0.2), k=2, alpha=0.25), groups, params)
    assert isinstance(rule, Lookahead)
    assert (rule.k, rule.alpha) == (2, 0.25)
    before = copied(params)
    for _ in range(2):
        rule.step(params, {name: np.ones(3) for name in params})
    np.testing.assert_array_equal(params["encoder.w"], before["encoder.w"])
    np.testing.assert_allclose(params["head.w"], before["head.w"] - 0.25 * 0.4, rtol=1e-13)
    np.testing.assert_allclose(params["head.b"], before["head.b"] - 0.25 * 0.2, rtol=1e-13)


def test_no_groups_leave_a_rule_as_it_is():
    rule = SGD(0.1)
    assert grouped(rule, (), ["w"]) is rule


def test_groups_in_two_places_are_refused(rng):
    params, groups = draw(rng), [Group("*.b", 0.5)]
    with pytest.raises(InputError, match="has groups already; give them in one place"):
        grouped(Lookahead(GroupedRule(SGD(0.1), groups, params)), groups, params)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lookahead(SGD(0.1), k=0), "k is 0 but must be a whole number, at least 1"),
        (lambda: Lookahead(SGD(0.1), k=2.5), "k is 2.5 but must be a whole number, at least 1"),
        (lambda: Lookahead(SGD(0.1), alpha="half"), "alpha is 'half' but must be above 0"),
        (lambda: WeightAverage("long"), "decay is 'long' but must be at least 0"),
        (lambda: Lookahead(SGD(0.1), alpha=0.0), "alpha is 0.0 but must be above 0"),
        (lambda: Lookahead(SGD(0.1), alpha=float("nan")), "alpha is nan"),
        (lambda: Lookahead(Lookahead(SGD(0.1))), "the rule inside is a Lookahead already"),
        (lambda: WeightAverage(1.0), "decay is 1.0 but must be at least 0 and below 1"),
        (lambda: WeightAverage(float("nan")), "decay is nan"),
    ],
)
def test_senseless_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_weight_average_by_hand():
    average = WeightAverage(0.5)
    for step, w in enumerate((1.0, 4.0, 2.0), start=1):
        average.update({"w": np.array([w])}, step)
    # (1/8 + 4/4 + 2/2) / (1/8 + 1/4 + 1/2)
    np.testing.assert_allclose(average.means["w"], 17 / 7, rtol=1e-14)


def test_a_weight_average_is_that_of_the_paper(rng):
    weights, decay = [rng.normal(size=4) for _ in range(20)], 0.9
    average, mean = WeightAverage(decay), np.zeros(4)
    for step, w in enumerate(weights, start=1):
        average.update({"w": w}, step)
        mean = decay * mean + (1 - decay) * w
        np.testing.assert_allclose(average.means["w"], mean / (1 - decay**step), rtol=1e-12)


def test_constant_weights_stay_in_their_average_to_the_bit(rng):
    average, w = WeightAverage(0.99), rng.normal(size=5).astype(np.float32)
    for step in range(1, 30):
        average.update({"w": w}, step)
    np.testing.assert_array_equal(average.means["w"], w)
    assert average.means["w"].dtype == np.float32


def test_the_means_stand_in_for_the_weights_inside_the_block_only(rng):
    average, w = WeightAverage(0.9), rng.normal(size=3)
    average.update({"w": w}, 1)
    before, mean = w.copy(), w.copy()
    w += 1
    with average.standing_in({"w": w}):
        np.testing.assert_array_equal(w, mean)
    np.testing.assert_array_equal(w, before + 1)


def test_the_weights_come_back_also_after_an_error():
    average, w = WeightAverage(0.9), np.ones(3)
    average.update({"w": np.zeros(3)}, 1)
    with pytest.raises(ValueError, match="nonsense"), average.standing_in({"w": w}):
        int("nonsense")
    np.testing.assert_array_equal(w, np.ones(3))


def test_without_decay_nothing_is_kept(rng):
    average, w = WeightAverage(0.0), np.ones(3)
    average.update({"w": w}, 1)
    assert average.arrays() == {}
    with average.standing_in({"w": w}):
        np.testing.assert_array_equal(w, np.ones(3))


def test_means_that_were_saved_go_on_bit_for_bit_and_the_rest_is_handed_back(rng):
    first, second, weights = WeightAverage(0.9), WeightAverage(0.9), draw(rng)
    first.update(weights, 1)
    rest = second.load({**first.arrays(), "v/head.w": np.ones(3)}, weights)
    assert list(rest) == ["v/head.w"]
    later = draw(rng)
    for average in (first, second):
        average.update(later, 2)
    assert all((first.means[name] == second.means[name]).all() for name in weights)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"average/w": np.ones(3)}, "WeightAverage: b has a mean or is in the model, but not both"),
        ({"average/w": np.ones(3), "average/b": np.ones(2)}, r"the mean of b is \(2,\) but it is \(1,\)"),
    ],
)
def test_means_of_other_weights_are_refused(arrays, message):
    average = WeightAverage(0.9)
    with pytest.raises((InputError, ShapeError), match=message):
        average.load(arrays, {"w": np.ones(3), "b": np.ones(1)})
    assert average.arrays() == {}


def test_averages_work_where_the_parameters_live(backend, rng):
    params, grads = ({name: backend.from_host(a) for name, a in draw(rng).items()} for _ in range(2))
    rule, average = Lookahead(SGD(0.1), k=2), WeightAverage(0.9)
    for step in (1, 2, 3):
        rule.step(params, grads)
        average.update(params, step)
    with average.standing_in(params):
        arrays = {**rule.arrays(), **average.arrays(), **params}
    assert all(type(array) is backend.array_type for array in arrays.values())
