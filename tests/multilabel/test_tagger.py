import numpy as np
import pytest
from multilabel.small_runs import LABELS, split
from PIL import Image

from minicap.errors import FormatError, InputError
from minicap.formats import load_checkpoint, save_checkpoint
from minicap.models.encoders import EfficientNetLite0EncoderConfig, make_encoder
from minicap.multilabel import Tagger
from minicap.multilabel.models import LinearConfig


@pytest.fixture
def tagger():
    tagger = Tagger.create(make_encoder(EfficientNetLite0EncoderConfig()), LABELS, LinearConfig(top=2))
    tagger.model.initialize(1)
    tagger.model.standardize(split("train").features)
    return tagger


def test_a_photo_gets_names_and_probabilities(tagger, tmp_path):
    Image.new("RGB", (30, 20), (90, 200, 10)).save(tmp_path / "photo.png")
    (found,) = tagger.tag(tmp_path / "photo.png")
    assert len(found) == 2
    assert {label for label, _ in found} <= set(LABELS)
    assert found[0][1] >= found[1][1]


def test_a_saved_tagger_gives_the_same_tags(tagger, tmp_path):
    tagger.save(tmp_path / "tagger.safetensors", np.float32)
    features = split("val").features
    assert Tagger.load(tmp_path / "tagger.safetensors").tags(features) == tagger.tags(features)


def test_batches_change_nothing(tagger):
    features = split("val").features
    assert tagger.tags(features, batch_size=5) == tagger.tags(features)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "classifier"}, "holds 'classifier', not a tagger"),
        ({"labels": "person"}, "labels are not a list"),
        ({"labels": ["person"]}, "two labels or more"),
        ({"labels": ["a", "b"]}, "does not fit its own description"),
        ({"model": {"name": "best"}}, "unknown model"),
        ({"encoder": {}}, "name"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(tagger, change, message, tmp_path):
    tagger.save(tmp_path / "tagger.safetensors")
    checkpoint = load_checkpoint(tmp_path / "tagger.safetensors")
    save_checkpoint(tmp_path / "other.safetensors", checkpoint._replace(about=checkpoint.about | change))
    with pytest.raises((FormatError, InputError), match=message):
        Tagger.load(tmp_path / "other.safetensors")


def test_no_photos_and_no_photo_are_input_errors(tagger, tmp_path):
    with pytest.raises(InputError, match="there are no photos"):
        tagger.tag([])
    with pytest.raises(InputError, match=r"none\.jpg"):
        tagger.tag(tmp_path / "none.jpg")
