import numpy as np
import pytest
from models.peers import draw_vectors

from minicap.errors import FormatError, InputError
from minicap.models import inception_v3, keras_names, resnet, vgg
from minicap.models.pretrained import import_weights, load_pretrained
from minicap.models.published import CAFFE_PHOTOS, PRETRAINED, Pretrained
from minicap.models.torch_names import INCEPTION, RESNET, by_place, from_torch


def filters(w):
    """Keras' (HH, WW, C, F) of our (F, C, HH, WW)."""
    return w.transpose(2, 3, 1, 0)


def photos(rng, size):
    return rng.normal(size=(2, 3, size, size)).astype(np.float32)


def small_vgg():
    return vgg(16, 4, image_size=64, filters=(2, 2, 2, 2, 3), hidden=5)


def keras_vgg(net):
    """Its arrays in Keras' layout: the first matrix reads a grid of 2 x 2 pixels with 3 channels each."""
    blocks = [
        f"block{block}_conv{n}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, count + 1)
    ]
    arrays = {}
    for number, name in enumerate(blocks, 1):
        conv = net.features.children[f"conv{number}"]
        arrays |= {f"{name}/kernel": filters(conv["w"]), f"{name}/bias": conv["b"]}
    for number, name in enumerate(("fc1", "fc2", "predictions"), 1):
        matrix = net.classifier.children[f"affine{number}"]
        arrays |= {f"{name}/kernel": matrix["w"], f"{name}/bias": matrix["b"]}
    by_pixels = arrays["fc1/kernel"].reshape(3, 2, 2, 5).transpose(1, 2, 0, 3).reshape(12, 5)
    return arrays | {"fc1/kernel": by_pixels}


def test_a_vgg_of_keras_gives_its_scores(rng):
    net = small_vgg().initialize(3)
    draw_vectors(net, rng)
    again = small_vgg()
    again.load(from_torch(again, keras_names.vgg(again, keras_vgg(net)), by_place(again)))
    x = photos(rng, 64)
    np.testing.assert_array_equal(again(x), net(x))


def test_the_first_matrix_of_a_vgg_reads_pixel_by_pixel_in_keras(rng):
    net = small_vgg().initialize(3)
    grid = net.features(photos(rng, 64))
    pixels = grid.transpose(0, 2, 3, 1).reshape(2, -1)
    theirs = pixels @ keras_vgg(net)["fc1/kernel"]
    np.testing.assert_allclose(net.classifier.affine1(grid), theirs, rtol=1e-4, atol=1e-5)


class Asked(dict):
    """Has every array that it is asked for, and remembers what that was."""

    def __missing__(self, name):
        self[name] = np.zeros((1, 2, 3, 4) if name.endswith("kernel") else (4,), np.float32)
        return self[name]


def test_a_resnet_is_read_by_the_names_that_keras_gives_since_2019():
    asked, net = Asked(), resnet(50, version="v1")
    tensors = keras_names.resnet50(net, asked)
    assert {"conv1_bn/gamma", "conv2_block1_0_conv/kernel", "conv5_block3_3_bn/moving_variance"} <= set(asked)
    assert {"conv2_block2_0_conv/kernel", "conv5_block4_1_conv/kernel"}.isdisjoint(asked)
    assert tensors["bn1.running_var"][0] + 1e-5 == pytest.approx(1.001e-5)
    paths = {RESNET(name.rpartition(".")[0]) for name in net.shapes}
    assert {name.rpartition(".")[0] for name in tensors} == paths


def test_an_inception_is_read_by_the_order_of_its_numbers(rng):
    net = inception_v3(4, "keras", heads=False, width=0.03).initialize(3)
    draw_vectors(net, rng)
    units = [name.removesuffix(".conv.w") for name in net.params if name.endswith(".conv.w")]
    arrays = {"predictions/kernel": net.trunk.fc["w"], "predictions/bias": net.trunk.fc["b"]}
    for number, unit in reversed([*enumerate(units, 95)]):
        arrays[f"conv2d_{number}/kernel"] = filters(net.params[f"{unit}.conv.w"])
        net.params[f"{unit}.bn.gamma"][...] = 1  # theirs do not scale
        arrays[f"batch_normalization_{number}/beta"] = net.params[f"{unit}.bn.beta"]
        arrays[f"batch_normalization_{number}/moving_mean"] = net.state[f"{unit}.bn.running_mean"]
        arrays[f"batch_normalization_{number}/moving_variance"] = net.state[f"{unit}.bn.running_var"]
    again = inception_v3(4, "keras", heads=False, width=0.03)
    again.load(from_torch(again, keras_names.inception_v3(again, arrays), INCEPTION))
    x = photos(rng, 99)
    np.testing.assert_array_equal(again(x), net(x))


def test_what_is_missing_is_named(rng):
    arrays = keras_vgg(small_vgg().initialize())
    del arrays["block5_conv3/kernel"], arrays["block5_conv3/bias"]
    with pytest.raises(InputError, match="the file has 12 convolutions, the network 13"):
        keras_names.vgg(small_vgg(), arrays)
    with pytest.raises(InputError, match="predictions/kernel is missing; is it a file of another network"):
        keras_names.resnet50(resnet(50), {})


@pytest.fixture
def small_in_place_of_vgg16(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "cache"))

    class Config:
        def make(self, image, num_classes):
            return small_vgg()

    known = Pretrained(Config(), CAFFE_PHOTOS, by_place, "CC-BY-4.0", keras=keras_names.vgg)
    monkeypatch.setitem(PRETRAINED, "vgg16_keras", known)


def test_a_file_of_keras_is_imported(small_in_place_of_vgg16, tmp_path, rng):
    h5py = pytest.importorskip("h5py", reason='needs h5py: pip install "minicap[keras]"')
    net = small_vgg().initialize(3)
    arrays = keras_vgg(net)
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        layers = list(dict.fromkeys(name.partition("/")[0] for name in arrays))
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer in layers:
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{word}:0".encode() for word in ("kernel", "bias")]
            for word in ("kernel", "bias"):
                group[f"{layer}/{word}:0"] = arrays[f"{layer}/{word}"]
    import_weights("vgg16_keras", tmp_path / "vgg.h5")
    loaded, preprocess = load_pretrained("vgg16_keras")
    x = photos(rng, 64)
    np.testing.assert_array_equal(loaded(x), net(x))
    assert preprocess.channels == "BGR"


def test_a_network_that_keras_publishes_no_weights_for_is_told_with_those_it_does(tmp_path):
    (tmp_path / "net.h5").write_bytes(b"")
    with pytest.raises(InputError, match="Keras' weights of resnet18 are not known; known: resnet50_v1, "):
        import_weights("resnet18", tmp_path / "net.h5")


def test_a_damaged_file_is_named_once(small_in_place_of_vgg16, tmp_path):
    pytest.importorskip("h5py", reason='needs h5py: pip install "minicap[keras]"')
    (tmp_path / "net.h5").write_bytes(b"no HDF5")
    with pytest.raises(FormatError, match=r"^[^:]*net\.h5: not an HDF5 file"):
        import_weights("vgg16_keras", tmp_path / "net.h5")
