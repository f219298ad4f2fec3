import numpy as np
import pytest
from training.tiny import make_dataset

from minicap.captioning import SqueezeNetEncoder
from minicap.captioning.splits import Split, load_split
from minicap.data import open_dataset
from minicap.errors import InputError


def test_a_split_has_its_features_from_the_cache_the_second_time(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "cache"))
    dataset, encoder = open_dataset(str(make_dataset(tmp_path / "data"))), SqueezeNetEncoder()
    first = load_split(dataset, "train", encoder, "pooled")
    assert first.features.shape == (4, 1024)
    assert first.raw[0] == ["A red circle on white.", "One circle in red."]
    monkeypatch.setattr(SqueezeNetEncoder, "encode", lambda self, images, kind: pytest.fail("computed again"))
    again = load_split(dataset, "train", encoder, "pooled")
    np.testing.assert_array_equal(again.features, first.features)


@pytest.fixture
def split(tmp_path):
    paths = [tmp_path / f"{i}.jpg" for i in range(6)]
    tokens = [[[f"w{i}"]] for i in range(6)]
    return Split(
        paths, np.arange(12.0).reshape(6, 2), tokens, [[f"W{i}."] for i in range(6)], "train", range(6)
    )


def test_a_subset_keeps_photos_features_and_captions_together(split):
    drawn = split.drawn(4, seed=0)
    assert list(drawn.ids) == sorted(drawn.ids)
    assert len(set(drawn.ids)) == 4
    for row, i in enumerate(drawn.ids):
        assert drawn.paths[row] == split.paths[i]
        assert (drawn.tokens[row], drawn.raw[row]) == (split.tokens[i], split.raw[i])
        np.testing.assert_array_equal(drawn.features[row], split.features[i])
    assert drawn.name == "train"
    assert split.drawn(0, seed=0) is split


def test_a_subset_depends_on_its_seed_alone(split):
    chosen = {tuple(split.drawn(3, seed).ids) for seed in range(8)}
    assert len(chosen) > 1
    assert split.drawn(3, 5).ids == split.drawn(3, 5).ids


def test_a_subset_has_at_most_all_photos(split):
    assert list(split.drawn(6, seed=1).ids) == list(range(6))
    with pytest.raises(InputError, match="subset is 7 but there are 6 photos to train on"):
        split.drawn(7, seed=0)
