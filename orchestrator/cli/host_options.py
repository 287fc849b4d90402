"""The commands for the host, its images and the program itself."""

import argparse
from pathlib import Path
from typing import Final

from orchestrator.cli import completion, host_commands, image_commands
from orchestrator.cli.arguments import scheduler
from orchestrator.cli.flags import add_jobs, add_project, add_selection
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.cli.subcommand import Commands, Subparsers, add_command
from orchestrator.names import SHELLS


def _doctor(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "doctor", "Show what this host can do, and how to fix what is missing")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--quick", action="store_true", help="look only: build no image, run no container")
    parser.set_defaults(command=host_commands.check_host)


def _setup(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "setup", "Show, then install and start, what is missing on this host")
    parser.add_argument("--browser", action="store_true", help="also Chromium, for the browser tests")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
    parser.add_argument("--undo", action="store_true", help="restore core_pattern, stop what setup started")
    parser.set_defaults(command=host_commands.set_up_host)


def _worker(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "worker", "Run cells for `run --scheduler` of other machines", "ADDRESS")
    parser.add_argument(
        "address", type=scheduler, metavar="ADDRESS", help="the dask scheduler: tcp://HOST:PORT"
    )
    add_jobs(parser)
    parser.set_defaults(command=host_commands.work)


def _images(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers, "images", "Pin what images are made from; take images to another machine", "VERB"
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    lock = add_command(verbs, "lock", "Pin what images/catalogue.yaml names, in images/lock.yaml")
    add_project(lock)
    lock.add_argument(
        "--downloads-only", action="store_true", help="do not resolve the tags of registry images"
    )
    lock.set_defaults(command=host_commands.lock_images)
    save = add_command(verbs, "save", "Write the images of the chosen cells as one archive", "FILE")
    _add_archive(save)
    save.set_defaults(command=image_commands.save_images)
    load = add_command(verbs, "load", "Load the images of the chosen cells from an archive", "FILE")
    _add_archive(load)
    load.set_defaults(command=image_commands.load_images)
    key = add_command(verbs, "key", "Print one digest of the images of the chosen cells, for a cache")
    add_selection(key)
    key.set_defaults(command=image_commands.print_key)


def _add_archive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the archive, a tar as of `docker save`")
    add_selection(parser)


def _schema(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "schema", "Print the JSON schema of a file", "NAME")
    parser.add_argument("name", choices=tuple(SCHEMAS), metavar="NAME", help=f"one of {', '.join(SCHEMAS)}")
    parser.set_defaults(command=host_commands.print_schema)


def _completion(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "completion", "Print the completion script for a shell", "SHELL")
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    parser.set_defaults(command=completion.print_completion)


COMMANDS: Final[Commands] = {
    "doctor": _doctor,
    "setup": _setup,
    "worker": _worker,
    "images": _images,
    "schema": _schema,
    "completion": _completion,
}
