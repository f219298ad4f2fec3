import numpy as np
import pytest
from captioning.models.small import CAPTIONS, SHAPES, WORDS, batch_for, small

from minicap.captioning import AttendAndTellConfig, make_model
from minicap.decoding import beam_search, greedy
from minicap.errors import InputError
from minicap.gradcheck import check_model


def test_attention_is_a_share_of_every_place_at_every_step():
    model = small("attend-and-tell")
    _, _, extras = model.step(model.start(batch_for(model)["features"]), np.array([1, 1, 1, 1, 1]))
    assert extras["attention"].shape == (len(CAPTIONS), 4)
    np.testing.assert_allclose(extras["attention"].sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("decode", [greedy, beam_search])
def test_a_caption_comes_with_the_attention_of_each_of_its_words(decode):
    model = small("attend-and-tell")
    features = batch_for(model)["features"]
    found = decode(model.step, model.start(features), WORDS.start, WORDS.end, max_length=6)
    for row, first in enumerate(found if decode is greedy else [beams[0] for beams in found]):
        said = [WORDS.start, *first.words, WORDS.end][: len(first.words) + first.finished]
        state = model.start(features[row : row + 1])
        assert len(first.extras["attention"]) == len(said)
        for word, attention in zip(said, first.extras["attention"], strict=True):
            _, state, expected = model.step(state, np.array([word]))
            np.testing.assert_allclose(attention, expected["attention"][0], rtol=0, atol=1e-12)


def test_the_order_of_the_places_does_not_matter():
    model = small("attend-and-tell", dropout=0.0)
    batch = batch_for(model)
    turned = batch | {"features": batch["features"][:, ::-1]}
    loss, grads = model.loss(batch, train=True)
    turned_loss, turned_grads = model.loss(turned, train=True)
    assert turned_loss == pytest.approx(loss, rel=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(turned_grads[name], grad, rtol=0, atol=1e-13)


def test_training_asks_every_place_to_be_looked_at_and_evaluation_does_not():
    """With v = 0 all places are looked at alike, and the penalty is known."""
    model = small("attend-and-tell", dropout=0.0)
    model.own["v"][:] = 0
    batch = batch_for(model)
    lengths = batch["mask"].sum(axis=1)
    penalty = (4 * (1 - lengths / 4) ** 2).sum() / lengths.sum()
    train, _ = model.loss(batch, train=True)
    assert train == pytest.approx(model.loss(batch, train=False)[0] + penalty, rel=1e-12)


def test_a_penalty_of_weight_0_leaves_the_loss_and_the_gradients_of_the_words():
    config = AttendAndTellConfig(4, 5, 3, dropout=0.0, doubly_stochastic=0.0)
    model = make_model(config, SHAPES, len(WORDS)).initialize(seed=1, dtype=np.float64)
    batch = batch_for(model)
    assert model.loss(batch, train=True)[0] == model.loss(batch, train=False)[0]
    report = check_model(lambda: model.loss(batch, train=True), model.params, entries=5)
    assert report.passed, str(report)


def test_sizes_and_penalties_out_of_range_are_input_errors():
    with pytest.raises(InputError, match="attention_size must be at least 1"):
        AttendAndTellConfig(attention_size=0)
    with pytest.raises(InputError, match="doubly_stochastic is -1"):
        AttendAndTellConfig(doubly_stochastic=-1)
    with pytest.raises(InputError, match="dropout"):
        AttendAndTellConfig(dropout=1)
