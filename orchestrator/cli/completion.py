"""`crashmatrix completion SHELL`: the script by which a shell completes the commands and their flags."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.cli", "shtab")

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab

from orchestrator.cli import options
from orchestrator.errors import EXIT_OK


def print_completion(arguments: argparse.Namespace) -> int:
    """Print the script; the parser that runs the commands is what it completes."""
    parser = options.build_parser()
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(parser, arguments.shell) + "\n")
    return EXIT_OK


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The flags and arguments of a parser and of those of its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public name for it
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            for command in action.choices.values():
                yield from _actions(command)
