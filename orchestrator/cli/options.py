"""The parser of the command line: commands, their arguments, help and defaults."""

import argparse
from collections.abc import Sequence
from typing import Final

from orchestrator import __version__
from orchestrator.cli import help_text, host_options, record_options, run_options
from orchestrator.cli.flags import add_project
from orchestrator.cli.subcommand import Commands

COMMANDS: Final[Commands] = {
    **run_options.COMMANDS,
    **record_options.COMMANDS,
    **host_options.COMMANDS,
}


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of the whole command line, or if its first word is a command, of that command alone."""
    parser = argparse.ArgumentParser(
        prog="crashmatrix",
        usage="crashmatrix [--project DIR] COMMAND ...",
        description=help_text.PROGRAM,
        epilog=help_text.PROGRAM_END,
        formatter_class=help_text.Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crashmatrix {__version__}")
    add_project(parser, default=None)
    subparsers = parser.add_subparsers(required=True, title="commands", metavar="COMMAND")
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        COMMANDS[name](subparsers)
    return parser
