import ast

import pytest

from minicap.assignments.teacher.cutting import body_lines, cut
from minicap.errors import InputError

SOURCE = '''"""A module."""

import numpy as np  # stays


@decorated
def square(x):
    """The square."""
    check(square, x)

    # why
    y = x * x
    return y  # done


class Rule:
    def update(self, w):
        w -= 1


def after(x): return x
'''


def test_the_maths_go_and_every_other_byte_stays():
    made = cut(SOURCE, {"square": "square"}, {}, "m.py")
    before, _, after = SOURCE.partition("    # why\n    y = x * x\n    return y  # done\n")
    todo = made.text.removeprefix(before).removesuffix(after)
    assert made.text.startswith(before)
    assert made.text.endswith(after)
    assert [line.strip() for line in todo.splitlines()] == [
        "# TODO(square): your code here.",
        'raise NotImplementedError("square: not written yet; minicap assign hint square")',
    ]
    assert made.removed == ["# why", "y = x * x", "return y  # done"]


def test_a_body_without_a_blank_line_goes_as_a_whole():
    made = cut(SOURCE, {"Rule.update": "rule"}, {}, "m.py")
    assert made.removed == ["w -= 1"]
    assert "def update(self, w):\n        # TODO(rule)" in made.text


def test_a_hidden_function_loses_its_docstring_too():
    made = cut(SOURCE, {}, {"square": "square: left out"}, "m.py")
    assert "The square" not in made.text
    assert 'raise NotImplementedError("square: left out")' in made.text
    assert "@decorated\ndef square(x):" in made.text


def test_windows_line_ends_stay():
    made = cut(SOURCE.replace("\n", "\r\n"), {"square": "square"}, {}, "m.py")
    assert "\n" not in made.text.replace("\r\n", "")


def test_a_function_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="has no function 'cube'"):
        cut(SOURCE, {"cube": "cube"}, {}, "m.py")


def test_what_was_cut_can_be_put_back():
    lines = body_lines(SOURCE, "square")
    made = cut(SOURCE, {"square": "square"}, {}, "m.py")
    todo = [
        line for line in made.text.splitlines() if "square" in line and ("TODO" in line or "raise" in line)
    ]
    assert ast.dump(ast.parse(made.text.replace("\n".join(todo), "\n".join(lines)))) == ast.dump(
        ast.parse(SOURCE)
    )


KERNELS = """// First.
__device__ inline real twice(real x) { return 2 * x; }

// Both.
KERNEL scale(
    const real* x,  // [N]
    real* out,      // [N]
    int N) {
  unsigned entry = thread();
  if (entry < N) {
    out[entry] = twice(x[entry]);
  }
}

__device__ inline real thrice(real x) {
  return 3 * x;
}
"""


def test_of_a_kernel_all_between_its_braces_goes():
    made = cut(KERNELS, {"scale": "scale"}, {"thrice": "thrice: left out"}, "kernels/k.cu")
    before, _, after = KERNELS.partition("  unsigned entry = thread();\n")
    assert made.text.startswith(
        f'{before}  // TODO(scale): your code here.\n  NOT_WRITTEN("scale: not written'
    )
    assert made.text.endswith('real thrice(real x) {\n  NOT_WRITTEN("thrice: left out");\n}\n')
    assert made.removed[0] == "return 3 * x;"
    assert made.removed[1:] == ["unsigned entry = thread();", *map(str.strip, after.splitlines()[:3])]
    assert body_lines(KERNELS, "scale")[0] == "  unsigned entry = thread();"


def test_a_kernel_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="has no kernel 'cube'"):
        cut(KERNELS, {"cube": "cube"}, {}, "kernels/k.cu")
