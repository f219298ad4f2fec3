"""How a run is getting on, from the files it writes."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minicap.captioning.samples import photo_file, read_samples
from minicap.errors import MinicapError
from minicap.formats import open_regular, read_toml
from minicap.training.run import is_step, parse_record
from minicap.web.refusal import Refusal
from minicap.web.runs import Run

_AT_ONCE = 2**24  # bytes of metrics read for one request; the next one goes on from there
_MOST_FOLLOWED = 16
_LARGEST_SAMPLE = 2**20  # bytes


@dataclass
class Curves:
    """The records of a run's metrics.jsonl, read as the file grows.

    epochs: their records.  steps: the number and the loss of each step.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    steps: list[tuple[int, float | None]] = field(default_factory=list)
    identity: tuple[int, int] = (0, 0)
    offset: int = 0

    def read_on(self, path: Path) -> None:
        """Read what was added.  A file that was replaced, as resuming does, is read from its beginning."""
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) != self.identity or status.st_size < self.offset:
                self.epochs, self.steps, self.offset = [], [], 0
                self.identity = status.st_dev, status.st_ino
            file.seek(self.offset)
            whole = file.read(_AT_ONCE).rpartition(b"\n")[0]
        for line in whole.decode("utf-8", errors="replace").splitlines():
            self._add(parse_record(line))
        self.offset += len(whole) + bool(whole)

    def _add(self, record: dict[str, Any] | None) -> None:
        if record is None:
            return
        if not is_step(record):
            self.epochs.append({name: _finite(value) for name, value in record.items()})
        elif isinstance(record.get("loss"), (int, float)):
            self.steps.append((record["step"], _finite(record["loss"])))

    def thinned(self, most: int) -> list[tuple[int, float | None]]:
        """At most that many points for all steps: the mean loss of a few steps at the last of them."""
        size = max(math.ceil(len(self.steps) / most), 1)
        parts = (self.steps[start : start + size] for start in range(0, len(self.steps), size))
        return [(part[-1][0], _mean([loss for _, loss in part if loss is not None])) for part in parts]


class Followed:
    """The curves of the runs that were looked at last."""

    def __init__(self) -> None:
        self._curves: dict[str, Curves] = {}

    def progress(self, run: Run, most_steps: int) -> dict[str, Any]:
        """What the page draws of a run.  Raises Refusal (404) for one without metrics."""
        folder = _folder(run)
        curves = self._curves.pop(run.name, None) or Curves()
        self._curves[run.name] = curves
        while len(self._curves) > _MOST_FOLLOWED:
            del self._curves[next(iter(self._curves))]
        try:
            curves.read_on(folder / "metrics.jsonl")
            samples = read_samples(folder)
            updated = (folder / "metrics.jsonl").stat().st_mtime
        except (OSError, MinicapError) as error:
            raise Refusal(422, "broken_run", f"{run.name} cannot be read: {type(error).__name__}") from None
        return {
            "run": run.name,
            "epochs": curves.epochs,
            "of_epochs": _epochs(folder),
            "steps": curves.thinned(most_steps),
            "updated": round(updated, 1),
            "samples": {
                "humans": samples.humans,
                "captions": [{"epoch": n, "captions": said} for n, said in sorted(samples.captions.items())],
            },
        }


def sample_photo(run: Run, index: int) -> bytes:
    """The JPEG of a sample photo.  Raises Refusal (404)."""
    try:
        with open_regular(photo_file(_folder(run), index)) as file:
            return file.read(_LARGEST_SAMPLE)
    except OSError:
        raise Refusal(404, "no_sample", f"{run.name} has no sample photo {index}") from None


def _folder(run: Run) -> Path:
    if run.folder is None:
        raise Refusal(404, "no_metrics", f"{run.name} has no metrics: it is no run folder")
    return run.folder


def _epochs(folder: Path) -> int | None:
    """How many epochs the run is to have, if it says so."""
    try:
        training: Any = read_toml(folder / "config.toml").get("training")
    except MinicapError:
        return None
    epochs = training.get("epochs") if isinstance(training, Mapping) else None
    return epochs if isinstance(epochs, int) else None


def _finite(value: Any) -> Any:
    """JSON has no number for a loss that is infinite or NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _mean(values: list[float]) -> float | None:
    return round(math.fsum(values) / len(values), 5) if values else None
