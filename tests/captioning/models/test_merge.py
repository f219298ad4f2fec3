import numpy as np
from captioning.models.small import batch_for, small

from minicap.captioning.models import Merge, MergeConfig


def test_the_network_of_the_survey_has_its_number_of_parameters():
    """2048 features, 50 numbers a word, 1848 words, captions of 35."""
    model = Merge(MergeConfig(embed_size=50), 2048, 1848).initialize()
    batch = {
        "features": np.zeros((1, 2048), np.float32),
        "words": np.zeros((1, 35), np.int64),
        "next_words": np.zeros((1, 35), np.int64),
        "mask": np.ones((1, 35), np.float32),
    }
    parameters = {row.name: row.parameters for row in model.summary(batch)}
    scores = parameters.pop("Merge")
    assert parameters == {
        "words": 92_400,
        "image.dropout": 0,
        "image.affine": 524_544,
        "image.relu": 0,
        "in_dropout": 0,
        "cell": 314_368,
        "merged.affine": 65_792,
        "merged.relu": 0,
        "dropout": 0,
    }
    assert scores == 474_936
    assert scores + sum(parameters.values()) == 1_472_040


def test_the_recurrent_layer_never_hears_of_the_image():
    model = small("merge")
    batch = batch_for(model)
    state = model.start(batch["features"])
    for words in batch["words"].T:
        _, state, _ = model.step(state, words)
    others = model.start(-batch["features"])
    for words in batch["words"].T:
        _, others, _ = model.step(others, words)
    assert np.abs(state[0] - others[0]).max() > 0.1
    np.testing.assert_array_equal(state[1:], others[1:])
