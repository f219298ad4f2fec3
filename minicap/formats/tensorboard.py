"""Write TensorBoard event files without TensorFlow, TensorBoard or protobuf.

A file is a sequence of records, each one an Event message (tensorflow/core/util/event.proto and
summary.proto) between its length and checksums (tensorflow/core/lib/io/record_writer.h). Field numbers are
those files'.
"""

import io
import math
import operator
import os
import socket
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self, SupportsFloat, SupportsIndex

import numpy as np
from PIL import Image

from minicap.errors import DtypeError, InputError, ShapeError


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC_TABLE = tuple(_crc_of_byte(byte) for byte in range(256))


class EventWriter:
    """Append scalars and images to a run folder that `tensorboard --logdir` shows.

    folder: created if it does not exist. Every writer starts a file `events.out.tfevents.<time>.<host>`,
    whose name sorts after those already there; TensorBoard reads them as one run.
    purge_step: for a run resumed from a checkpoint. TensorBoard hides what earlier files say about this step
    and later ones, which the resumed run writes again.

    Each event goes to the operating system at once, so a killed process loses none.
    Raises InputError when the folder cannot be written or the disk is full.
    """

    def __init__(self, folder: str | os.PathLike[str], purge_step: int | None = None) -> None:
        self.path, self._file = _create(Path(folder))
        self._write(_bytes_field(3, b"brain.Event:2"))  # file_version
        if purge_step is not None:
            start = _varint_field(1, 1)  # SessionLog.status = START
            # Twice, as TensorBoard takes the first one in a folder for the run's beginning, not a restart.
            for _ in range(2):
                self._write(_varint_field(2, operator.index(purge_step)) + _bytes_field(7, start))

    def scalar(self, tag: str, value: SupportsFloat, step: SupportsIndex) -> None:
        """Record one number, kept as float32. NaN and infinity are shown as such."""
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"EventWriter.scalar: {tag} must be one number, not a {type(value).__name__}"
            ) from error
        self._summary(tag, b"\x15" + _float32(number), step)  # simple_value, field 2

    def image(self, tag: str, array: np.ndarray, step: SupportsIndex) -> None:
        """Record an RGB picture.  array: (H, W, 3) uint8."""
        if array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
            raise ShapeError(f"EventWriter.image: {tag} has shape {array.shape}; expected (H, W, 3)")
        if array.dtype != np.uint8:
            raise DtypeError(f"EventWriter.image: {tag} has dtype {array.dtype}; expected uint8, 0 to 255")
        height, width, _ = array.shape
        png = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(array)).save(png, format="PNG")
        rgb = 3
        picture = _varint_field(1, height) + _varint_field(2, width) + _varint_field(3, rgb)
        self._summary(tag, _bytes_field(4, picture + _bytes_field(4, png.getvalue())), step)

    def flush(self) -> None:
        """Put every event so far on disk, where it survives even a power cut."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _summary(self, tag: str, value: bytes, step: SupportsIndex) -> None:
        summary = _bytes_field(1, _bytes_field(1, tag.encode("utf-8")) + value)
        self._write(_varint_field(2, operator.index(step)) + _bytes_field(5, summary))

    def _write(self, body: bytes) -> None:
        event = b"\x09" + struct.pack("<d", time.time()) + body  # wall_time, field 1
        length = struct.pack("<Q", len(event))
        record = length + _masked_crc(length) + event + _masked_crc(event)
        try:
            while record:
                record = record[self._file.write(record) :]
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def _create(folder: Path) -> tuple[Path, io.FileIO]:
    """Open a new event file whose name sorts last: TensorBoard reads them in that order."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = [int(name.split(".")[3]) for name in os.listdir(folder) if _is_event_file(name)]
        second = max([int(time.time()), *(earlier + 1 for earlier in taken)])
        while True:
            path = folder / f"events.out.tfevents.{second:010d}.{socket.gethostname()}"
            try:
                return path, open(path, "xb", buffering=0)
            except FileExistsError:
                second += 1
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(f"EventWriter: cannot write {path}: {error.strerror or error}")


def _is_event_file(name: str) -> bool:
    return name.startswith("events.out.tfevents.") and name.split(".")[3].isdecimal()


def _float32(number: float) -> bytes:
    try:
        return struct.pack("<f", number)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, number))


def _varint(number: int) -> bytes:
    number &= 0xFFFFFFFFFFFFFFFF  # int64 in two's complement
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varint_field(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes_field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _crc32c(data: bytes) -> int:
    """Castagnoli's checksum (RFC 3720, appendix B.4), byte by byte: 0.12 s per megabyte."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked_crc(data: bytes) -> bytes:
    """A record's checksum, rotated and shifted so that a checksum of checksums stays useful."""
    crc = _crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
