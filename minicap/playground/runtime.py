"""Python and NumPy for the browser, from two packages of npm, checked and made fit for a page."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from minicap.data.download import sha256_of
from minicap.data.packages import PackageFile, fetch
from minicap.data.unpack import unpack
from minicap.errors import FormatError, InputError
from minicap.formats.folders import default_cache_folder

PYODIDE = PackageFile(
    "npm", "pyodide", "0.27.7", "89d5d952675eb08e11286e52c7238f1248ce71726e896db9703e73bef23dc343"
)
NUMPY = PackageFile(
    "npm",
    "@emscripten-forge/numpy",
    "2.0.1-py312h4e66579-0",
    "7c6dab4b681b15286f10ab9972147f599d91df4ea881f61fb58ad39349423d84",
)
PACKAGES = (PYODIDE, NUMPY)

_MOST = 100 << 20  # bytes that may come out of a package
_LOADED = ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
_SITE_PACKAGES = "lib/python3.12/site-packages"
_UNUSED = ("/tests/", "/f2py/", "/__pycache__/", "/_pyinstaller/")
_UNUSED_ENDINGS = (".pyi", ".pxd", ".pyx", ".h", ".c", ".a")

# This NumPy asks for glibc's backtrace() on large arrays, which a browser has not: a module of WebAssembly
# with a function of that name, which returns 0, no frames.  NumPy imports _distributor_init_local first.
_BACKTRACE = b"".join(
    (
        b"\0asm\1\0\0\0",
        b"\0\x0f\x08dylink.0\1\4\0\0\0\0",  # a library without memory and tables of its own
        b"\1\7\1\x60\2\x7f\x7f\1\x7f",  # (i32, i32) -> i32
        b"\3\2\1\0",
        b"\7\x0d\1\x09backtrace\0\0",
        b"\x0a\6\1\4\0\x41\0\x0b",  # i32.const 0
    )
)
_LOAD_BACKTRACE = """\
import ctypes
from pathlib import Path

ctypes.CDLL(str(Path(__file__).with_name("_backtrace.so")), ctypes.RTLD_GLOBAL)
"""


def archives(given: Path | None = None) -> list[Path]:
    """The files of PACKAGES, in minicap's cache folder, or else downloaded there with npm.

    given: a folder that has them, used instead.
    Raises InputError when one cannot be had, saying how to get it by hand, and FormatError for one that npm
    brings with another checksum.
    """
    folder = given or default_cache_folder() / "playground"
    kept = {sha256_of(file): file for file in sorted(folder.glob("*.tgz"))} if folder.is_dir() else {}
    missing = [package for package in PACKAGES if package.sha256 not in kept]
    if missing and given:
        names = ", ".join(f"{package.name} {package.version}" for package in missing)
        raise InputError(f"{given} does not hold, unchanged, {names}; in that folder run: {by_hand(missing)}")
    for package in missing:
        kept[package.sha256] = _fetched(package, folder)
    return [kept[package.sha256] for package in PACKAGES]


def by_hand(packages: Iterable[PackageFile]) -> str:
    """The command that downloads the packages."""
    return " ".join(("npm pack", *(f"{package.name}@{package.version}" for package in packages)))


def _fetched(package: PackageFile, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as empty:
            file = fetch(package, Path(empty))
            return file.replace(folder / file.name)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from None
    except InputError as error:
        raise InputError(
            f"{error}. Where there is npm and a network, run: {by_hand(PACKAGES)}; then: "
            "minicap site OUT --from FOLDER"
        ) from None


def write_python(archive: Path, folder: Path) -> None:
    """Put what the page loads of Pyodide into a new folder."""
    with TemporaryDirectory() as work:
        unpack(archive, Path(work) / "all", "package", _MOST)
        folder.mkdir(exist_ok=True)
        for name in _LOADED:
            (folder / name).write_bytes((Path(work) / "all" / name).read_bytes())


def write_numpy(archive: Path, file: Path) -> bytes:
    """Put NumPy, without its tests and headers, into a ZIP file; returns its licence."""
    with TemporaryDirectory() as work:
        unpack(archive, Path(work) / "outer", "package/pkg", _MOST)
        inner = list((Path(work) / "outer").glob("*.tar.gz"))
        if len(inner) != 1:
            raise FormatError(f"{archive}: there should be one archive in it but there are {len(inner)}")
        unpack(inner[0], Path(work) / "all", _SITE_PACKAGES, _MOST)
        files = {
            name: path.read_bytes() for name, path in files_below(Path(work) / "all").items() if _used(name)
        }
    files["numpy/_backtrace.so"] = _BACKTRACE
    files["numpy/_distributor_init_local.py"] = _LOAD_BACKTRACE.encode()
    write_zip(file, files)
    return next(content for name, content in files.items() if name.endswith("dist-info/LICENSE.txt"))


def _used(name: str) -> bool:
    tests = "_tests." in name and "_multiarray_tests" not in name  # the one that NumPy itself imports
    return not (tests or name.endswith(_UNUSED_ENDINGS) or any(part in f"/{name}" for part in _UNUSED))


def files_below(folder: Path) -> dict[str, Path]:
    """All files in a folder and its folders, by their names there, with slashes."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def write_zip(file: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    """The same contents give the same file, whenever it is written."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
