import json

import pytest

from benchmarks.cases.networks import Network
from benchmarks.roofline import __main__ as command
from benchmarks.roofline.layers import Work, measure_layers
from benchmarks.roofline.picture import draw_roofline
from benchmarks.roofline.roof import Roof, measure_roof
from benchmarks.watch import TrainingStep
from minicap.nn import Affine, Conv2d, MaxPool2d, ReLU, Sequential

N, IMAGE, CLASSES = 4, (3, 16, 16), 5
ROOF = Roof(2, flops=100e9, bytes=10e9)


def small(image, classes):
    convs = (Conv2d(3, 8, pad="same"), ReLU(), Conv2d(8, 16, pad="same"), MaxPool2d())
    return Sequential(*convs, Affine(16 * 8 * 8, classes))


@pytest.fixture
def works(monkeypatch):
    monkeypatch.setenv("MINICAP_AUTOTUNE", "0")
    step = TrainingStep(Network(small, N, IMAGE, CLASSES), shards=2)
    return {(work.layer, work.phase): work for work in measure_layers(step, 2)}


def test_every_layer_is_measured_in_both_directions(works):
    layers = ["conv1", "relu1", "conv2", "pool1", "affine1"]
    assert list(works) == [(layer, phase) for layer in layers for phase in ("forward", "backward")]
    assert all(work.seconds > 0 for work in works.values())


def test_the_shards_of_a_batch_count_together(works):
    assert works["conv2", "forward"].flops == 2 * N * 16 * 16**2 * 8 * 9
    assert works["affine1", "forward"].flops == 2 * N * 16 * 8**2 * CLASSES
    assert works["relu1", "forward"].flops == N * 8 * 16**2
    assert works["pool1", "forward"].flops == 3 * N * 16 * 8**2


def test_the_first_layer_makes_no_gradient_of_its_inputs(works):
    assert works["conv1", "backward"].flops == works["conv1", "forward"].flops
    assert works["conv2", "backward"].flops == 2 * works["conv2", "forward"].flops


def test_bytes_are_inputs_outputs_and_weights_once(works):
    x, out, w = N * 8 * 16**2, N * 16 * 16**2, 16 * 8 * 9 + 16
    assert works["conv2", "forward"].bytes == 4 * (x + w + out)
    assert works["conv2", "backward"].bytes == 4 * (out + x + w + x + w)
    assert works["relu1", "backward"].bytes == 4 * 2 * x


def test_winograd_makes_a_quarter_of_the_products_in_whole_tiles(works):
    conv = works["conv2", "backward"]
    assert conv.algorithm == "winograd"
    assert conv.multiplied == conv.flops / 4
    assert works["conv1", "forward"].multiplied == works["conv1", "forward"].flops


def test_a_roof_is_memory_first_and_arithmetic_then():
    assert ROOF.at(1) == 10e9
    assert ROOF.at(10) == ROOF.at(1000) == 100e9


def test_a_roof_can_be_measured():
    roof = measure_roof(2, rounds=1, sides=(64,), copied=1 << 20)
    assert roof.threads == 2
    assert roof.flops > 1e8
    assert roof.bytes > 1e7


def test_every_layer_has_its_name_in_the_picture():
    pytest.importorskip("matplotlib", reason="figures need it")
    rows = [("conv1", 20, 50e9), ("conv2", 21, 51e9), ("relu1", 0.1, 0.9e9)]
    works = [
        Work(layer, phase, "", rate, rate / 4, rate / intensity, 1.0)
        for layer, intensity, rate in rows
        for phase in ("forward", "backward")
    ]
    for panel in draw_roofline(works, [Roof(1, 60e9, 8e9), ROOF], "a title").axes:
        labels = ", ".join(text.get_text() for text in panel.texts)
        assert sorted(labels.split(", ")) == ["conv1", "conv2", "relu1"]


def test_the_command_writes_a_table_a_figure_and_numbers(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="figures need it")
    monkeypatch.setattr(command, "measure_roof", lambda threads: Roof(threads, threads * 50e9, 10e9))
    figure, numbers = tmp_path / "roof.svg", tmp_path / "roof.json"
    options = ["--steps", "1", "--patience", "0", "--figure", str(figure), "--json", str(numbers)]
    assert command.main(["step/lenet-cifar", *options]) == 0
    out = capsys.readouterr().out
    assert "2 threads: 100 GF/s in float32 products, 10.0 GB/s copied" in out
    assert "\n| affine2 | " in out
    assert figure.read_text(encoding="utf-8").startswith("<?xml")
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert [roof["threads"] for roof in found["roofs"]] == [1, 2]
    assert {work["phase"] for work in found["layers"]} == {"forward", "backward"}


def test_a_case_without_layers_is_an_error_in_one_line(capsys):
    assert command.main(["lstm/128"]) == 2
    assert capsys.readouterr().err.startswith("benchmarks.roofline: 'lstm/128' is no training step")


@pytest.mark.parametrize("option", ["--threads", "--steps"])
def test_numbers_must_be_positive(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main([option, "0"])
    assert f"argument {option}: 0 is not positive" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["picture.gif", "missing/picture.svg", "folder.svg"])
def test_a_picture_that_cannot_be_written_is_told_before_anything_is_measured(
    name, tmp_path, capsys, monkeypatch
):
    pytest.importorskip("matplotlib", reason="figures need it")
    monkeypatch.delattr(command, "TrainingStep")
    (tmp_path / "folder.svg").mkdir()
    assert command.main(["--figure", str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("benchmarks.roofline: ")
    assert err.count("\n") == 1
