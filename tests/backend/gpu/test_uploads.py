"""Batches that are copied while the device computes: on time, and into memory that is free."""

from typing import Any

import numpy as np
import pytest
from strict_cupy import StrictArray, StrictError, counting

from minicap.arrays import Backend, to_host
from minicap.backend.gpu.uploads import StreamUploads
from minicap.layers import relu_forward


def batch(value: float, size: int = 4) -> dict[str, Any]:
    return dict(x=np.full((size, 3), value, np.float32), y=np.arange(size))


def test_a_batch_arrives_as_it_is_and_the_host_waits_for_nothing(gpu: Backend):
    uploads, host = StreamUploads(gpu.xp), batch(2.0)
    with counting() as counts:
        uploads.begin(host)
        moved = {name: uploads(array) for name, array in host.items()}
        total = moved["x"].sum()
    assert not counts.stalls
    assert counts.uploads == 2
    assert float(total) == 24
    np.testing.assert_array_equal(to_host(moved["y"]), host["y"])


def test_what_was_not_begun_is_moved_when_it_is_asked_for(gpu: Backend):
    uploads, host, there = StreamUploads(gpu.xp), batch(2.0), gpu.xp.ones(3)
    uploads.begin(host | dict(there=there, words=np.array(["a", "b"], object)))
    with counting() as counts:
        other = uploads(host["x"].copy())
        assert uploads(there) is there
    assert counts.stalls == {"to_device": 1}
    np.testing.assert_array_equal(to_host(other), host["x"])


def test_the_batch_before_is_forgotten(gpu: Backend):
    uploads, first = StreamUploads(gpu.xp), batch(1.0)
    uploads.begin(first)
    uploads.begin(batch(2.0))
    with counting() as counts:
        np.testing.assert_array_equal(to_host(uploads(first["x"])), first["x"])
    assert counts.stalls["to_device"] == 1


def steps(uploads: Any, number: int) -> None:
    """Steps of a training that never waits for the device."""
    for step in range(number):
        host = batch(step)
        uploads.begin(host)
        uploads(host["x"]).sum()


def test_memory_is_given_out_again_when_the_device_has_read_it(gpu: Backend):
    steps(StreamUploads(gpu.xp), 5)


class Heedless(StreamUploads):
    """Forgets to wait until the memory of earlier batches is free."""

    def begin(self, batch: Any) -> None:
        self._read = None
        super().begin(batch)


class Hasty(StreamUploads):
    """Lets the device read what has not arrived."""

    def begin(self, batch: Any) -> None:
        with self.stream:
            self._begun = {id(array): (array, self.xp.asarray(array)) for array in batch.values()}


@pytest.mark.parametrize(
    ("careless", "message"), [(Heedless, "memory is given out again"), (Hasty, "copy may not be done")]
)
def test_without_its_events_it_would_be_wrong(careless: Any, message: str, gpu: Backend):
    with pytest.raises(StrictError, match=message):
        steps(careless(gpu.xp), 5)


def test_a_kernel_reads_nothing_that_has_not_arrived(gpu: Backend):
    x = np.ones(4, np.float32)
    uploads = Hasty(gpu.xp)
    uploads.begin({"x": x})
    with pytest.raises(StrictError, match="copy may not be done"):
        relu_forward(uploads(x))


def test_an_event_that_the_host_waits_for_frees_memory_too(gpu: Backend):
    uploads = Heedless(gpu.xp)
    for step in range(5):
        host = batch(step)
        uploads.begin(host)
        assert float(uploads(host["x"]).sum()) == 12 * step  # the host waits for the device


def test_a_stream_that_the_null_stream_waits_for_is_refused(gpu: Backend):
    with pytest.raises(StrictError, match="non_blocking=True"):
        gpu.xp.cuda.Stream()
    assert isinstance(gpu.xp.asarray(np.ones(2)), StrictArray)
