import numpy as np
import pytest
from captioning.models.small import WORDS, settings

from minicap.captioning import Captioner, SqueezeNetEncoder
from minicap.data import load_sample
from minicap.errors import InputError

PHOTOS = [image.path for image in load_sample().split("test")[:3]]


@pytest.fixture(scope="module", params=settings())
def captioner(request):
    captioner = Captioner.create(SqueezeNetEncoder(), WORDS, settings()[request.param], max_words=5)
    captioner.model.initialize(seed=0)
    return captioner


def test_features_are_of_the_kind_that_the_model_reads(captioner):
    features = captioner.features(PHOTOS)
    assert features.shape == (3, *captioner.encoder.shapes[captioner.model.reads])


def test_one_path_is_a_batch_of_one(captioner):
    np.testing.assert_array_equal(captioner.features(PHOTOS[0]), captioner.features([PHOTOS[0]]))
    np.testing.assert_array_equal(captioner.features(str(PHOTOS[0])), captioner.features([PHOTOS[0]]))


def test_no_photos_are_refused(captioner):
    with pytest.raises(InputError, match="there are no photos"):
        captioner.features([])


@pytest.mark.parametrize("options", [{"beam": 1}, {"beam": 3}, {"temperature": 1.0}])
def test_padding_start_and_unknown_words_are_never_said(captioner, options):
    for found in captioner.decode(captioner.features(PHOTOS), **options):
        for hypothesis in found:
            assert not {WORDS.pad, WORDS.start, WORDS.unk} & set(hypothesis.words)
            assert len(hypothesis.words) <= 6


def test_captions_do_not_depend_on_the_batch(captioner):
    features = captioner.features(PHOTOS)
    assert captioner.captions(features, batch_size=2) == captioner.captions(features)


def test_a_saved_captioner_says_the_same(captioner, tmp_path):
    captioner.save(tmp_path / "small.safetensors", np.float32)
    again = Captioner.load(tmp_path / "small.safetensors")
    assert type(again.model) is type(captioner.model)
    assert again.model.config == captioner.model.config
    features = captioner.features(PHOTOS)
    assert again.captions(features) == captioner.captions(features)


def test_attention_comes_with_the_caption():
    captioner = Captioner.create(SqueezeNetEncoder(), WORDS, settings()["attend-and-tell"], max_words=5)
    captioner.model.initialize(seed=0)
    [found] = captioner.decode(captioner.features(PHOTOS[0]), beam=3)
    for hypothesis in found:
        attention = hypothesis.extras["attention"]
        assert attention.shape == (len(hypothesis.words) + hypothesis.finished, 49)
        np.testing.assert_allclose(attention.sum(axis=1), 1, rtol=1e-5)
