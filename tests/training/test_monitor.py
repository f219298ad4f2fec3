import pytest

from minicap.errors import InputError
from minicap.training.monitor import Monitor


@pytest.mark.parametrize(
    ("name", "direction", "falls"),
    [
        ("validation_loss", "auto", True),
        ("train_loss", "auto", True),
        ("perplexity", "auto", True),
        ("top5_error", "auto", True),
        ("cider", "auto", False),
        ("f1", "auto", False),
        ("accuracy", "auto", False),
        ("cider", "min", True),
        ("validation_loss", "max", False),
    ],
)
def test_losses_and_errors_are_to_fall_scores_to_rise_unless_told_otherwise(name, direction, falls):
    monitor = Monitor(name, direction)
    assert monitor.falls == falls
    assert monitor.better(0.1, 0.2) == falls
    assert monitor.better(0.2, 0.1) != falls


@pytest.mark.parametrize("name", ["loss", "f1"])
def test_the_first_value_is_the_best_so_far_and_an_equal_one_is_no_better(name):
    assert Monitor(name).better(0.5, None)
    assert not Monitor(name).better(0.5, 0.5)


def test_a_value_that_nobody_records_is_an_error_that_names_those_recorded():
    record = {"step": 1, "epoch": 1, "train_loss": 2.0, "seconds": 3.0, "cider": 0.5}
    message = r'nobody records "cidr".*\(did you mean "cider"\?\); an epoch records train_loss, cider$'
    with pytest.raises(InputError, match=message):
        Monitor("cidr").value(record)
    assert Monitor("cider").value(record) == 0.5


def test_a_value_that_is_not_finite_cannot_decide():
    with pytest.raises(
        InputError, match='"f1", which decides which epoch is the best, is not a finite number'
    ):
        Monitor("f1").value({"f1": None})
