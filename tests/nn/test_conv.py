import numpy as np
import pytest

from minicap.nn import Conv1d


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("size", [1, 3])
def test_causal_convolution_step_by_step_is_that_of_the_whole_sequence(size, dilation):
    conv = Conv1d(3, 4, size, dilation).initialize(seed=1, dtype=np.float64)
    conv["b"][:] = [1, 2, 3, 4]
    x = np.random.default_rng(0).normal(size=(2, 6, 3))
    expected, past = conv(x), conv.start(2)
    for t in range(6):
        out, past = conv.step(x[:, t], past)
        np.testing.assert_allclose(out, expected[:, t], rtol=1e-12)
    assert past.shape == (2, dilation * (size - 1), 3)


def test_causal_convolutions_start_with_the_scale_of_their_whole_window():
    conv = Conv1d(64, 128, 5).initialize(seed=1)
    assert conv["w"].var() == pytest.approx(2 / (5 * 64), rel=0.03)
