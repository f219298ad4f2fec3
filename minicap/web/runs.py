"""The runs that a server knows, by name: what is asked for is looked up here and nowhere else."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from minicap.captioning import Captioner
from minicap.classification import Classifier
from minicap.errors import InputError, MinicapError
from minicap.formats import load_about, nearest, read_toml
from minicap.models.pretrained import have_weights
from minicap.models.published import CLASSIFIERS, DEFAULT
from minicap.multilabel import Tagger
from minicap.training import chosen_checkpoint
from minicap.web.limits import Limits
from minicap.web.refusal import Refusal

Model = Captioner | Classifier | Tagger

# What can say something about a photo, by the kind that a checkpoint names.
KINDS: dict[str, Callable[[Path], Model]] = {
    "captioner": Captioner.load,
    "classifier": Classifier.load,
    "tagger": Tagger.load,
}
CAPTIONER, TAGGER = "shipped", "tags"
_DEEPEST = 3  # folders below that of --runs


@dataclass(frozen=True)
class Run:
    """One run.

    path: its folder or checkpoint; None for what comes with minicap.  kind: captioner, classifier, tagger or
    something else; empty before the first checkpoint.  model: the names of its model and its encoder.
    problem: why it cannot be used.
    """

    name: str
    path: Path | None
    kind: str
    model: str
    problem: str = ""

    @property
    def folder(self) -> Path | None:
        """The folder with its metrics, if it has one."""
        inside = self.path is not None and (self.path / "metrics.jsonl").is_file()
        return self.path if inside else None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "model": self.model,
            "describes": self.kind in KINDS and not self.problem,
            "trains": self.folder is not None,
            "problem": self.problem,
        }


class Runs:
    """A table of runs, and the models of those that were used last.

    paths: run folders and checkpoints.  folder: one that holds run folders; those begun later join the table.
    Raises InputError for a path that is none of these.
    """

    def __init__(
        self, paths: Sequence[Path] = (), folder: Path | None = None, limits: Limits | None = None
    ) -> None:
        self.paths, self.within, self.limits = paths, folder, limits or Limits()
        self._models: OrderedDict[str, tuple[Any, Model]] = OrderedDict()
        for path in paths:
            if not path.is_file() and not _is_run(path):
                raise InputError(f"{path} is neither a run folder nor a checkpoint")
        if folder is not None and not folder.is_dir():
            raise InputError(f"there is no folder {folder}")
        self.table: Mapping[str, Run] = {}
        self.refresh()

    def refresh(self) -> Mapping[str, Run]:
        """Look again what runs there are."""
        table = {
            CAPTIONER: Run(CAPTIONER, None, "captioner", "the captioner in the package"),
            TAGGER: Run(TAGGER, None, "tagger", "the tagger in the package"),
        }
        for name in CLASSIFIERS:
            if have_weights(name):
                table[name] = Run(name, None, "classifier", f"{name}, ImageNet's 1000 classes")
        for proposed, path in self._places():
            names = (proposed if n == 1 else f"{proposed}-{n}" for n in count(1))
            name = next(name for name in names if name not in table)
            table[name] = _described(name, path)
        self.table = table
        return table

    def _places(self) -> Iterator[tuple[str, Path]]:
        """The runs of the user with the names that suit them."""
        for path in self.paths:
            whole = path.resolve()
            yield (whole.name if whole.is_dir() else whole.stem), path
        if self.within is not None:
            folder = self.within
            found = ((p.relative_to(folder).as_posix(), p) for p in _runs_in(folder, _DEEPEST))
            yield from islice(
                ((folder.resolve().name if name == "." else name, path) for name, path in found),
                self.limits.most_runs,
            )

    def find(self, name: str) -> Run:
        """Raises Refusal (404) for a name that is not in the table."""
        if name not in self.table:
            raise Refusal(404, "unknown_run", f"there is no run {name[:80]!r}{nearest(name, self.table)}")
        return self.table[name]

    def defaults(self) -> list[str]:
        """The runs that describe a photo where none is named."""
        return [CAPTIONER, DEFAULT, TAGGER]

    def model(self, run: Run) -> Model:
        """The model of a run, read again when a training has written a better one.

        Raises Refusal (422) where there is none that can be used.
        """
        if run.kind not in KINDS:
            raise Refusal(422, "cannot_describe", f"{run.name} is no captioner, classifier or tagger")
        try:
            version = _version(run.path)
            known = self._models.get(run.name)
            if known is None or known[0] != version:
                known = self._models[run.name] = version, _load(run)
            self._models.move_to_end(run.name)
            while len(self._models) > self.limits.most_loaded:
                self._models.popitem(last=False)
            return known[1]
        except (MinicapError, OSError) as error:
            raise Refusal(422, "broken_run", f"{run.name} cannot be used: {_said(error, run)}") from None


def _load(run: Run) -> Model:
    if run.path is not None:
        return KINDS[run.kind](run.path)
    if run.kind == "classifier":
        return Classifier.pretrained(run.name)
    return Captioner.shipped() if run.kind == "captioner" else Tagger.shipped()


def _version(path: Path | None) -> Any:
    """What differs when the checkpoint of a run has been written again."""
    if path is None:
        return None
    status = os.stat(chosen_checkpoint(path))
    return status.st_ino, status.st_mtime_ns, status.st_size


def _is_run(path: Path) -> bool:
    return (path / "config.toml").is_file() or (path / "checkpoints").is_dir()


def _runs_in(folder: Path, depth: int) -> Iterator[Path]:
    """The run folders in and below a folder, in sorted order; links are not followed."""
    if _is_run(folder):
        yield folder
    elif depth:
        names: list[str] = []
        with suppress(OSError), os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for name in names:
            if name[0] != ".":
                yield from _runs_in(folder / name, depth - 1)


def _described(name: str, path: Path) -> Run:
    """What a run's checkpoint says of itself, or its settings while there is none."""
    try:
        if path.is_dir() and not any((path / "checkpoints").glob("*.safetensors")):
            return Run(name, path, "", _named(read_toml(path / "config.toml")))
        about = load_about(chosen_checkpoint(path))
        return Run(name, path, str(about.get("kind", "")), _named(about))
    except (MinicapError, OSError) as error:
        found = Run(name, path, "", "")
        return Run(name, path, "", "", _said(error, found))


def _named(tables: Mapping[str, Any]) -> str:
    """The names of model and encoder."""
    found = (tables.get(part) for part in ("model", "encoder"))
    return " on ".join(str(part["name"]) for part in found if isinstance(part, dict) and "name" in part)


def _said(error: Exception, run: Run) -> str:
    """The message, without where on this machine the run lies."""
    message = str(error)
    if run.path is not None:
        for path in (run.path.resolve(), run.path.absolute(), run.path):
            message = message.replace(str(path), run.name)
    return message
