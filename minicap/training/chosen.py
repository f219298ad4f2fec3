"""Which checkpoint of a run is used, and how it is described."""

import os
from pathlib import Path

from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, load_about, nearest


def chosen_checkpoint(path: str | os.PathLike[str]) -> Path:
    """The best checkpoint of a run folder, or the last if there is no best; a file is returned as it is.

    Raises InputError where there is nothing, and for a folder without checkpoints.
    """
    path = Path(path)
    if not os.path.exists(path):  # unlike Path.exists it takes paths of any length
        beside = [entry.name for entry in path.parent.glob("*")]
        raise InputError(f"{path}: there is no such file or run folder{nearest(path.name, beside)}")
    if not os.path.isdir(path):
        return path
    for name in ("best", "last"):
        if (file := path / "checkpoints" / f"{name}.safetensors").exists():
            return file
    raise InputError(f"{path} is not a run folder: it has no checkpoints")


def run_folder_of(path: str | os.PathLike[str]) -> Path | None:
    """The run folder that a path names or whose checkpoint it is; None for a checkpoint outside any run."""
    folder = Path(path)
    if not folder.is_dir():
        checkpoints = folder.absolute().parent
        folder = checkpoints.parent if checkpoints.name == "checkpoints" else checkpoints
    return folder if (folder / "config.toml").is_file() else None


def kind_of(path: str | os.PathLike[str]) -> str:
    """What a run folder or a checkpoint holds, such as "captioner".

    Raises InputError when there is none, FormatError when it is damaged or names no kind.
    """
    path = chosen_checkpoint(path)
    kind = load_about(path).get("kind")
    if not isinstance(kind, str):
        raise FormatError(f"{path} does not say what it holds")
    return kind


def origin(checkpoint: Checkpoint, path: Path) -> str:
    """Which checkpoint of its run this is, in words; an empty text when unknown."""
    epoch, chosen_by = checkpoint.progress.get("epoch"), checkpoint.about.get("chosen_by")
    if not epoch:
        return ""
    return f"epoch {epoch}" + (f", chosen by {chosen_by}" if chosen_by and path.stem == "best" else "")
