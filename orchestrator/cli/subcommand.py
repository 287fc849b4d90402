"""Adds a command with its help to the parser."""

import argparse
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from orchestrator.cli import help_text

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse has no public name
"""The object that commands are added to."""
Commands: TypeAlias = Mapping[str, Callable[[Subparsers], None]]
"""What adds each command to the parser, in the order of the help."""
VERBS_OF: Final = {
    **dict.fromkeys(("lock", "save", "load", "key"), ("images",)),
    **dict.fromkeys(("fetch", "keep", "issues"), ("night",)),
}
"""The command that a verb stands behind."""


def add_command(subparsers: Subparsers, name: str, title: str, usage: str = "") -> argparse.ArgumentParser:
    """A command; `usage` is what follows its name besides options."""
    words = " ".join(("crashmatrix", *VERBS_OF.get(name, ()), name))
    parser = subparsers.add_parser(
        name,
        help=title,
        usage=f"{words} [options] {usage}".rstrip(),
        description=f"{title}.\n\n{help_text.EXAMPLES[name]}" if name in help_text.EXAMPLES else title,
        epilog=help_text.NOTES.get(name),
        allow_abbrev=False,
        formatter_class=help_text.Formatter,
    )
    help_text.add_help_all(parser, name, words)
    return parser
