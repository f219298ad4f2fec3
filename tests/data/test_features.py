import json
import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import start_python

from minicap.data.features import extract_features
from minicap.data.images import Preprocess, load_image
from minicap.errors import DtypeError, InputError, ShapeError

PREPROCESS = Preprocess(name="tiny", size=4, resize_to=4)


class Encoder:
    """Mean of each channel and one product of them; remembers how many photos it saw, and may fail."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.batches: list[int] = []
        self.fail_at = fail_at
        self.failed = False

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        if len(self.batches) == self.fail_at:
            self.failed = True
            raise KeyboardInterrupt
        self.batches.append(len(batch))
        means = batch.mean(axis=(2, 3))
        return np.concatenate([means, means[:, :1] * means[:, 1:2]], axis=1)

    @property
    def seen(self) -> int:
        return sum(self.batches)


@pytest.fixture
def photos(tmp_path, rng) -> list[Path]:
    (tmp_path / "photos").mkdir()
    paths = [tmp_path / "photos" / f"{i}.png" for i in range(10)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


def expected(photos: list[Path]) -> np.ndarray:
    return Encoder()(np.stack([PREPROCESS(load_image(path)) for path in photos]))


def extract(photos, cache, encode=None, **options) -> np.ndarray:
    options = dict(preprocess=PREPROCESS, key="mean-1", batch_size=3) | options
    return extract_features(photos, encode or Encoder(), folder=cache, **options)


def refuse_to_encode(batch):
    raise AssertionError("everything was in the cache")


def test_row_i_belongs_to_photo_i(photos, cache):
    features = extract(photos, cache)
    assert features.shape == (10, 4)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, expected(photos))


def test_the_result_is_memory_mapped_and_read_only(photos, cache):
    features = extract(photos, cache)
    assert isinstance(features, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        features[0] = 0


def test_the_second_time_nothing_is_encoded(photos, cache):
    first = extract(photos, cache)
    np.testing.assert_array_equal(extract(photos, cache, refuse_to_encode), first)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_every_batch_size_gives_the_same(photos, cache, batch_size):
    encode = Encoder()
    np.testing.assert_allclose(
        extract(photos, cache, encode, batch_size=batch_size), expected(photos), rtol=1e-6
    )
    assert max(encode.batches) == min(batch_size, 10)


def test_a_grid_of_features_keeps_its_axes(photos, cache):
    grid = extract(photos, cache, lambda batch: batch[:, :2])
    assert grid.shape == (10, 2, 4, 4)
    np.testing.assert_array_equal(grid[7], PREPROCESS(load_image(photos[7]))[:2])


def test_the_same_photo_twice_has_two_rows(photos, cache):
    twice = [photos[0], photos[1], photos[0]]
    np.testing.assert_array_equal(extract(twice, cache), expected(twice))


def test_progress_starts_with_what_is_there_and_ends_with_all(photos, cache):
    reports = []
    extract(photos, cache, progress=lambda done, total: reports.append((done, total)))
    assert reports == [(0, 10), (3, 10), (6, 10), (9, 10), (10, 10)]
    reports.clear()
    extract(photos, cache, progress=lambda done, total: reports.append((done, total)))
    assert reports == [(10, 10)]


# Interrupted


@pytest.mark.parametrize("batches_done", [0, 1, 2, 3])
def test_an_interrupted_extraction_goes_on_where_it_stopped(photos, cache, batches_done):
    with pytest.raises(KeyboardInterrupt):
        extract(photos, cache, Encoder(fail_at=batches_done))
    encode, reports = Encoder(), []
    features = extract(photos, cache, encode, progress=lambda done, total: reports.append(done))
    np.testing.assert_array_equal(features, expected(photos))
    assert encode.seen == 10 - 3 * batches_done
    assert reports[0] == 3 * batches_done


def test_being_interrupted_again_and_again_loses_nothing(photos, cache, rng):
    encoders = []
    while not encoders or encoders[-1].failed:
        encoders.append(Encoder(fail_at=int(rng.integers(0, 2))))
        with suppress(KeyboardInterrupt):
            features = extract(photos, cache, encoders[-1], batch_size=int(rng.integers(1, 4)))
    assert len(encoders) > 3
    assert sum(encoder.seen for encoder in encoders) == 10
    np.testing.assert_allclose(features, expected(photos), rtol=1e-6)


SLOW_EXTRACTION = """
import sys, time
from minicap.data import Preprocess, extract_features

def encode(batch):
    print("batch", flush=True)
    time.sleep(60 if next(batches) == 3 else 0)
    return batch.mean(axis=(2, 3))

batches = iter(range(10))
preprocess = Preprocess(name="tiny", size=4, resize_to=4)
extract_features(sys.argv[2:], encode, preprocess, "mean-1", sys.argv[1], batch_size=1)
"""


def test_a_killed_process_leaves_its_finished_rows(photos, cache):
    with start_python("-c", SLOW_EXTRACTION, cache, *photos, stdout=subprocess.PIPE) as process:
        for _ in range(4):
            assert process.stdout.readline().strip() == b"batch"
        process.kill()
    seen = []

    def encode(batch):
        seen.extend(batch)
        return batch.mean(axis=(2, 3))

    np.testing.assert_allclose(extract(photos, cache, encode), expected(photos)[:, :3], rtol=1e-6)
    assert len(seen) == 7


def test_two_at_once_share_the_work(photos, cache):
    encoders, results = [Encoder(), Encoder()], [None, None]

    def work(i):
        results[i] = extract(photos, cache, encoders[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert encoders[0].seen + encoders[1].seen == 10
    for result in results:
        np.testing.assert_array_equal(result, expected(photos))


# What the cache tells apart


def test_another_key_is_another_cache(photos, cache):
    extract(photos, cache)
    encode = Encoder()
    extract(photos, cache, encode, key="mean-2")
    assert encode.seen == 10


def test_another_preprocess_is_another_cache(photos, cache):
    extract(photos, cache)
    encode = Encoder()
    extract(photos, cache, encode, preprocess=Preprocess(name="tiny", size=4, resize_to=5))
    assert encode.seen == 10


def test_a_changed_photo_alone_is_encoded_again(photos, cache):
    extract(photos, cache)
    Image.new("RGB", (6, 6), (9, 8, 7)).save(photos[4])
    encode = Encoder()
    np.testing.assert_allclose(extract(photos, cache, encode), expected(photos), rtol=1e-6)
    assert encode.seen == 1


def test_another_list_takes_over_the_photos_it_shares(photos, cache):
    extract(photos[:6], cache)
    encode, other = Encoder(), [*photos[9:3:-1]]
    np.testing.assert_allclose(extract(other, cache, encode), expected(other), rtol=1e-6)
    assert encode.seen == 4


def test_features_of_another_width_under_the_same_key_are_refused(photos, cache):
    with pytest.raises(KeyboardInterrupt):
        extract(photos, cache, Encoder(fail_at=1))
    with pytest.raises(ShapeError, match=r"\(3,\) per photo, but the cache has \(4,\).*another key"):
        extract(photos, cache, lambda batch: batch.mean(axis=(2, 3)))


# Damage


needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")


def one(cache: Path, name: str) -> Path:
    (found,) = cache.glob(f"*/{name}")
    return found


def break_index_text(cache):
    one(cache, "index.json").write_text("{", encoding="utf-8")


def break_index_kind(cache):
    one(cache, "index.json").write_text("[1]", encoding="utf-8")


def break_index_photos(cache):
    index = one(cache, "index.json")
    content = json.loads(index.read_text(encoding="utf-8"))
    content["photos"][0] = "another photo"
    index.write_text(json.dumps(content), encoding="utf-8")


def break_index_key(cache):
    index = one(cache, "index.json")
    index.write_text(index.read_text(encoding="utf-8").replace("mean-1", "mean-9"), encoding="utf-8")


def truncate_rows(cache):
    rows = one(cache, "features.npy")
    rows.write_bytes(rows.read_bytes()[:-5])


def empty_rows(cache):
    one(cache, "features.npy").write_bytes(b"")


def foreign_rows(cache):
    np.save(one(cache, "features.npy"), np.zeros((3, 4), np.float32))


def pickled_rows(cache):
    np.save(one(cache, "features.npy"), np.array([None] * 10), allow_pickle=True)


def no_rows(cache):
    one(cache, "features.npy").unlink()


def rows_of_a_hostile_header(cache):
    rows = one(cache, "features.npy")
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': ("
    rows.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def rows_of_a_huge_shape(cache):
    with one(cache, "features.npy").open("wb") as file:
        described = {"descr": "<f4", "fortran_order": False, "shape": (10, 2**62)}
        np.lib.format.write_array_header_1_0(file, described)


def rows_of_texts(cache):
    np.save(one(cache, "features.npy"), np.full((10, 3), "a"))


def break_index_with_a_huge_number(cache):
    one(cache, "index.json").write_text('{"photos": ' + "9" * 5000 + "}", encoding="utf-8")


def break_index_with_depth(cache):
    one(cache, "index.json").write_text("[" * 100_000, encoding="utf-8")


def link_rows(cache):
    """As an attacker would, who wants the rows to be written somewhere else."""
    rows = one(cache, "features.npy")
    rows.unlink()
    rows.symlink_to(cache / "victim")


def two_names_for_rows(cache):
    os.link(one(cache, "features.npy"), cache / "victim")


def truncate_marks(cache):
    one(cache, "done.bin").write_bytes(b"\1")


@pytest.mark.parametrize(
    "damage",
    [
        break_index_text, break_index_kind, break_index_photos, break_index_key, truncate_rows, empty_rows,
        foreign_rows, pickled_rows, no_rows, truncate_marks, rows_of_a_hostile_header, rows_of_a_huge_shape,
        rows_of_texts, break_index_with_a_huge_number, break_index_with_depth,
        pytest.param(link_rows, marks=needs_links), pytest.param(two_names_for_rows, marks=needs_links),
    ],
)  # fmt: skip
def test_a_damaged_cache_is_computed_anew_with_a_message(photos, cache, caplog, damage):
    extract(photos, cache)
    damage(cache)
    encode = Encoder()
    with caplog.at_level(logging.WARNING):
        features = extract(photos, cache, encode)
    assert encode.seen == 10
    np.testing.assert_array_equal(features, expected(photos))
    assert ["afresh" in record.message for record in caplog.records] == [True]
    extract(photos, cache, refuse_to_encode)


@needs_links
@pytest.mark.parametrize("name", ["features.npy", "done.bin", "index.json", "lock"])
def test_a_link_in_the_cache_never_leads_a_write_to_another_file(photos, cache, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    extract(photos, cache)
    path = one(cache, name)
    path.unlink()
    path.symlink_to(victim)
    if name == "lock":
        with pytest.raises(InputError, match="minicap does not write through one"):
            extract(photos, cache)
    else:
        np.testing.assert_array_equal(extract(photos, cache), expected(photos))
    assert victim.read_bytes() == b"precious"


@needs_links
def test_a_cache_folder_that_is_a_link_is_refused(photos, cache, tmp_path):
    extract(photos, cache)
    folder = one(cache, "lock").parent
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a symbolic link"):
        extract(photos, cache)


def test_an_earlier_result_outlives_a_cache_that_is_computed_anew(photos, cache):
    first = extract(photos, cache)
    one(cache, "index.json").write_text("{", encoding="utf-8")
    one(cache, "done.bin").write_bytes(b"")
    extract(photos, cache)
    np.testing.assert_array_equal(first, expected(photos))  # a file cut short would kill the process here


def test_a_sound_cache_says_nothing(photos, cache, caplog):
    extract(photos, cache)
    extract(photos, cache)
    assert caplog.records == []


def test_damage_in_another_cache_does_not_matter(photos, cache):
    extract(photos[:6], cache)
    break_index_text(cache)
    np.testing.assert_array_equal(extract(photos, cache), expected(photos))


# Bad input


def test_bad_photos_are_all_named_after_the_good_ones_are_done(photos, cache):
    photos[2].write_bytes(b"")
    photos[5].write_text("no photo", encoding="utf-8")
    encode = Encoder()
    with pytest.raises(InputError) as caught:
        extract(photos, cache, encode)
    message = str(caught.value)
    assert "2 of 10 photos cannot be used" in message
    assert f"{photos[2]}: the file is empty" in message
    assert f"{photos[5]}: not an image" in message
    assert encode.seen == 8
    good = [path for i, path in enumerate(photos) if i not in (2, 5)]
    np.testing.assert_allclose(extract(good, cache, refuse_to_encode), expected(good), rtol=1e-6)


def test_many_bad_photos_are_named_up_to_five(photos, cache):
    for path in photos[:8]:
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"8 of 10 photos.*; and 3 more") as caught:
        extract(photos, cache)
    assert str(caught.value).count("the file is empty") == 5


def test_missing_photos_are_named_before_any_work(photos, cache):
    photos[3].unlink()
    with pytest.raises(InputError, match=r"1 of 10 photos.*3\.png"):
        extract(photos, cache, refuse_to_encode)


def test_a_name_that_no_file_can_have_is_named(cache):
    with pytest.raises(InputError, match=r"1 of 1 photos cannot be used.*null"):
        extract([Path("a\0b")], cache, refuse_to_encode)


def test_a_file_where_the_cache_folder_belongs_is_named(photos, cache):
    cache.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot keep the feature cache .* set MINICAP_CACHE to a writable"):
        extract(photos, cache)


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root writes all"
)
def test_an_unwritable_folder_is_named(photos, cache):
    cache.mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot keep the feature cache"):
        extract(photos, cache)


def test_a_full_disk_is_named_and_finished_rows_stay(photos, cache, monkeypatch):
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 6:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot keep the feature cache.*No space left"):
        extract(photos, cache)
    monkeypatch.undo()
    encode = Encoder()
    np.testing.assert_array_equal(extract(photos, cache, encode), expected(photos))
    assert 0 < encode.seen < 10


@pytest.mark.parametrize(("images", "batch_size"), [(0, 3), (2, 0)])
def test_no_photos_or_no_batch_are_refused(photos, cache, images, batch_size):
    with pytest.raises(InputError, match="at least 1"):
        extract(photos[:images], cache, batch_size=batch_size)


@pytest.mark.parametrize(
    ("encode", "error", "says"),
    [
        (lambda batch: batch.mean(), ShapeError, r"encode made \(\) of \(3, 3, 4, 4\); \(3, F\)"),
        (lambda batch: batch[:1, :, 0, 0], ShapeError, r"encode made \(1, 3\)"),
        (lambda batch: batch[:, :0, 0, 0], ShapeError, r"encode made \(3, 0\)"),
        (lambda batch: batch[:, :, 0, 0].astype(int), DtypeError, "int64"),
        (lambda batch: batch[:, :, 0, 0] / np.float32([1, 1, np.nan]), InputError, r"NaN.*0\.png"),
    ],
)
def test_an_encoder_with_unusable_features_is_named(photos, cache, encode, error, says):
    with pytest.raises(error, match=says):
        extract(photos, cache, encode)
