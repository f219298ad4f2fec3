"""The default places of minicap's files on disk."""

import os
import sys
from pathlib import Path

from minicap.errors import InputError


def default_cache_folder() -> Path:
    """Where minicap keeps what it can recompute: $MINICAP_CACHE, or the system's usual place for caches.

    Raises InputError when there is no home folder.
    """
    if chosen := os.environ.get("MINICAP_CACHE"):
        return Path(chosen).expanduser()
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
            return Path(local) / "minicap" / "cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "minicap"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minicap"
    except RuntimeError as error:
        raise InputError("there is no home folder for a cache; set MINICAP_CACHE to a folder") from error
