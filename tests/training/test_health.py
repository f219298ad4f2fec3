from pathlib import Path

import numpy as np
import pytest

from minicap.errors import TrainingError
from minicap.training.health import Health

HEALTH = Health(Path("run/last"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_stops_and_names_the_last_good_checkpoint(value):
    with pytest.raises(
        TrainingError, match=rf"the loss is {value} at step 3; stopped\. The last good .*last\. Try"
    ):
        HEALTH.require_finite(value, "loss", "at step 3")
    HEALTH.require_finite(1e300, "loss", "at step 3")


@pytest.mark.parametrize(("first", "most"), [(0.0, 1e4), (0.5, 1e4), (4.0, 4e4), (-4.0, 4e4)])
def test_a_loss_ten_thousand_times_the_first_has_diverged(first, most):
    HEALTH.require_no_divergence(0.99 * most, first, "loss", "at step 3")
    with pytest.raises(TrainingError, match=r"training has diverged: the loss was .* at first, the loss is"):
        HEALTH.require_no_divergence(1.01 * most, first, "loss", "at step 3")


def test_a_parameter_whose_square_overflows_is_named_in_its_own_precision():
    # The largest float32 is 3.4e38, the root of which is 1.8e19; float64 goes to 1.8e308.
    HEALTH.require_sound({"w": np.array([1e18, -1e19], np.float32)}, {"w": np.zeros(2)}, "")
    HEALTH.require_sound({"w": np.array([1e150])}, {"w": np.zeros(1)}, "")
    with pytest.raises(TrainingError, match=r"w holds 1.9.*e\+19 after step 4; stopped"):
        HEALTH.require_sound({"w": np.array([-2e19], np.float32)}, {"w": np.zeros(1)}, "after step 4")


def test_what_is_no_parameter_only_has_to_be_finite():
    HEALTH.require_sound({"v": np.array([1e38], np.float32)}, {}, "")
    with pytest.raises(TrainingError, match="v holds nan"):
        HEALTH.require_sound({"v": np.array([np.nan, 1])}, {}, "after step 4")
