"""The images/ folder that travels with the program: its checkout's, or a copy in the installed package."""

import os
from pathlib import Path
from typing import Final

IMAGES: Final = "images"
"""The folder of a project with its own catalogue, lock, templates and scripts."""
CATALOGUE: Final = "catalogue.yaml"
_INSTALLED: Final = Path(__file__).parent / "data"
"""As setup.py maps it."""
_CHECKOUT: Final = Path(__file__).parents[2] / IMAGES


def shipped() -> Path:
    """The folder with the catalogue, its lock, templates and scripts that projects use by default."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def catalogue_file(project: Path) -> Path:
    """The catalogue of a project: its own, else the one that travels with the program."""
    own = project / IMAGES / CATALOGUE
    return own if os.path.lexists(own) else shipped() / CATALOGUE
