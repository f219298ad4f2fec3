"""The command line: `minicap COMMAND`, one module a command."""

from collections.abc import Sequence

from minicap.cli.processor import use_wide_blas_kernels


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.  Exit code 0: done, 1: a check failed, 2: the user's input cannot be used."""
    use_wide_blas_kernels()  # before NumPy is imported for the first time, so before the commands are
    from minicap.cli.command_line import run

    return run(argv)
