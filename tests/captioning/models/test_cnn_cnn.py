import numpy as np
from captioning.models.small import CAPTIONS, batch_for, small


def test_a_word_sees_as_far_back_as_the_windows_reach_and_no_further():
    """Two convolutions of three words: four words back."""
    model = small("cnn-cnn")
    batch = {"features": batch_for(model)["features"], "words": np.tile(np.arange(4, 14), (5, 1))}
    scores, _ = model.forward(batch, train=False)
    batch["words"] = batch["words"].copy()
    batch["words"][:, 2] = 4
    others, _ = model.forward(batch, train=False)
    changed = np.abs(scores - others).max(axis=(0, 2)) > 1e-9
    assert changed.tolist() == [False] * 2 + [True] * 5 + [False] * 3


def test_attention_is_a_share_of_every_place():
    model = small("cnn-cnn")
    _, _, extras = model.step(model.start(batch_for(model)["features"]), np.ones(5, np.int64))
    assert extras["attention"].shape == (len(CAPTIONS), 4)
    np.testing.assert_allclose(extras["attention"].sum(axis=1), 1, rtol=1e-12)
