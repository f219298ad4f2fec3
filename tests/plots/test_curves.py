import pytest

from minicap.errors import InputError

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from matplotlib.figure import Figure

from minicap.plots import loss_curves

UNIT = "cross-entropy a word, nats"


def run(epochs=3, steps=4, validation=(3.0, 2.0, 2.5), **metrics):
    """Records as a Trainer writes them; the loss of step s is 10 - s."""
    records = []
    for epoch in range(1, epochs + 1):
        numbers = range((epoch - 1) * steps + 1, epoch * steps + 1)
        records += [{"step": s, "epoch": epoch, "loss": 10.0 - s} for s in numbers]
        mean = sum(10.0 - s for s in numbers) / steps
        record = {
            "step": epoch * steps,
            "epoch": epoch,
            "train_loss": mean,
            "learning_rate": 0.1,
            "seconds": 1.0,
        }
        if validation:
            record["validation_loss"] = validation[epoch - 1]
        records.append(record | {name: values[epoch - 1] for name, values in metrics.items()})
    return records


def lines(panel):
    return {line.get_label(): line.get_xydata().tolist() for line in panel.lines}


def test_every_record_is_drawn_where_it_belongs():
    figure = loss_curves(run(), UNIT)
    assert isinstance(figure, Figure)
    (panel,) = figure.axes
    drawn = lines(panel)
    assert drawn["each step"] == [[s / 4, 10.0 - s] for s in range(1, 13)]
    assert drawn["epoch mean"] == [[0.5, 7.5], [1.5, 3.5], [2.5, -0.5]]
    assert drawn["validation"] == [[1, 3.0], [2, 2.0], [3, 2.5]]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("epoch", UNIT)


def test_the_best_epoch_is_marked_by_its_validation_loss():
    assert lines(loss_curves(run()).axes[0])["best: 2 after epoch 2"][0][0] == 2


def test_without_validation_the_best_is_that_of_training():
    drawn = lines(loss_curves(run(validation=())).axes[0])
    assert "validation" not in drawn
    assert drawn["best: -0.5 after epoch 3"][0][0] == 3


def test_metrics_get_a_panel_of_their_own(assert_readable):
    metrics = {"cider": (0.1, 0.2, 0.3), "bleu_4": (0.01, None, 0.03), "my_score": (1.0, 2.0, 3.0)}
    figure = loss_curves(run(**metrics), UNIT, title="LSTM on UCM")
    _, panel = figure.axes
    drawn = lines(panel)
    assert drawn["CIDEr"] == [[1, 0.1], [2, 0.2], [3, 0.3]]
    assert drawn["BLEU-4"] == [[1, 0.01], [3, 0.03]]
    assert "my score" in drawn
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("epoch", "metric")
    assert_readable(figure)


def test_many_metrics_look_different_from_each_other(assert_readable):
    figure = loss_curves(run(**{f"metric{i}": (i, i, i) for i in range(9)}))
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[1].lines[1:]}
    assert len(looks) == 9
    assert_readable(figure)


def test_the_steps_after_the_last_epoch_go_on_at_its_pace():
    records = [*run(), {"step": 14, "epoch": 4, "loss": 1.0}]
    assert lines(loss_curves(records).axes[0])["each step"][-1] == [3.5, 1.0]


def test_the_axis_may_count_the_minutes_that_the_epochs_took(assert_readable):
    timed = [r | ({"seconds": 120.0 * r["epoch"]} if "train_loss" in r else {}) for r in run()]
    timed.append({"step": 13, "epoch": 4, "loss": -3.0})  # of an epoch whose time is not known yet
    figure = loss_curves(timed, UNIT, over="minutes")
    (panel,) = figure.axes
    drawn = lines(panel)
    assert drawn["each step"] == [[s / 2, 10.0 - s] for s in range(1, 13)]
    assert drawn["epoch mean"] == [[1, 7.5], [3, 3.5], [5, -0.5]]
    assert drawn["validation"] == [[2, 3.0], [4, 2.0], [6, 2.5]]
    assert drawn["best: 2 after epoch 2"][0][0] == 4
    assert panel.get_xlabel() == "minutes"
    assert_readable(figure)


def test_minutes_need_epochs_that_say_how_long_they_took():
    untimed = [{key: value for key, value in r.items() if key != "seconds"} for r in run()]
    for records in (untimed, run()[:2]):
        with pytest.raises(InputError, match="minutes are counted by epochs with seconds"):
            loss_curves(records, over="minutes")


def test_before_the_first_epoch_is_done_the_axis_counts_steps(assert_readable):
    figure = loss_curves(run()[:3])
    (panel,) = figure.axes
    assert panel.get_xlabel() == "step"
    assert lines(panel) == {"each step": [[1, 9.0], [2, 8.0], [3, 7.0]]}
    assert_readable(figure)


def test_epoch_records_alone_are_enough():
    drawn = lines(loss_curves([r for r in run() if "train_loss" in r]).axes[0])
    assert "each step" not in drawn
    assert len(drawn["epoch mean"]) == 3


def test_one_epoch_is_drawn_as_a_point(assert_readable):
    figure = loss_curves(run(epochs=1), UNIT)
    assert figure.axes[0].lines[1].get_marker() == "o"
    assert_readable(figure)


def test_long_runs_are_drawn_without_markers():
    figure = loss_curves(run(epochs=100, validation=[1.0] * 100))
    assert {line.get_marker() for line in figure.axes[0].lines} == {"None"}


def test_the_texts_of_long_titles_stay_inside(assert_readable):
    assert_readable(loss_curves(run(cider=(0.1, 0.2, 0.3)), UNIT, title="a long title with $5 and $6 " * 9))


@pytest.mark.parametrize("records", [[], [{"step": 1, "epoch": 1}], [{"step": 1, "loss": float("nan")}]])
def test_records_without_a_loss_are_an_input_error(records):
    with pytest.raises(InputError, match="hold no loss"):
        loss_curves(records)


def test_the_best_epoch_is_that_of_the_value_which_decides(texts):
    records = [
        {"step": 10 * n, "epoch": n, "train_loss": 1 / n, "validation_loss": loss, "accuracy": accuracy}
        for n, loss, accuracy in ((1, 0.5, 0.7), (2, 0.9, 0.9), (3, 0.8, 0.8))
    ]

    def best(**judge):
        return [t for t, _ in texts(loss_curves(records, **judge)) if t.startswith("best")]

    assert best(judge="accuracy", falls=False) == ["best: accuracy 0.9 after epoch 2"]
    assert best() == ["best: 0.5 after epoch 1"]
    assert best(judge="cider", falls=False) == ["best: 0.3333 after epoch 3"]  # nobody records it
