"""The three losses of the baselines, by hand."""

import numpy as np
import pytest
from multilabel.models.small_taggers import NUM_LABELS, STAGES, batch_of_five, small


def scores_for(name):
    model, batch = small(name, dropout=0.0), batch_of_five()
    return model, batch, model.forward(batch, train=False)[0]


def test_softmax_shares_the_probability_of_a_photo_among_its_labels():
    model, batch, scores = scores_for("linear softmax")
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    total = -sum(log_p[row][y > 0].mean() for row, y in enumerate(batch["y"]) if y.any())
    assert model.loss(batch, train=False)[0] == pytest.approx(total / len(scores), rel=1e-12)


def test_bce_asks_for_every_label_on_its_own():
    model, batch, scores = scores_for("linear bce")
    p = 1 / (1 + np.exp(-scores))
    total = -(batch["y"] * np.log(p) + (1 - batch["y"]) * np.log(1 - p)).sum()
    assert model.loss(batch, train=False)[0] == pytest.approx(total / len(scores), rel=1e-12)


def test_a_label_starts_as_likely_as_it_is_frequent():
    model, shares = small("linear bce", dropout=0.0), np.array([0.5, 0.25, 0.01, 0.99])
    model.params["scores.affine.w"][...] = 0
    model.start_from(shares)
    features = batch_of_five()["features"]
    np.testing.assert_allclose(model.probabilities(features), np.tile(shares, (5, 1)), rtol=1e-12)


def test_only_the_last_stage_is_read():
    model, batch, scores = scores_for("linear bce")
    other = batch | {"features": batch["features"].copy()}
    other["features"][:, : STAGES[0]] += 5
    np.testing.assert_array_equal(model.forward(other, train=False)[0], scores)


def test_as_many_labels_as_asked_for_or_those_above_0():
    _, batch, scores = scores_for("linear bce")
    three = small("linear bce", dropout=0.0).tags(batch["features"])
    assert [[tag.label for tag in tags] for tags in three] == np.argsort(-scores, axis=1)[:, :3].tolist()
    above = small("linear bce above 0", dropout=0.0).tags(batch["features"])
    assert [{tag.label for tag in tags} for tags in above] == [
        {k for k in range(NUM_LABELS) if row[k] > 0} for row in scores
    ]
    assert all(tag.probability > 0.5 for tags in above for tag in tags)
