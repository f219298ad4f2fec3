import io
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from minicap.errors import DtypeError, InputError, ShapeError
from minicap.formats import EventWriter
from minicap.formats.tensorboard import _crc32c


def read(folder):
    module = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is the oracle"
    )
    accumulator = module.EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def scalars(folder, tag):
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def test_the_checksum_is_crc32c():
    # RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    assert _crc32c(b"123456789") == 0xE3069283
    assert _crc32c(bytes(32)) == 0x8A9136AA
    assert _crc32c(b"\xff" * 32) == 0x62A8AB43
    assert _crc32c(bytes(range(32))) == 0x46DD794E


def test_tensorboard_reads_scalars_back(tmp_path):
    before = time.time()
    with EventWriter(tmp_path) as events:
        for step in range(300):
            events.scalar("train/loss", 1 / (step + 1), step)
        events.scalar("größe", np.float64(0.5), np.int64(7))
        events.scalar("zero-d", np.array(2.5, np.float32), 1)
    assert scalars(tmp_path, "train/loss") == [(s, float(np.float32(1 / (s + 1)))) for s in range(300)]
    assert scalars(tmp_path, "größe") == [(7, 0.5)]
    assert scalars(tmp_path, "zero-d") == [(1, 2.5)]
    (event,) = read(tmp_path).Scalars("zero-d")
    assert before <= event.wall_time <= time.time()


@pytest.mark.parametrize("step", [0, 127, 128, 2**31, 2**63 - 1, -1])
def test_every_int64_is_a_step(tmp_path, step):
    with EventWriter(tmp_path) as events:
        events.scalar("loss", 1.0, step)
    assert scalars(tmp_path, "loss") == [(step, 1.0)]


def test_nan_infinity_and_numbers_beyond_float32_are_kept_as_such(tmp_path):
    with EventWriter(tmp_path) as events:
        for step, value in enumerate([math.nan, math.inf, -1e300]):
            events.scalar("loss", value, step)
    values = [value for _, value in scalars(tmp_path, "loss")]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_tensorboard_reads_images_back(tmp_path, rng):
    picture = rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    with EventWriter(tmp_path) as events:
        events.image("filters", picture, 3)
        events.image("turned", picture.transpose(1, 0, 2)[::-1], 4)
    accumulator = read(tmp_path)
    (event,) = accumulator.Images("filters")
    assert (event.step, event.height, event.width) == (3, 37, 53)
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(event.encoded_image_string))), picture)
    (event,) = accumulator.Images("turned")
    turned = np.array(Image.open(io.BytesIO(event.encoded_image_string)))
    np.testing.assert_array_equal(turned, picture.transpose(1, 0, 2)[::-1])


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (4, 4, 4), (3, 4, 4), (0, 4, 3), (1, 4, 4, 3)])
def test_an_image_of_another_shape_is_refused(tmp_path, shape):
    with EventWriter(tmp_path) as events, pytest.raises(ShapeError, match="expected \\(H, W, 3\\)"):
        events.image("picture", np.zeros(shape, np.uint8), 0)


def test_an_image_of_floats_is_refused(tmp_path):
    with EventWriter(tmp_path) as events, pytest.raises(DtypeError, match="float64; expected uint8"):
        events.image("picture", np.zeros((4, 4, 3)), 0)


@pytest.mark.parametrize("value", [None, "high", [1.0], np.zeros((2, 2))])
def test_a_scalar_must_be_one_number(tmp_path, value):
    with EventWriter(tmp_path) as events, pytest.raises(InputError, match="loss must be one number"):
        events.scalar("loss", value, 0)


def test_writers_of_the_same_second_follow_each_other(tmp_path):
    for step in range(5):
        with EventWriter(tmp_path) as events:
            events.scalar("loss", float(step), step)
    assert len(os.listdir(tmp_path)) == 5
    assert scalars(tmp_path, "loss") == [(step, float(step)) for step in range(5)]


def test_a_new_file_sorts_after_one_from_a_clock_that_was_ahead(tmp_path):
    later = int(time.time()) + 1000
    (tmp_path / f"events.out.tfevents.{later}.zebra.123.0").touch()
    (tmp_path / "events.out.tfevents.odd").touch()
    with EventWriter(tmp_path) as events:
        assert events.path.name.split(".")[3] == str(later + 1)


@pytest.mark.parametrize("resumed_at", [[6], [6, 4]])
def test_a_resumed_run_hides_the_steps_after_its_checkpoint(tmp_path, resumed_at):
    with EventWriter(tmp_path) as events:
        for step in range(10):
            events.scalar("loss", 1.0, step)
    for start in resumed_at:
        with EventWriter(tmp_path, purge_step=start) as events:
            events.scalar("loss", 2.0, start)
    start = resumed_at[-1]
    assert scalars(tmp_path, "loss") == [*((step, 1.0) for step in range(start)), (start, 2.0)]
    # What the server reads with where its fast loader is not installed.
    module = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_accumulator")
    accumulator = module.EventAccumulator(str(tmp_path))
    accumulator.Reload()
    assert [event.step for event in accumulator.Tensors("loss")] == [*range(start), start]


def test_without_purge_step_nothing_is_hidden(tmp_path):
    for value in (1.0, 2.0):
        with EventWriter(tmp_path) as events:
            events.scalar("loss", value, 0)
    assert scalars(tmp_path, "loss") == [(0, 1.0), (0, 2.0)]


def test_a_record_cut_short_by_a_crash_does_not_hide_the_next_file(tmp_path):
    with EventWriter(tmp_path) as events:
        events.scalar("loss", 1.0, 0)
        events.scalar("loss", 1.0, 1)
    os.truncate(events.path, os.path.getsize(events.path) - 5)
    with EventWriter(tmp_path) as events:
        events.scalar("loss", 2.0, 2)
    assert scalars(tmp_path, "loss") == [(0, 1.0), (2, 2.0)]


def test_a_killed_process_loses_no_event(tmp_path):
    script = (
        "import os, sys\n"
        "from minicap.formats import EventWriter\n"
        "events = EventWriter(sys.argv[1])\n"
        "events.scalar('loss', 1.0, 0)\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == 9
    assert scalars(tmp_path, "loss") == [(0, 1.0)]


def test_flush_reaches_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with EventWriter(tmp_path / "new" / "folders") as events:
        events.flush()
    assert len(synced) == 1


def test_a_file_where_the_folder_belongs_is_an_input_error(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(InputError, match=r"cannot write .*run"):
        EventWriter(tmp_path / "run")
