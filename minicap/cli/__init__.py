"""The command line: `minicap COMMAND`, one module per command."""

from minicap.cli.command_line import COMMANDS, main

__all__ = ["COMMANDS", "main"]
