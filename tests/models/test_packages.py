import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from minicap.models import packages
from minicap.models.packages import (
    EFFICIENTNET_LITE0,
    INCEPTION_V3_2015,
    RESNET50_V1,
    VGG16_FEATURES,
)
from minicap.models.published import PRETRAINED


def test_a_pth_is_found_inside_a_wheel(tmp_path):
    torch = pytest.importorskip("torch", reason="writes the file")
    stored = io.BytesIO()
    torch.save({"fc.weight": torch.arange(6.0).reshape(2, 3)}, stored)
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("package/models/net.pth", stored.getvalue())
        wheel.writestr("package/__init__.py", "")
    tensors = EFFICIENTNET_LITE0.read(tmp_path / "a.whl")
    np.testing.assert_equal(tensors, {"fc.weight": np.arange(6.0, dtype=np.float32).reshape(2, 3)})


def test_vgg_comes_out_of_a_pickle_of_arrays_in_channels_last(tmp_path):
    kernels = [np.full((3, 3, 2, 4), number, np.float32) for number in range(13)]
    kernels[1] = np.arange(72, dtype=np.float32).reshape(3, 3, 2, 4)
    layers = {f"Conv_{n}": {"kernel": k, "bias": np.full(4, n, np.float32)} for n, k in enumerate(kernels)}
    content = pickle.dumps({"VGG16_0": layers}, 2)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("package/weights/vgg16.ckpt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    tensors = VGG16_FEATURES.read(tmp_path / "a.tar.gz")
    assert len(tensors) == 26
    assert tensors["features.2.weight"].shape == (4, 2, 3, 3)
    assert tensors["features.2.weight"][3, 1, 2, 0] == kernels[1][2, 0, 1, 3]
    assert tensors["features.28.bias"].tolist() == [12] * 4


def test_keras_biases_and_epsilons_are_folded_into_the_running_statistics(monkeypatch):
    """Keras: gamma (conv + bias - mean) / sqrt(var + 1e-3) + beta; ours without the bias and with 1e-5."""
    net = PRETRAINED["resnet50_v1"].make()
    keras = FakeKeras()
    monkeypatch.setattr(packages, "load_tfjs", lambda archive: keras)
    tensors = RESNET50_V1.read("archive")
    assert tensors["layer2.0.downsample.1.running_mean"] == pytest.approx(0.25 - 0.75)
    assert tensors["layer4.2.bn3.running_var"] + 1e-5 == pytest.approx(0.5 + 1e-3)
    assert tensors["conv1.weight"].shape == (4, 3, 1, 2)
    rename = PRETRAINED["resnet50_v1"].rename(net)
    assert {name.rpartition(".")[0] for name in tensors} == {
        rename(name.rpartition(".")[0]) for name in net.shapes
    }
    assert len(tensors) == len(net.shapes)


def test_inception_comes_out_of_torchscript_in_the_order_of_its_layers(tmp_path):
    torch = pytest.importorskip("torch", reason="writes the file")

    class Layer(torch.nn.Module):
        def __init__(self, shape, number):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.full(shape, float(number)))
            for word, value in (("beta", 1.0), ("mean", 2.0), ("var", 3.0)):
                setattr(self, word, torch.nn.Parameter(torch.full(shape[:1], value)))

        def forward(self, x):
            return x + self.weight.sum()

    net = PRETRAINED["inception_v3_2015"].make()
    shapes = [shape for name, shape in net.shapes.items() if name.endswith(".conv.w")]
    layers = torch.nn.Sequential(*(Layer(shape, number) for number, shape in enumerate(shapes)))
    stored = io.BytesIO()
    torch.jit.save(torch.jit.script(layers), stored)
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("package/default_1.pt", stored.getvalue())
    tensors = INCEPTION_V3_2015.read(tmp_path / "a.whl")
    assert len(tensors) == len(net.shapes) == 5 * len(shapes)
    assert tensors["Conv2d_2a_3x3.conv.weight"][0, 0, 0, 0] == 1
    assert tensors["Mixed_7c.branch_pool.conv.weight"][0, 0, 0, 0] == len(shapes) - 1
    about = [tensors[f"Mixed_5b.branch1x1.bn.{word}"][0] for word in ("weight", "bias", "running_var")]
    assert about == [1, 1, 3]


class FakeKeras(dict):
    """Has every array that it is asked for."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return {
            "kernel": np.zeros((1, 2, 3, 4), np.float32),
            "bias": np.float32(0.75),
            "moving_mean": np.float32(0.25),
            "moving_variance": np.float32(0.5),
        }.get(name.rpartition("/")[2], np.float32(1))
