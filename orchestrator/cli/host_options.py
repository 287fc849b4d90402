"""The commands for the host, its images and the program itself."""

from typing import Final

from orchestrator.cli import commands, completion
from orchestrator.cli.flags import add_project
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.cli.subcommand import Subparsers, add_command
from orchestrator.names import SHELLS


def _doctor(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "doctor", "Show what this host can do, and how to fix what is missing")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--quick", action="store_true", help="look only: build no image, run no container")
    parser.set_defaults(command=commands.check_host)


def _setup(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "setup", "Show, then install and start, what is missing on this host")
    parser.add_argument("--browser", action="store_true", help="also Chromium, for the browser tests")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
    parser.add_argument("--undo", action="store_true", help="restore core_pattern, stop what setup started")
    parser.set_defaults(command=commands.set_up_host)


def _images(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers, "images", "Maintain the pinned digests of what images are made from", "VERB"
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    lock = add_command(verbs, "lock", "Pin what images/catalogue.yaml names, in images/lock.yaml")
    add_project(lock)
    lock.add_argument(
        "--downloads-only", action="store_true", help="do not resolve the tags of registry images"
    )
    lock.set_defaults(command=commands.lock_images)


def _schema(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "schema", "Print the JSON schema of a file", "NAME")
    parser.add_argument("name", choices=tuple(SCHEMAS), metavar="NAME", help=f"one of {', '.join(SCHEMAS)}")
    parser.set_defaults(command=commands.print_schema)


def _completion(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "completion", "Print the completion script for a shell", "SHELL")
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    parser.set_defaults(command=completion.print_completion)


COMMANDS: Final = (_doctor, _setup, _images, _schema, _completion)
"""Each adds its command to the parser, in the order of the help."""
