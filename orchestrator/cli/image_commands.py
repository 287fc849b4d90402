"""The commands that take images to another machine."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.cli", "orchestrator.pipeline")

import argparse

from orchestrator import images
from orchestrator.cli import console, requests
from orchestrator.errors import EXIT_OK
from orchestrator.pipeline import archives


def save_images(arguments: argparse.Namespace) -> int:
    """`crashmatrix images save`: write the images of cells as an archive."""
    archives.save_images(requests.plan_chosen(arguments), arguments.file, console.say)
    return EXIT_OK


def load_images(arguments: argparse.Namespace) -> int:
    """`crashmatrix images load`: load the images of cells from an archive."""
    archives.load_images(requests.plan_chosen(arguments), arguments.file, console.say)
    return EXIT_OK


def print_key(arguments: argparse.Namespace) -> int:
    """`crashmatrix images key`: print one digest of the images of cells."""
    console.say(images.cache_key(requests.plan_chosen(arguments).specs))
    return EXIT_OK
