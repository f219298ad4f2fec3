"""At the benchmarks' sizes every launch has at least as many blocks as a large GPU has multiprocessors.

Nothing is computed here: launches are recorded, and memory is asked for and not touched.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import DEVICE
from strict_cupy import StrictArray
from strict_cupy import namespace as strict_namespace

from minicap import layers
from minicap.arrays import Backend, to_device
from minicap.backend.gpu.launcher import Kernel
from minicap.optim.rules import Adam

MULTIPROCESSORS = 132  # of an H200

# Where there is no more to share out.
REASONS = {
    # "GEMM Algorithms Numerical Behavior" in cuBLAS's documentation: where K is large beside M and N, its
    # heuristics split K to occupy the GPU, and add up the parts in a fixed order.
    "affine_forward": "no sum is longer than LONGEST_SUM: cuBLAS has the others, and splits them itself",
    "affine_backward": "as affine_forward",
    "conv_add_parts": "a sum of some hundred parts for each of a thousand weights",
    "layernorm_parameters": "1024 numbers, each the sum of 32 parts",
    "lstm_sequence": "a block for each part of Wh that fits into shared memory",
    "lstm_sequence_gradient": "as lstm_sequence",
    "additive_attention_forward": "a block for each sample of the batch of 128",
    "additive_attention_backward": "a block for each sample of the batch of 128",
    "soft_attention_step_forward": "a block for each sample of the batch of 128",
    "soft_attention_step_backward": "a block for each sample of the batch of 128",
}


def empty(*shape: int) -> Any:
    return StrictArray(np.empty(shape, np.float32))


def images(
    forward: Any, backward: Any, shape: tuple[int, ...], *arguments: Any, **options: Any
) -> Callable[[], None]:
    def run() -> None:
        out, cache = forward(empty(*shape), *(a() for a in arguments), **options)
        backward(empty(*out.shape), cache)

    return run


def conv(N: int, C: int, H: int, F: int) -> Callable[[], None]:
    filters, bias = (lambda: empty(F, C, 3, 3)), (lambda: empty(F))
    return images(layers.conv_relu_forward, layers.conv_relu_backward, (N, C, H, H), filters, bias, pad=1)


def norm(name: str, channels: int, vectors: int, *shape: int, **options: Any) -> Callable[[], None]:
    pair = getattr(layers, f"{name}_forward"), getattr(layers, f"{name}_backward")
    return images(*pair, shape, *(lambda: empty(channels),) * vectors, **options)


def lstm() -> None:
    N, T, H = 128, 16, 512
    out, cache = layers.lstm_forward(
        empty(N, T, H), empty(N, H), empty(H, 4 * H), empty(H, 4 * H), empty(4 * H)
    )
    layers.lstm_backward(empty(*out.shape), cache)


def attention() -> None:
    N, S, H = 128, 49, 512
    weights = empty(H, H), empty(H, H), empty(H), empty(H)
    context, _, cache = layers.additive_attention_forward(empty(N, S, H), empty(N, H), *weights)
    layers.additive_attention_backward(empty(*context.shape), None, cache)


def a_look() -> None:
    N, L, D, H, A = 128, 49, 1280, 512, 256
    gate = empty(H, 1), empty(1)
    places, keys, weights = empty(N, L, D), empty(N, L, A), (empty(H, A), empty(A), empty(A))
    context, _, cache = layers.soft_attention_step_forward(places, keys, empty(N, H), *weights, *gate)
    layers.soft_attention_step_backward(empty(*context.shape), None, cache, input_gradient=False)


def embedding() -> None:
    words = to_device(np.zeros((128, 16), int))
    _, cache = layers.embedding_forward(words, empty(10_000, 512))
    layers.embedding_backward(empty(128, 16, 512), cache)


def words_loss() -> None:
    layers.temporal_softmax_loss(empty(128, 16, 10_000), to_device(np.zeros((128, 16), int)))


def classes_loss() -> None:
    layers.softmax_loss(empty(256, 10), to_device(np.zeros(256, int)))


def adam() -> None:
    params, grads = ({f"w{i}": empty(1 << 20) for i in range(8)} for _ in range(2))
    Adam(1e-3).step(params, grads)


CASES: dict[str, Callable[[], None]] = {
    "CNN2, first convolution": conv(256, 3, 32, 32),
    "CNN2, second convolution": conv(256, 32, 32, 32),
    "CNN2, last convolution": conv(256, 64, 16, 64),
    "CNN2, pooling": images(layers.max_pool_forward, layers.max_pool_backward, (256, 32, 32, 32)),
    "CNN2, dropout": images(
        layers.dropout_forward, layers.dropout_backward, (256, 32, 16, 16), rate=0.25, rng=0
    ),
    "a small affine layer": images(
        layers.affine_forward, layers.affine_backward, (128, 128), lambda: empty(128, 128), lambda: empty(128)
    ),
    "CNN2, loss": classes_loss,
    "VGG16, first convolution": conv(32, 3, 224, 64),
    "VGG16, 256 filters": conv(32, 256, 56, 256),
    "VGG16, 512 filters": conv(32, 512, 14, 512),
    "batch norm, 64 channels of 56 x 56": norm("spatial_batchnorm", 64, 4, 128, 64, 56, 56),
    "batch norm, 512 channels of 14 x 14": norm("spatial_batchnorm", 512, 4, 32, 512, 14, 14),
    "batch norm, 512 features": norm("batchnorm", 512, 4, 128, 512),
    "group norm, 32 groups": norm("groupnorm", 256, 2, 32, 256, 28, 28, groups=32),
    "layer norm, 512 features": norm("layernorm", 512, 2, 128, 16, 512),
    "captioner, LSTM": lstm,
    "captioner, attention": attention,
    "captioner, a word's look at the image": a_look,
    "captioner, word table": embedding,
    "captioner, loss": words_loss,
    "Adam, 8 million parameters": adam,
}


def shape_only(self: Any, a: Any, b: Any, out: Any = None) -> Any:
    """A matrix product that is not computed."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    rows, columns = a.shape[-2:-1], b.shape[-1:] if b.ndim > 1 else ()
    return empty(*batch, *rows, *columns)


@pytest.fixture
def launches(gpu: Backend, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Names and numbers of blocks of all launches, none of which takes place."""
    recorded: list[tuple[str, int]] = []

    def record(self: Kernel, count: int, *_: Any, **values: Any) -> None:
        recorded.append((self.name, count))

    monkeypatch.setattr(Kernel, "blocks", record)
    monkeypatch.setattr(Kernel, "blocks_together", record)
    monkeypatch.setattr(strict_namespace.Namespace, "matmul", shape_only)
    monkeypatch.setattr(strict_namespace, "_poisoned", strict_namespace.wrap)
    monkeypatch.setattr(DEVICE, "processors", MULTIPROCESSORS)
    monkeypatch.setattr(DEVICE, "memory", 139 << 30)
    return recorded


@pytest.mark.parametrize("case", CASES)
def test_every_launch_has_a_block_for_each_multiprocessor(
    case: str, launches: list[tuple[str, int]], record_property: Any
):
    CASES[case]()
    assert launches
    for name, blocks in launches:
        record_property(name, blocks)
        assert blocks >= MULTIPROCESSORS or name in REASONS, f"{name} has {blocks} blocks"


def test_no_reason_outlives_its_launch(launches: list[tuple[str, int]]):
    for run in CASES.values():
        run()
    few = {name for name, blocks in launches if blocks < MULTIPROCESSORS}
    assert set(REASONS) == few
