import numpy as np
import pytest
from multilabel.models.small_taggers import LABELS, NUM_LABELS, batch_of_five, small

from minicap.decoding import Hypothesis
from minicap.errors import InputError
from minicap.multilabel.models import InitializedConfig, LinearConfig
from minicap.multilabel.models.label_sequence import as_sets
from minicap.optim import make_rule


def test_the_same_labels_in_another_order_are_one_set_as_probable_as_both_together():
    found = as_sets(
        [
            Hypothesis((0, 1), np.log(0.3), -0.1, True),
            Hypothesis((2,), np.log(0.4), -0.2, True),
            Hypothesis((1, 0), np.log(0.2), -0.3, True),
            Hypothesis((2,), np.log(0.1), -0.4, False),
        ]
    )
    assert [(h.words, h.finished) for h in found] == [((0, 1), True), ((2,), True), ((2,), False)]
    assert [np.exp(h.log_prob) for h in found] == pytest.approx([0.5, 0.4, 0.1])


def test_a_label_is_as_probable_as_at_the_step_where_it_comes_closest():
    model, features = small("initialized both"), batch_of_five()["features"]
    (said,) = model.hypotheses(features[:1])
    state, last, steps = model.start(features[:1]), model.begin, []
    for label in (*said[0].words, model.end):
        log_probs, state, _ = model.step(state, np.array([last]))
        steps.append(np.exp(log_probs[0, :NUM_LABELS]))
        last = label
    np.testing.assert_allclose(model.probabilities(features)[0], np.max(steps, axis=0), rtol=1e-12)


def test_its_own_order_says_the_most_probable_label_of_those_left_next():
    model, batch = small("initialized both", order="own"), batch_of_five()
    own = model.in_own_order(batch)
    for row, labels in enumerate(LABELS):
        said = own["next_labels"][row][: len(labels) + 1].tolist()
        assert sorted(said) == sorted([*labels, NUM_LABELS])
        assert said[-1] == NUM_LABELS
        state, last, left = model.start(batch["features"][row : row + 1]), model.begin, set(labels)
        for label in said[:-1]:
            log_probs, state, _ = model.step(state, np.array([last]))
            assert label == max(left, key=lambda k: log_probs[0, k])
            left.remove(label)
            last = label
    np.testing.assert_array_equal(own["labels"][:, 1:], own["next_labels"][:, :-1])


def test_in_its_own_order_the_sets_are_learned_whatever_order_they_are_listed_in():
    losses = {}
    for order in ("frequent", "rare"):
        model = small("initialized both", np.float32, 0.0, order="own", hidden_size=24, embed_size=12)
        batch, rule = batch_of_five(np.float32, order), make_rule("adam", 0.03)
        for _ in range(80):
            _, grads = model.loss(batch, train=True)
            rule.step(model.params, grads)
        losses[order] = float(model.loss(batch, train=False)[0])
        found = [{tag.label for tag in tags} for tags in model.tags(batch["features"])]
        assert found == [set(labels) for labels in LABELS]
    assert losses["frequent"] == losses["rare"]


def test_settings_out_of_range_are_input_errors():
    with pytest.raises(InputError, match="embed_size and hidden_size must be at least 1"):
        InitializedConfig(hidden_size=0)
    with pytest.raises(InputError, match="dropout is 1"):
        InitializedConfig(dropout=1.0)
    with pytest.raises(InputError, match="\"way\" is 'cell'"):
        InitializedConfig(way="cell")
    with pytest.raises(InputError, match="top is -1"):
        LinearConfig(top=-1)
    with pytest.raises(InputError, match="scores learned with warp have no natural threshold"):
        LinearConfig("warp", top=0)
