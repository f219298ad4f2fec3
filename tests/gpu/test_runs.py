"""Runs that move between the GPU and the CPU, and the errors of a GPU."""

import numpy as np
import pytest
from PIL import Image
from training.toy import Points, arrays_of, make_model, make_trainer

from minicap.arrays import Backend, get_backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream, random_uint16
from minicap.data.features import extract_features
from minicap.data.images import Preprocess
from minicap.errors import BackendMismatch, DeviceMemoryError
from minicap.layers import affine_forward, dropout_forward
from minicap.training import RunFolder, Trainer, TrainingConfig

SETTINGS = dict(batch_size=20, learning_rate=0.01, checkpoint_every=2, shards=1)


def config(epochs: int) -> TrainingConfig:
    return TrainingConfig(epochs=epochs, **SETTINGS)


def losses(records: list[dict]) -> list[float]:
    return [record["validation_loss"] for record in records]


def test_a_checkpoint_written_on_the_gpu_goes_on_on_the_cpu(cupy: Backend, tmp_path):
    on_gpu = make_trainer(tmp_path / "moved", config(2), size=120)
    on_gpu.fit()
    with use_backend("numpy"), textbook():
        resumed = make_trainer(tmp_path / "moved", config(4), size=120)
        resumed.resume()
        for name, array in on_gpu.model.params.items():
            np.testing.assert_array_equal(resumed.model.params[name], to_host(array), err_msg=name)
        for name, array in on_gpu.rule.arrays().items():
            np.testing.assert_array_equal(resumed.rule.arrays()[name], to_host(array), err_msg=name)
        moved = resumed.fit()
        stayed = make_trainer(tmp_path / "stayed", config(4), size=120).fit()
    assert all(isinstance(array, np.ndarray) for array in resumed.model.params.values())
    np.testing.assert_allclose(losses(moved), losses(stayed), rtol=1e-4)
    assert losses(moved)[-1] < losses(moved)[0]


def test_a_checkpoint_written_on_the_cpu_goes_on_on_the_gpu(cupy: Backend, tmp_path):
    with use_backend("numpy"), textbook():
        make_trainer(tmp_path / "moved", config(2), size=120).fit()
        stayed = make_trainer(tmp_path / "stayed", config(4), size=120).fit()
    resumed = make_trainer(tmp_path / "moved", config(4), size=120)
    resumed.resume()
    moved = resumed.fit()
    assert all(isinstance(array, cupy.array_type) for array in resumed.model.params.values())
    np.testing.assert_allclose(losses(moved), losses(stayed), rtol=1e-4)


@pytest.mark.parametrize("row", [0, 5, 2**40])
def test_random_bits_are_those_of_numpy(row: int, cupy: Backend):
    stream, shape = RandomStream(2**64 - 3, row), (37, 5, 3)
    bits = random_uint16(stream, shape)
    np.testing.assert_array_equal(to_host(random_uint16(stream, shape, cupy)), bits)
    ones = np.ones(shape, np.float32)
    dropped, _ = dropout_forward(to_device(ones), 0.4, rng=stream)
    with use_backend("numpy"), textbook():
        expected, _ = dropout_forward(ones, 0.4, rng=stream)
    np.testing.assert_array_equal(to_host(dropped), expected)


FULL = (
    r"the GPU is out of memory: \d+\.\d\d GiB asked for, \d+\.\d\d of \d+\.\d\d GiB free, "
    r"\d+\.\d\d GiB in use by a batch of {}; try a batch size of (1|2|4|8|16)$"
)


def ask_for_too_much(cupy: Backend) -> None:
    _free, total = cupy.xp.cuda.runtime.memGetInfo()
    cupy.xp.empty(total // 2, dtype=np.float32)  # twice what there is


class TooLarge(Points):
    """Its third batch asks for more memory than the device has."""

    batches = 0

    def batch(self, indices: np.ndarray, rng: RandomStream) -> dict[str, np.ndarray]:
        self.batches += 1
        if self.batches == 3:
            ask_for_too_much(get_backend("cupy"))
        return super().batch(indices, rng)


def test_out_of_memory_tells_what_was_asked_what_is_free_and_what_would_fit(cupy: Backend, tmp_path):
    trainer = Trainer(make_model(), TooLarge(200), config(2), RunFolder(tmp_path / "run"))
    with pytest.raises(DeviceMemoryError, match=FULL.format(20)):
        trainer.fit()
    assert arrays_of(trainer.run.last)  # the last good checkpoint is there
    small = Trainer(make_model(), Points(200), config(1), RunFolder(tmp_path / "small"))
    assert len(small.fit()) == 1  # and the device can be used


def test_photos_that_do_not_fit_into_memory_are_told_so(cupy: Backend, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)

    def encode(batch: np.ndarray) -> np.ndarray:
        ask_for_too_much(cupy)
        return batch

    with use_backend("numpy"), pytest.raises(DeviceMemoryError, match=FULL.format(3)):
        extract_features(paths, encode, Preprocess("tiny", 8, 8), "a key", tmp_path / "cache")


def test_mixed_arrays_are_refused_by_name(cupy: Backend):
    x, w, b = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32), np.ones(4, np.float32)
    with pytest.raises(
        BackendMismatch,
        match=r"x is a NumPy array, w is a CuPy array; move one with to_device\(\)",
    ):
        affine_forward(x, to_device(w), to_device(b))
    with pytest.raises(BackendMismatch, match="x is a CuPy array, w is a NumPy array"):
        affine_forward(to_device(x), w, b)
