import numpy as np
from captioning.models.small import batch_for, small


def test_the_states_of_three_words_by_hand():
    model = small("neuraltalk")
    image = model.image(model.standardized(batch_for(model)["features"]))
    Wx, Wh, b = (model.cell[name] for name in ("Wx", "Wh", "b"))
    x = [model.words(np.full(5, word)) for word in (1, 7, 4)]
    h = np.maximum(0, x[0] @ Wx + b + image)
    for x_t in x[1:]:
        h = np.maximum(0, x_t @ Wx + h @ Wh + b)
    batch = {"features": batch_for(model)["features"], "words": np.tile([1, 7, 4], (5, 1))}
    states, _, _ = model.hidden(batch, False, None)
    np.testing.assert_allclose(states[:, 2], h, rtol=1e-12)


def test_only_the_first_step_reads_the_image():
    model = small("neuraltalk")
    state = model.start(batch_for(model)["features"])
    assert state[1].any()
    _, state, _ = model.step(state, np.ones(5, np.int64))
    assert not state[1].any()
