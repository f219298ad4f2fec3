from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicap.data import extract_features
from minicap.data.download import sha256_of
from minicap.errors import InputError
from minicap.formats import save_safetensors
from minicap.models import squeezenet
from minicap.models.encoders import (
    ENCODERS,
    SqueezeNetEncoder,
    SqueezeNetEncoderConfig,
    described_encoder,
    encode_files,
    make_encoder,
)
from minicap.models.pretrained import load_pretrained, weights_file
from minicap.models.published import PRETRAINED
from minicap.models.squeezenet import SqueezeNet


@pytest.fixture(scope="module")
def photos():
    return (40 * np.random.default_rng(0).normal(size=(2, 3, 227, 227))).astype(np.float32)


@pytest.fixture(scope="module")
def weights_of_chance(tmp_path_factory):
    """Weights drawn at random where the package has none, in a cache of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINICAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in ("resnet50_v1", "vgg16_features", "inception_v3_2015"):
            net, file = PRETRAINED[name].make().initialize(), weights_file(name)
            about = {"model": name, "preprocess": PRETRAINED[name].preprocess.to_json(), "sha256": "12" * 32}
            file.parent.mkdir(exist_ok=True)
            save_safetensors(file, net.params | net.state, about)
        yield


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_gives_the_shapes_it_declares(name, weights_of_chance):
    encoder = make_encoder(ENCODERS[name].settings())
    assert encoder.config.name == name
    size = encoder.preprocess.size
    photo = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    for kind, shape in encoder.shapes.items():
        features = encoder.encode(photo, kind)
        assert features.shape == (1, *shape)
        assert features.dtype == np.float32


@pytest.mark.parametrize("name", ENCODERS)
def test_features_of_every_encoder_and_kind_are_kept_apart(name, weights_of_chance, tmp_path):
    encoder = make_encoder(ENCODERS[name].settings())
    pixels = np.random.default_rng(0).integers(256, size=(40, 50, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    calls = []

    def features(kind):
        def encode(images):
            calls.append(kind)
            return encoder.encode(images, kind)

        return extract_features(
            [tmp_path / "photo.png"], encode, encoder.preprocess, encoder.key(kind), tmp_path / "cache"
        )

    kinds = [*encoder.shapes, *encoder.shapes]
    found = [features(kind) for kind in kinds]
    assert calls == list(encoder.shapes)  # the second time nothing is computed
    assert [each.shape for each in found] == [(1, *encoder.shapes[kind]) for kind in kinds]
    np.testing.assert_array_equal(found[0], found[len(encoder.shapes)])


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "squeezenet1_1"])
def test_other_weights_have_another_key(name, weights_of_chance, monkeypatch):
    encoder = make_encoder(ENCODERS[name].settings())
    before = [encoder.key(kind) for kind in encoder.shapes]
    monkeypatch.setattr("minicap.models.encoders.weights_identity", lambda name: "fe" * 8)
    after = [encoder.key(kind) for kind in encoder.shapes]
    assert len({*before, *after}) == 2 * len(encoder.shapes)


def test_the_key_of_squeezenet_stands_for_the_weights_in_the_package():
    """Where they change, "squeezenet1_1" in its key has to change with them."""
    file = Path(squeezenet.__file__).parent / "weights" / "squeezenet1_1.safetensors"
    assert sha256_of(file).startswith("9c8d08e103560141")
    assert SqueezeNetEncoder().key("pooled") == "squeezenet1_1-fire9-mean-max"


def test_pooled_features_of_resnet_are_what_its_classifier_reads(weights_of_chance):
    encoder, (net, _) = make_encoder(ENCODERS["resnet50"].settings()), load_pretrained("resnet50_v1")
    x = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    pooled, grid = (encoder.encode(x, kind) for kind in ("pooled", "grid"))
    np.testing.assert_allclose(net.fc(pooled), net(x), rtol=1e-4, atol=1e-4 * np.abs(net(x)).max())
    np.testing.assert_allclose(grid.mean(axis=1), pooled, rtol=1e-4, atol=1e-4 * np.abs(pooled).max())


@pytest.mark.parametrize("name", ENCODERS)
def test_stages_are_as_wide_as_it_says_and_end_where_the_last_one_does(name, weights_of_chance):
    encoder = make_encoder(ENCODERS[name].settings())
    size = encoder.preprocess.size
    photo = np.random.default_rng(1).normal(size=(1, 3, size, size)).astype(np.float32)
    stages = encoder.encode(photo, "stages")
    assert encoder.shapes["stages"] == (sum(encoder.stages),) == stages.shape[1:]
    assert 4 <= len(encoder.stages) <= 6
    if name != "vgg16":  # whose last stage is pooled once more than its grid
        last = encoder.encode(photo, "grid").mean(axis=1)
        np.testing.assert_allclose(
            stages[:, -last.shape[1] :], last, rtol=1e-4, atol=1e-4 * np.abs(last).max()
        )
    # A copy of the last stage makes the same means of what lies below it.
    below, lower = encoder.encode(photo, "below"), sum(encoder.stages[:-1])
    again = np.hstack([below[:, :lower], encoder.last_stage()(below[:, lower:])])
    np.testing.assert_allclose(again, stages, rtol=1e-4, atol=1e-4 * np.abs(stages).max())


def test_the_key_says_which_weights_made_the_features(weights_of_chance):
    encoder = make_encoder(ENCODERS["vgg16"].settings())
    assert encoder.key("grid") == "vgg16_features-1212121212121212-features.relu13-grid"


def test_weights_that_are_not_here_are_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="minicap weights get resnet50_v1"):
        make_encoder(ENCODERS["resnet50"].settings())
    with pytest.raises(InputError, match="minicap weights import FILE --model resnet50"):
        make_encoder(ENCODERS["resnet50"].settings(weights="resnet50"))


def test_pooled_features_are_means_and_maxima_of_the_grid(photos):
    grid = SqueezeNet.pretrained().features(photos)
    pooled = SqueezeNetEncoder().encode(photos, "pooled")
    np.testing.assert_allclose(pooled[:, :512], grid.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(pooled[:, 512:], grid.max(axis=(2, 3)))


def test_places_of_the_grid_come_row_by_row_averaged_over_windows(photos):
    grid = SqueezeNet.pretrained().features(photos)
    places = SqueezeNetEncoder().encode(photos, "grid")
    np.testing.assert_allclose(places[:, 9], grid[:, :, 2:4, 4:6].mean(axis=(2, 3)), rtol=1e-5, atol=1e-5)
    whole = SqueezeNetEncoder(SqueezeNetEncoderConfig(window=1)).encode(photos, "grid")
    np.testing.assert_allclose(whole[:, 14 * 3 + 5], grid[:, :, 3, 5], rtol=1e-6)


def test_features_of_other_settings_have_another_key():
    keys = [
        make_encoder(SqueezeNetEncoderConfig(window=w)).key(kind)
        for w in (1, 2)
        for kind in ("pooled", "grid")
    ]
    assert len(set(keys)) == 3  # the pooled features know no window


def test_a_window_that_does_not_fit_is_refused():
    for window in (0, 15):
        with pytest.raises(InputError, match=f"window is {window} but must be 1 to 14"):
            SqueezeNetEncoderConfig(window=window)


def test_a_checkpoint_describes_its_encoder_and_how_its_photos_were_prepared():
    encoder = SqueezeNetEncoder(SqueezeNetEncoderConfig(window=7))
    about = {"encoder": asdict(encoder.config), "preprocess": encoder.preprocess.to_json()}
    assert described_encoder(about, "a run").config == encoder.config
    other = replace(encoder.preprocess, mean=(0.0, 0.0, 0.0)).to_json()
    with pytest.raises(InputError, match="a run: its photos were prepared differently from squeezenet1_1's"):
        described_encoder(about | {"preprocess": other}, "a run")


def test_photo_files_are_encoded_one_or_several(tmp_path):
    encoder, paths = SqueezeNetEncoder(), [tmp_path / "a.png", tmp_path / "b.png"]
    for path, colour in zip(paths, ("red", "blue"), strict=True):
        Image.new("RGB", (30, 20), colour).save(path)
    both = encode_files(encoder, paths, "stages")
    assert both.shape == (2, *encoder.shapes["stages"])
    np.testing.assert_allclose(encode_files(encoder, paths[1], "stages")[0], both[1], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="there are no photos"):
        encode_files(encoder, [], "pooled")
