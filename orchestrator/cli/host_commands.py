"""The commands for the host, its images and the program itself; each returns an exit code."""

from __future__ import annotations

__lazy_modules__ = (
    "orchestrator",
    "orchestrator.cli",
    "orchestrator.pipeline",
    "orchestrator.pipeline.fleet",
)

import argparse

from orchestrator import host
from orchestrator.cli import console, output, requests, tables
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.errors import EXIT_HOST, EXIT_OK
from orchestrator.pipeline import building
from orchestrator.pipeline.fleet import working


def check_host(arguments: argparse.Namespace) -> int:
    """`crashmatrix doctor`: show what this host can do."""
    capabilities = host.doctor(quick=arguments.quick)
    if arguments.json:
        output.write_document([item.model_dump() for item in capabilities])
    else:
        tables.show_capabilities(console.open_console(), capabilities)
    return EXIT_HOST if any(item.blocks for item in capabilities) else EXIT_OK


def set_up_host(arguments: argparse.Namespace) -> int:
    """`crashmatrix setup`: change the host, after showing the changes."""
    if arguments.undo:
        host.undo(console.say)
    else:
        host.setup(console.say, browser=arguments.browser, dry_run=arguments.dry_run)
    return EXIT_OK


def work(arguments: argparse.Namespace) -> int:
    """`crashmatrix worker`: run cells for other machines."""
    working.work(arguments.address, arguments.jobs, console.say)
    return EXIT_OK


def lock_images(arguments: argparse.Namespace) -> int:
    """`crashmatrix images lock`: pin what the catalogue names."""
    place = building.lock_images(
        requests.project_folder(arguments), console.say, tags=not arguments.downloads_only
    )
    console.say(f"{place} is up to date")
    return EXIT_OK


def print_schema(arguments: argparse.Namespace) -> int:
    """`crashmatrix schema`: print a JSON schema."""
    output.write_document(SCHEMAS[arguments.name]().model_json_schema())
    return EXIT_OK
