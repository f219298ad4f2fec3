"""Packages of npm in miniature, for tests that write a playground without any network."""

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from minicap.data.packages import PackageFile
from minicap.playground import runtime, site

SITE_PACKAGES = "lib/python3.12/site-packages"


def tgz(files: dict[str, bytes]) -> bytes:
    """A packed archive with these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def numpy_package() -> bytes:
    """The layers of the real one: a package of npm around one of conda."""
    files = {
        "numpy/__init__.py": b"",
        "numpy/tests/test_all.py": b"",
        "numpy/_core/_multiarray_tests.so": b"",
        "numpy/_core/_umath_tests.so": b"",
        "numpy/_core/core.h": b"",
        "numpy-2.0.1.dist-info/LICENSE.txt": b"BSD",
    }
    inner = tgz({f"{SITE_PACKAGES}/{name}": content for name, content in files.items()})
    return tgz({"package/package.json": b"{}", "package/pkg/numpy.tar.gz": inner})


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both files, which count as the real ones."""
    folder = tmp_path / "npm"
    folder.mkdir()
    contents = {
        "pyodide": tgz({f"package/{name}": name.encode() for name in (*runtime._LOADED, "console.html")}),
        "numpy": numpy_package(),
    }
    known = []
    for name, content in contents.items():
        (folder / f"{name}.tgz").write_bytes(content)
        known.append(PackageFile("npm", name, "1.0", sha256(content).hexdigest()))
    monkeypatch.setattr(runtime, "PACKAGES", tuple(known))
    return folder


@pytest.fixture
def written(packages: Path, tmp_path: Path) -> Path:
    """A playground, whose Python and NumPy are empty."""
    folder = tmp_path / "out"
    site.write_site(folder, packages)
    return folder


def photos(folder: Path) -> list[dict[str, str]]:
    return json.loads((folder / "photos" / "photos.json").read_text(encoding="utf-8"))
