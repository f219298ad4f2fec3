"""The command line: `minicap COMMAND`, one module a command."""

from minicap.cli.command_line import COMMANDS, main

__all__ = ["COMMANDS", "main"]
