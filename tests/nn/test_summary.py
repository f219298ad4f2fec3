import numpy as np
import pytest

from minicap.captioning import ShowAndTell, ShowAndTellConfig
from minicap.errors import InputError, ShapeError
from minicap.models import SqueezeNet
from minicap.nn import LSTM, Affine, Conv2d, Embedding, MaxPool2d, Module, ReLU, Sequential, Split, Supervised


def small_net():
    return Sequential(Conv2d(3, 8, 3, pad=1), ReLU(), MaxPool2d(), Affine(8 * 4 * 4, 10)).initialize()


def test_each_brick_has_its_shape_parameters_and_bytes():
    rows = small_net().summary((2, 3, 8, 8))
    assert [(r.name, r.kind, r.shape, r.parameters, r.bytes) for r in rows] == [
        ("conv1", "Conv2d", (2, 8, 8, 8), 8 * 27 + 8, 4 * (2 * 8 * 8 * 8 + 8 * 27 + 8)),
        ("relu1", "ReLU", (2, 8, 8, 8), 0, 4 * 2 * 8 * 8 * 8),
        ("pool1", "MaxPool2d", (2, 8, 4, 4), 0, 4 * 2 * 8 * 4 * 4),
        ("affine1", "Affine", (2, 10), 1290, 4 * (20 + 1290)),
    ]


def test_it_prints_as_a_table_with_a_total():
    model = small_net()
    lines = str(model.summary((2, 3, 8, 8))).splitlines()[:8]
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "bytes"]
    assert lines[-1].split()[:2] == ["total", f"{sum(p.size for p in model.params.values()):,}"]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("cores", [1, 2])
def test_the_memory_of_a_training_step_is_told_below(monkeypatch, cores):
    monkeypatch.setattr("minicap.nn.summary.core_count", lambda: cores)
    rows = small_net().summary((20, 3, 8, 8))
    lines = str(rows).splitlines()[8:]
    assert lines[0].startswith("training step of 20 samples, peak memory in MB")
    assert lines[0].endswith("2 shards" if cores == 2 else "1 shard")
    peaks = [float(number) for number in lines[-2].split()[1:]]
    assert peaks == [pytest.approx(rows.memory.peak(20, n) / 1e6, rel=0.1) for n in (1, 2)[:cores]]
    assert lines[-1].endswith("8 GB")


def test_a_large_batch_is_not_run_to_describe_it():
    rows = small_net().summary((1_000_000, 3, 8, 8))
    assert [row.shape[0] for row in rows] == [1_000_000] * 4
    assert rows.memory.peak(1_000_000) > 4e9


def test_a_batch_of_named_arrays_stands_for_a_shape():
    model = ShowAndTell(ShowAndTellConfig(embed_size=4, hidden_size=5), 6, 9).initialize()
    words = np.zeros((3, 7), int)
    rows = model.summary(
        {"features": np.zeros((3, 6), "f"), "words": words, "next_words": words, "mask": np.ones((3, 7), "f")}
    )
    assert (rows[-1].name, rows[-1].shape) == ("ShowAndTell", (3, 7, 9))
    assert rows.memory.peak(3) > 0


@pytest.mark.parametrize("shape", [(), (0, 3, 8, 8)])
def test_a_shape_without_samples_is_refused(shape):
    with pytest.raises(InputError, match="number of samples"):
        small_net().summary(shape)


@pytest.mark.parametrize("shape", [64, None, "64", (2.0, 3, 8, 8), (2, -3, 8, 8), np.zeros((2, 3, 8, 8))])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(InputError, match="must be a tuple of sizes"):
        small_net().summary(shape)


@pytest.mark.parametrize("batch", [{}, {"features": np.zeros((0, 6), "f"), "words": np.zeros((0, 7), int)}])
def test_a_batch_without_samples_is_refused(batch):
    model = ShowAndTell(ShowAndTellConfig(embed_size=4, hidden_size=5), 6, 9).initialize()
    with pytest.raises(InputError, match="the batch is empty"):
        model.summary(batch)


def test_composites_are_opened_down_to_the_bricks():
    rows = SqueezeNet().initialize().summary((1, 3, 67, 67))
    names = [row.name for row in rows]
    assert names[:4] == ["features.conv1", "features.relu1", "features.pool1", "features.fire2.squeeze.conv"]
    assert sum(row.parameters for row in rows) == 1_235_496


def test_a_classifier_is_opened_too():
    assert [r.name for r in Supervised(small_net()).summary((1, 3, 8, 8))] == [
        "net.conv1",
        "net.relu1",
        "net.pool1",
        "net.affine1",
    ]


def test_word_indices_are_asked_for_by_dtype():
    rows = Sequential(Embedding(10, 4), LSTM(4, 3)).initialize().summary((2, 5), "int64")
    assert [row.shape for row in rows] == [(2, 5, 4), (2, 5, 3)]


def test_a_brick_used_twice_has_its_parameters_once():
    class Twice(Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Affine(4, 4)

        def forward(self, x, train, rng=None):
            return self.inner.forward(self.inner.forward(x, train)[0], train)

    rows = Twice().initialize().summary((1, 4))
    assert [(row.name, row.parameters) for row in rows] == [("inner", 20), ("inner", 0)]


def test_the_model_works_as_before_afterwards_even_when_the_input_did_not_fit():
    model = small_net()
    with pytest.raises(ShapeError):
        model.summary((2, 4, 8, 8))
    x = np.ones((1, 3, 8, 8), np.float32)
    assert model(x).shape == (1, 10)
    assert not any("forward" in vars(module) for module in model.modules())


def test_several_outputs_have_several_shapes():
    (row,) = Split([1, 2]).summary((5, 3))
    assert (row.shape, row.bytes) == (((5, 1), (5, 2)), 5 * 3 * 4)


def test_a_notebook_shows_tables_with_the_same_numbers():
    rows = small_net().summary((20, 3, 8, 8))
    shown = rows._repr_html_()
    assert shown.count("<table>") == shown.count("</table>") == 2
    for word in str(rows).replace("-", "").split():
        assert word in shown


def test_a_model_without_memory_is_one_table():
    rows = small_net().summary((2, 3, 8, 8))
    rows.memory = None
    assert rows._repr_html_().count("<table>") == 1
