"""Each barrier, fence and read past the cache is needed: a kernel without it fails a test.

What no CPU can show (the order in which other blocks see writes) is shown by the PTX, in test_nvrtc.
"""

import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import nvrtc
import pytest
from cuda_on_cpu import ORDERS, LaunchError, thread_order
from kernel_cases import LARGER, TOLERANCE, inputs_of, on_device, run, supporting

from minicap.arrays import Backend, textbook, to_host
from minicap.backend.gpu import launcher, sources
from minicap.gradcheck.case import Case
from minicap.gradcheck.library import all_layers, load_cases

KERNELS = Path(launcher.__file__).with_name("kernels")
NEEDED = re.compile(r"__syncthreads\(\);|__threadfence\(\);|__ldcg(?=\()")
ORDER_OF_MEMORY = ("__threadfence();", "__ldcg")
# Layers whose kernels pass through the lines of a file.
LAYERS = {
    "attention.cu": ("additive_attention", "soft_attention_step", "dot_product_attention"),
    "dropout.cu": ("dropout", "spatial_dropout", "affine_relu_dropout"),
    "embedding.cu": ("embedding",),
    "normalization.cu": ("spatial_batchnorm", "groupnorm", "layernorm"),
    "prelude.cuh": ("log_softmax", "softmax_loss", "layernorm", "additive_attention", "conv_relu"),
    "products.cuh": ("affine", "conv_relu"),
    "sequences.cu": ("lstm", "gru", "rnn"),
}


class Site(NamedTuple):
    file: str
    start: int
    end: int
    line: int

    @property
    def text(self) -> str:
        return (KERNELS / self.file).read_text(encoding="utf-8")

    @property
    def what(self) -> str:
        return self.text[self.start : self.end]

    @property
    def mutated(self) -> str:
        return self.text[: self.start] + ("*" if self.what == "__ldcg" else "") + self.text[self.end :]


def sites() -> list[Site]:
    found = []
    for path in sorted(KERNELS.iterdir()):
        text = path.read_text(encoding="utf-8")
        for match in NEEDED.finditer(text):
            found.append(Site(path.name, *match.span(), text.count("\n", 0, match.start()) + 1))
    return found


SITES = sites()


@pytest.fixture
def mutant(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The site; the launcher finds kernels without what stands there."""
    caches = (
        sources.source_of,
        sources.kernels_in,
        launcher._function,
        launcher._module,
        launcher._room_for,
    )
    shutil.copytree(KERNELS, tmp_path / "kernels")
    (tmp_path / "kernels" / request.param.file).write_text(request.param.mutated, encoding="utf-8")
    monkeypatch.setattr(sources, "files", lambda package: tmp_path)
    for cached in caches:
        cached.cache_clear()
    yield request.param
    for cached in caches:
        cached.cache_clear()


def fails(case: Case) -> bool:
    """Whether a case shows that something is missing: an error, a wrong result, or bits that change."""
    layer = all_layers()[case.layer]
    with textbook():
        expected = run(layer.forward, layer.backward, inputs_of(case, "float64"), "float64")
    for override in supporting(case, "float32"):
        first: list[Any] | None = None
        for order in ORDERS:
            try:
                with thread_order(order):
                    inputs = on_device(inputs_of(case, "float32"))
                    got = run(override.forward, override.backward, inputs, "float32")
            except LaunchError:
                return True
            results = [None if result is None else to_host(result) for result in got]
            for ours, theirs in zip(results, expected, strict=True):
                if theirs is not None:
                    error = np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max())
                    if not error < TOLERANCE["float32"]:
                        return True
            first = first or results
            if any(a is not None and not np.array_equal(a, b) for a, b in zip(first, results, strict=True)):
                return True
    return False


def test_every_file_with_a_barrier_is_reached():
    assert {site.file for site in SITES} <= set(LAYERS)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a line of the prelude makes all kernels anew
@pytest.mark.parametrize(
    "mutant", SITES, ids=lambda site: f"{site.file}:{site.line} {site.what}", indirect=True
)
@pytest.mark.filterwarnings("ignore")
def test_a_kernel_without_it_is_caught(mutant: Site, gpu: Backend):
    if mutant.what in ORDER_OF_MEMORY:
        compiler = nvrtc.find(13) or nvrtc.find(12)
        if compiler is None:
            pytest.skip(f'needs NVRTC: pip install "{nvrtc.WHEELS[13]}"')
        options = (*sources.compile_options("float32"), "-arch=sm_90a")
        texts = nvrtc.compile_kernels(compiler, sources.source_of(mutant.file), options).texts()
        wanted = {"__threadfence();": ("membar.gl", 2), "__ldcg": ("ld.global.cg", 4)}[mutant.what]
        assert all(len(re.findall(re.escape(wanted[0]), text)) < wanted[1] for text in texts.values())
        return
    cases = [case for case in (*LARGER, *load_cases(large=False)) if case.layer in LAYERS[mutant.file]]
    assert any(fails(case) for case in cases)
