"""All cases, one module per family; in each the sides stand next to each other."""

from functools import cache

from benchmarks.case import Case


@cache
def all_cases() -> dict[str, Case]:
    """Every case by its name, in the order of the table."""
    from benchmarks.cases import captions, conv, layers, networks, photos, recurrent, residual

    modules = (conv, layers, networks, recurrent, captions, photos, residual)
    cases = [case for module in modules for case in module.CASES]
    return {case.name: case for case in cases}


@cache
def gpu_cases() -> dict[str, Case]:
    """Every case of a GPU by its name, the most telling first."""
    from benchmarks.cases import gpu

    return {case.name: case for case in gpu.CASES}
