"""Kernels run in Python: the language they know, what they refuse, and the same numbers as the compiler's."""

import cuda_on_cpu
import numpy as np
import pytest
from strict_cupy.backend import to_device, to_host

from minicap.assignments.cuda import KernelError, launch
from minicap.assignments.manifest import PACKAGE
from minicap.backend.gpu.sources import compile_options, kernels_in, source_of
from minicap.errors import FormatError, InputError

KERNELS = PACKAGE / "backend/gpu/kernels"
LSTM = {name: (KERNELS / name).read_text(encoding="utf-8") for name in ("cells.cuh", "recurrent.cu")}


def run(body, blocks=1, threads=1, order=(), **values):
    """Run a body as the kernel k, whose parameters are the values."""
    kinds = {np.ndarray: "real* {}", int: "int {}", float: "real {}", type(None): "const real* {}"}
    taken = ", ".join(kinds[type(value)].format(name) for name, value in values.items())
    launch({"k.cu": f"KERNEL k({taken}) {{\n{body}\n}}\n"}, "k", blocks, threads, order, **values)


def result(expression, **values):
    out = np.zeros(1)
    run(f"out[0] = {expression};", out=out, **values)
    return out[0]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7 / 2.0f", 3.5),
        ("1e-3 * 2", 0.002),
        ("3 > 2 && !(1 == 2) ? 5 : 6", 5),
        ("0 || 4 <= 3", 0),
        ("sigmoid(real(0)) + tanh(0)", 0.5),
    ],
)
def test_expressions_mean_what_they_mean_in_c(expression, value):
    assert result(expression) == pytest.approx(value)


def test_loops_branches_pointers_and_arrays():
    out, x = np.zeros(2), np.arange(6.0)
    body = """
      const real* second = x + 3;  // the second half
      real sums[2] = {0, 0};
      for (int i = 0; i < n; ++i) {
        if (i == 2) continue;
        sums[i % 2] += second[i];
      }
      int left = 1;
      while (left > 0) left--;
      out[0] = sums[0], out[1] = sums[1] + left;
    """
    run(body, out=out, x=x, n=3)
    assert out.tolist() == [3, 4]


def test_structures_and_functions():
    text = """
    struct Pair { real sum, parts[2]; };
    __device__ inline Pair both(const real (&a)[2], real by) {
      return {a[0] + a[1], {a[0] * by, a[1] * by}};
    }
    KERNEL k(real* out) {
      Pair pair = both({1, 2}, 10);
      out[0] = pair.sum + pair.parts[1];
    }
    """
    out = np.zeros(1)
    launch({"k.cu": text}, "k", 1, 1, out=out)
    assert out[0] == 23


def test_every_thread_knows_its_number():
    out = np.zeros(6)
    run("out[thread()] = 10 * blockIdx.x + threadIdx.x;", blocks=2, threads=3, out=out)
    assert out.tolist() == [0, 1, 2, 10, 11, 12]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("out[thread()] = 1;", r"k.cu:2: out\[2\] is outside: it has 2 entries \(thread 2\)"),
        ("out[0] = 1;", r"writes out\[0\], which thread 0 uses too"),
        (
            "int i = thread();\nif (i < 2) out[i] = out[1 - i];",
            r"k.cu:3: reads out\[0\], which thread 0 writes",
        ),
        ("if (thread() == 1) out[0] = none[0];", "null pointer"),
        ("none = 1; out[0] = missing;", "missing is not known"),
        ("__syncthreads();", r"__syncthreads\(\) is not known"),
        ("out[0] = 1 / 0;", "ZeroDivisionError"),
    ],
)
def test_what_a_kernel_must_not_do_is_named_with_its_line(body, complaint):
    with pytest.raises(KernelError, match=complaint):
        run(body, threads=3, out=np.zeros(2), none=None)


def test_const_memory_stays():
    text = "KERNEL k(const real* x) {\n  x[0] = 1;\n}\n"
    with pytest.raises(KernelError, match="writes into x, which is const"):
        launch({"k.cu": text}, "k", 1, 1, x=np.zeros(1))


@pytest.mark.parametrize(
    "text", ["KERNEL k() { x = ; }", "KERNEL k() { @ }", "KERNEL k() { if x }", "KERNEL k() {"]
)
def test_what_is_no_kernel_is_refused_with_its_line(text):
    with pytest.raises(FormatError, match=r"k\.cu:1: "):
        launch({"k.cu": text}, "k", 1, 1)


def test_a_kernel_or_an_argument_that_is_missing_is_named():
    with pytest.raises(InputError, match="no kernel other"):
        launch({"k.cu": "KERNEL k() {\n}\n"}, "other", 1, 1)
    with pytest.raises(InputError, match="takes x"):
        launch({"k.cu": "KERNEL k(int x) {\n}\n"}, "k", 1, 1)


@pytest.mark.skipif(cuda_on_cpu.compiler() is None, reason="needs g++ on Linux to compare with")
@pytest.mark.parametrize("kernel", ["lstm_step", "lstm_step_gradient"])
def test_the_kernels_of_the_lstm_give_the_compiler_s_numbers(kernel, rng):
    N, T, H = 2, 3, 4
    sizes = dict(t=1, N=N, T=T, H=H)
    signature = kernels_in("recurrent.cu")[kernel]
    given = {
        p.name: rng.normal(size=length)
        for p, length in zip(signature.arrays, signature.sizes(**sizes), strict=True)
    }
    given["mask"] = (given["mask"] > 0).astype(float)
    compiled = {name: to_device(array.copy()) for name, array in given.items()}
    arguments = compiled | {name: np.int32(size) for name, size in sizes.items()}
    module = cuda_on_cpu.RawModule(code=source_of("recurrent.cu"), options=compile_options("float64"))
    module.get_function(kernel)((1,), (32,), tuple(arguments[p.name] for p in signature.parameters))
    launch(LSTM, kernel, 1, 32, **given, **sizes)
    for name, array in given.items():
        np.testing.assert_allclose(array, to_host(compiled[name]), rtol=1e-12, atol=1e-12, err_msg=name)
