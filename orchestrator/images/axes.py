"""Which axes decide a cell's image."""

from typing import Final

from orchestrator.model import INSTRUMENT, STANDARD_AXES

IMAGE_AXES: Final = (*STANDARD_AXES, INSTRUMENT)
"""Cells that differ in other axes alone share an image."""
