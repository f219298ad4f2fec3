"""A run is a folder: its settings, its metrics, its checkpoints, its figures."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minicap.errors import FormatError, InputError
from minicap.formats import EventWriter, atomic_write_text, open_own, open_regular, parse_json
from minicap.training.lock import folder_lock


class RunFolder:
    """The folder of one training run.

    config.toml, metrics.jsonl (one record per line), TensorBoard events, checkpoints/*.safetensors,
    figures/*.png.
    Raises InputError when the folder cannot be made or written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not os.fspath(path):
            raise InputError("RunFolder: an empty path would be the current folder; name one")
        self.path = Path(path)
        self.metrics_path = self.path / "metrics.jsonl"
        self.last, self.best = self.checkpoint_path("last"), self.checkpoint_path("best")
        self._events: EventWriter | None = None
        self._locked = False
        try:
            for folder in (self.last.parent, self.figures):
                folder.mkdir(parents=True, exist_ok=True)
            open_own(self.metrics_path, append=True).close()
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"cannot make the run folder {self.path}: a file is in the way") from None
        except OSError as error:
            raise self._cannot_write(error) from None

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    def checkpoint_path(self, name: str) -> Path:
        """The file of the checkpoint of that name."""
        return self.path / "checkpoints" / f"{name}.safetensors"

    @property
    def holds_a_run(self) -> bool:
        """Whether a run has left a checkpoint or metrics here."""
        return self.last.exists() or self.metrics_path.stat().st_size > 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes and other RunFolder objects out of the folder; may be nested.

        Raises InputError when it is already in use.
        """
        if self._locked:
            yield
            return
        with folder_lock(self.path):
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    def write_config(self, text: str) -> None:
        """Write the settings of the run."""
        atomic_write_text(self.path / "config.toml", text)

    def open_events(self, resume_step: int | None = None) -> None:
        """Start a TensorBoard event file; that of a resumed run hides what came after resume_step."""
        self._events = EventWriter(self.path, None if resume_step is None else resume_step + 1)

    def record(self, values: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl, and its numbers to the events.

        values must have "step"; NumPy's scalars are written as numbers.
        Raises InputError for a value that JSON cannot hold, or when the disk is full.
        """
        try:
            line = json.dumps(values, default=_as_number)
        except (TypeError, ValueError) as error:
            raise InputError(f"cannot record {values}: {error}") from None
        try:
            with open_own(self.metrics_path, append=True) as file:
                file.write(f"{line}\n".encode())
        except OSError as error:
            raise self._cannot_write(error) from None
        for tag, value in json.loads(line).items():
            if self._events and tag not in ("step", "epoch") and isinstance(value, (int, float)):
                self._events.scalar(tag, value, values["step"])

    def metrics(self) -> list[dict[str, Any]]:
        """The records so far; a last line cut short by a crash is skipped.

        Raises InputError for any other line that is not a record.
        """
        try:
            with open_regular(self.metrics_path) as file:
                lines = file.read().decode("utf-8", errors="replace").splitlines()
        except OSError as error:
            raise InputError(f"cannot read {self.metrics_path}: {error.strerror or error}") from None
        records = []
        for number, line in enumerate(lines, start=1):
            record = parse_record(line)
            if record is not None:
                records.append(record)
            elif number < len(lines):
                raise InputError(f"{self.metrics_path}, line {number}: not a record")
        return records

    def forget_after(self, step: int, epoch: int) -> None:
        """Drop the records of later steps and epochs, which a resumed run writes again."""
        kept = [
            json.dumps(record) + "\n"
            for record in self.metrics()
            if record["step"] <= step and (is_step(record) or record.get("epoch", 0) <= epoch)
        ]
        atomic_write_text(self.metrics_path, "".join(kept))

    def _cannot_write(self, error: OSError) -> InputError:
        return InputError(f"cannot write the run folder {self.path}: {error.strerror or error}")

    def close(self) -> None:
        if self._events:
            self._events.close()
            self._events = None


def is_step(record: dict[str, Any]) -> bool:
    """Whether a record is that of one step, not of an epoch."""
    return "train_loss" not in record


def _as_number(value: Any) -> Any:
    """The Python number of a NumPy or CuPy scalar."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{value!r} is a {type(value).__name__}, not a JSON value")


def parse_record(line: str) -> dict[str, Any] | None:
    """The record in a line of metrics.jsonl; None for a line that is none."""
    try:
        record = parse_json(line, "metrics", finite=False)  # a diverging run records infinity
    except FormatError:
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return None
    return record if type(record.get("epoch", 0)) is int else None
