"""`crashmatrix completion SHELL`: the script by which a shell completes the commands and their flags."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.cli", "shtab")

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import shtab

from orchestrator.cli import options
from orchestrator.errors import EXIT_OK

START_ZSH: Final = """\
if [[ $zsh_eval_context[-1] == eval ]] && (( ! $+functions[compdef] )); then
  autoload -Uz compinit && compinit -i
fi
"""


def print_completion(arguments: argparse.Namespace) -> int:
    """Print the completion script, made from the parser that runs the commands."""
    parser = options.build_parser()
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
    sys.stdout.write(_complete_script(parser, arguments.shell) + "\n")
    return EXIT_OK


def _complete_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script of a shell; that of zsh starts zsh's own completion where no line of ~/.zshrc did."""
    script = str(shtab.complete(parser, shell))
    if shell != "zsh":
        return script
    head, newline, rest = script.partition("\n")  # `#compdef`, which is the first line of such a file
    return f"{head}{newline}{START_ZSH}{rest}"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The flags and arguments of a parser and of those of its commands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public name for it
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            for command in action.choices.values():
                yield from _actions(command)
