"""The names in a run's folder, each defined here once. All are relative to the folder, with `/`."""

from typing import Final

from orchestrator.model import (
    Bisection,
    Causes,
    Cell,
    Checked,
    Comparison,
    Explanations,
    History,
    PlannedImage,
    RunDigest,
)

PLAN: Final = "plan.json"
CELLS: Final = "cells"
IMAGES: Final = "images"
RESULT: Final = "result.json"
LOCKS: Final = "locks"
BUILD_LOG: Final = "build.log"
BUILD_SECONDS: Final = "build.seconds"
DERIVED: Final = {
    Causes: "causes.json",
    Explanations: "explanations.json",
    Comparison: "comparison.json",
    History: "history.json",
    RunDigest: "digest.json",
    Bisection: "bisection.json",
    Checked: "check.json",
}
"""The documents that are computed from the plan and the results, by their type."""


def cell_folder(cell: Cell) -> str:
    """The folder of a cell: its result and the evidence of its trials."""
    return folder_of(cell.id)


def folder_of(cell_id: str) -> str:
    """The folder of the cell of this id."""
    return f"{CELLS}/{cell_id}"


def result_file(cell: Cell) -> str:
    """The result of a cell."""
    return result_of(cell.id)


def result_of(cell_id: str) -> str:
    """The result of the cell of this id."""
    return f"{folder_of(cell_id)}/{RESULT}"


def lock_file(digest: str) -> str:
    """The packages of the cells whose plan names this digest, as a requirements file with hashes."""
    return f"{LOCKS}/{digest}.txt"


def build_log(folder: str) -> str:
    """The log of the build of an image, by the image's own folder."""
    return f"{IMAGES}/{folder}/{BUILD_LOG}"


def build_seconds(image: PlannedImage) -> str:
    """How long the build of an image took, in seconds; not there where the engine had it."""
    return f"{IMAGES}/{image.role}-{image.key[:16]}/{BUILD_SECONDS}"


def dockerfile(image: PlannedImage) -> str:
    """The recipe of an image that is built from a Dockerfile."""
    return f"{IMAGES}/{image.role}-{image.key[:16]}/Dockerfile"
