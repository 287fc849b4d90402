"""The images of environments with packages in them, shared by launchers and by scenarios of the same lock."""

from typing import Final

from orchestrator.images.recipe_book import RecipeBook
from orchestrator.model import (
    CellEnvironment,
    ContextFile,
    CopiedPython,
    ImageSpec,
    OwnPython,
    WheelTree,
)
from orchestrator.supervisor.paths import VENV

COPIED: Final = "/opt/crashmatrix/python/bin/python3"
"""The program of an interpreter that is copied into bases."""


def packages_image(
    book: RecipeBook, under: ImageSpec, environment: CellEnvironment, tree: WheelTree
) -> ImageSpec:
    """The image `under` with the packages of a lock in a virtual environment."""
    what = ("packages", under.key, tree.lock.digest)
    return book.once(what, lambda: _packages(book, under, environment, tree))


def _packages(book: RecipeBook, under: ImageSpec, environment: CellEnvironment, tree: WheelTree) -> ImageSpec:
    program = program_of(environment.python)
    return book.dockerfile(
        f"packages-{under.role}",
        "Dockerfile.packages.j2",
        environment.arch,
        parents={"environment": under},
        files=[ContextFile(name="venv", sha256=tree.lock.digest, wheels=tree)],
        values={
            "venv": VENV,
            "program": program,
            "home": program.rpartition("/")[0],
            "version": tree.platform.python,
            "series": "{}.{}".format(*tree.platform.series),
        },
    )


def program_of(python: OwnPython | CopiedPython) -> str:
    """The path of an interpreter in its base."""
    return python.program if isinstance(python, OwnPython) else COPIED
