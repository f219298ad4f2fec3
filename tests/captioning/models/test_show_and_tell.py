import numpy as np
import pytest
from captioning.models.small import CAPTIONS, WORDS, batch_for, small

from minicap.arrays.random import RandomStream
from minicap.captioning import ShowAndTell, ShowAndTellConfig
from minicap.errors import InputError

STREAM = RandomStream(7)


def test_the_first_loss_is_about_the_entropy_of_the_word_frequencies():
    captions = CAPTIONS * 5
    entropy = -np.mean(
        [WORDS.log_frequency()[word] for caption in captions for word in WORDS.encode(caption)]
    )
    config = ShowAndTellConfig("lstm", embed_size=64, hidden_size=64, dropout=0.5)
    model = ShowAndTell(config, 6, len(WORDS), WORDS.log_frequency()).initialize(seed=1)
    loss, _ = model.loss(batch_for(model, np.float32, captions), train=True, rng=STREAM)
    assert loss == pytest.approx(entropy, abs=0.1)
    assert entropy < np.log(len(WORDS)) - 0.2  # so that a bias of zeros would not pass


def test_inputs_and_outputs_are_dropped_independently():
    model = small("show-and-tell lstm")
    assert model.dropout.stream(STREAM) != model.in_dropout.stream(STREAM)


def test_nothing_but_the_first_step_reads_the_image():
    """The state alone carries it on: a step knows words and state."""
    model = small("show-and-tell lstm")
    state = model.start(batch_for(model)["features"])
    assert [array.shape for array in state] == [(len(CAPTIONS), 5)] * 2


def test_an_unknown_cell_and_a_size_of_zero_are_input_errors():
    with pytest.raises(InputError, match="'lstn' but must be one of rnn, lstm, gru"):
        ShowAndTellConfig("lstn")
    with pytest.raises(InputError, match="at least 1"):
        ShowAndTellConfig(hidden_size=0)


def test_a_dropout_out_of_range_is_an_input_error():
    with pytest.raises(InputError, match="dropout"):
        ShowAndTellConfig(dropout=1.5)
