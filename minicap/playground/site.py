"""Write the playground into a folder that any web server can serve as it is."""

import json
import zipfile
from importlib import metadata, resources
from pathlib import Path

import threadpoolctl

import minicap
from minicap.data import open_dataset, sample_attribution
from minicap.errors import InputError
from minicap.formats import atomic_write_bytes, atomic_write_text
from minicap.playground.runtime import (
    NUMPY,
    PYODIDE,
    archives,
    files_below,
    write_numpy,
    write_python,
    write_zip,
)

MARK = "minicap-site.json"  # says that a folder is ours, and may be written again

# Rooms of the package that the page never enters, and of the GPU's what is not Python.
_LEFT_OUT = ("assignments/", "backend/gpu/", "cli/", "compat/", "multilabel/", "web/")
_SHARED = ("page.css", "dom.js", "chart.js", "samples.js", "icon.svg")  # with the page of `minicap serve`
_MODELS = (
    "captioning/weights/captioner.safetensors",
    "models/weights/efficientnet_lite0.safetensors",
)
_LICENCES = (
    *("captioning/weights/NOTICE.txt", "models/weights/NOTICE.txt", "models/weights/Apache-2.0.txt"),
    "playground/licences/MPL-2.0.txt",
    "playground/licences/Python.txt",
)
PHOTOS = 6  # of the embedded sample that can be tried with a click


def write_site(folder: Path, given: Path | None = None) -> None:
    """Write the playground; a folder that holds one already is written again.

    given: a folder with the files of minicap.playground.runtime.PACKAGES, instead of a download.
    Raises InputError when the folder holds anything else or cannot be written, and as `archives`.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the playground")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise InputError(f"{folder} is not empty and holds no playground; name another folder")
    pyodide, numpy = archives(given)
    try:
        (folder / "licences").mkdir(parents=True, exist_ok=True)
        atomic_write_text(folder / MARK, json.dumps({"minicap": minicap.__version__}) + "\n")
        write_python(pyodide, folder / "pyodide")
        licence = write_numpy(numpy, folder / "numpy.zip")
        write_zip(folder / "minicap.zip", _sources())
        # Numbers of 8 bits hardly shrink.
        write_zip(folder / "models.zip", _contents(_MODELS), zipfile.ZIP_STORED)
        for name, content in _page().items():
            atomic_write_bytes(folder / name, content)
        _write_photos(folder)
        _write_licences(folder / "licences", licence)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from None


def _contents(names: tuple[str, ...]) -> dict[str, bytes]:
    """Files of the installed package, under their names in site-packages."""
    package = resources.files("minicap")
    return {f"minicap/{name}": package.joinpath(name).read_bytes() for name in names}


def _sources() -> dict[str, bytes]:
    """The Python of the package that the page can reach, and of what it depends on."""
    with resources.as_file(resources.files("minicap")) as package:
        names = [name for name in files_below(package) if name.endswith(".py")]
    kept = tuple(name for name in names if not name.startswith(_LEFT_OUT))
    return (
        _contents((*kept, "models/weights/imagenet_classes.txt"))
        | {"minicap/backend/gpu/__init__.py": b""}
        | {"threadpoolctl.py": Path(threadpoolctl.__file__).read_bytes()}
    )


def _page() -> dict[str, bytes]:
    own = resources.files("minicap").joinpath("playground", "static")
    shared = resources.files("minicap").joinpath("web", "static")
    return {file.name: file.read_bytes() for file in own.iterdir() if file.is_file()} | {
        name: shared.joinpath(name).read_bytes() for name in _SHARED
    }


def _write_photos(folder: Path) -> None:
    """A few held-out photos of the sample, and what a human said of each."""
    (folder / "photos").mkdir(exist_ok=True)
    listed = []
    for image in open_dataset("sample").split("test")[:PHOTOS]:
        atomic_write_bytes(folder / "photos" / image.path.name, image.path.read_bytes())
        listed.append({"file": image.path.name, "caption": image.raw[0]})
    atomic_write_text(folder / "photos" / "photos.json", json.dumps(listed, indent=1) + "\n")


def _write_licences(folder: Path, numpy: bytes) -> None:
    atomic_write_bytes(folder / "numpy.txt", numpy)
    atomic_write_text(folder / "photos.md", sample_attribution())
    for name, content in _contents(_LICENCES).items():
        file = name.removeprefix("minicap/").replace("/licences/", "/").replace("/weights/", "-")
        atomic_write_bytes(folder / file.removeprefix("playground/"), content)
    for own in metadata.files("threadpoolctl") or ():
        if own.name == "LICENSE":
            atomic_write_text(folder / "threadpoolctl.txt", own.read_text(encoding="utf-8"))
    atomic_write_text(folder / "README.txt", _NOTICE)


_NOTICE = f"""\
What this playground is made of, and under which licences.

minicap {minicap.__version__}            MIT
Pyodide {PYODIDE.version}          Mozilla Public License 2.0 (MPL-2.0.txt); (c) Pyodide contributors
                         and Mozilla; source: https://github.com/pyodide/pyodide
Python 3.12 in it        PSF licence version 2 (Python.txt);
                         (c) 2001-2024 Python Software Foundation; all rights reserved
NumPy {NUMPY.version.partition("-")[0]}              BSD 3-clause (numpy.txt), built by emscripten-forge
threadpoolctl            BSD 3-clause (threadpoolctl.txt)
EfficientNet-Lite0       Apache 2.0 (models-NOTICE.txt, models-Apache-2.0.txt)
the captioner            captioning-NOTICE.txt
the photos               CC BY 2.0 by the people named in photos.md
"""
