"""The weights of a TensorFlow.js model inside an archive (.tgz)."""

import tarfile
import zlib
from math import prod
from pathlib import Path, PurePosixPath

import numpy as np

from minicap.errors import FormatError
from minicap.formats.documents import parse_json


def load_tfjs(archive: Path) -> dict[str, np.ndarray]:
    """The float32 arrays that model.json lists, by name; its "weightsManifest" names their files.

    Nothing is unpacked to disk.  Raises FormatError for a damaged archive or one without such a model.
    """
    try:
        with tarfile.open(archive) as files:

            def content(name: str) -> bytes:
                member = files.extractfile(name)
                if member is None:
                    raise FormatError(f"{archive}: {name} is not a file")
                return member.read()

            listed = [name for name in files.getnames() if PurePosixPath(name).name == "model.json"]
            if len(listed) != 1:
                raise FormatError(f"{archive}: holds {len(listed)} TensorFlow.js models")
            folder = PurePosixPath(listed[0]).parent
            model = parse_json(content(listed[0]).decode("utf-8"), f"{archive}: {listed[0]}")
            arrays: dict[str, np.ndarray] = {}
            for group in model["weightsManifest"]:
                stored = b"".join(content(str(folder / path)) for path in group["paths"])
                position = 0
                for entry in group["weights"]:
                    name, shape = entry["name"], entry["shape"]
                    if entry["dtype"] != "float32" or "quantization" in entry:
                        raise FormatError(f"{archive}: {name} is not plain float32")
                    if not all(type(n) is int and n >= 0 for n in shape):
                        raise FormatError(f"{archive}: {name} has the shape {shape}")
                    arrays[name] = np.frombuffer(stored, "<f4", prod(shape), position).reshape(shape)
                    position += arrays[name].nbytes
                if position != len(stored):
                    raise FormatError(f"{archive}: {len(stored) - position} bytes belong to no array")
            return arrays
    except FormatError:
        raise
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{archive}: a damaged archive ({error})") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{archive}: not a TensorFlow.js model ({error})") from None
