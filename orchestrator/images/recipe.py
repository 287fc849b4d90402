"""From cells to the chains of images under them: base, interpreter, builder, probe, server, cell.

Keys are fixed here, from text and digests alone; no engine is asked and nothing is fetched.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from orchestrator.errors import InputError
from orchestrator.images.axes import IMAGE_AXES
from orchestrator.images.interpreters import environment_image, label
from orchestrator.images.packages import packages_image
from orchestrator.images.probes import probe_image
from orchestrator.images.recipe_book import RecipeBook
from orchestrator.images.servers import launcher_named, server_image
from orchestrator.images.shipped import IMAGES, shipped
from orchestrator.instruments import INSTRUMENTS
from orchestrator.model import (
    ABSENT,
    SYSTEM_PYTHON,
    Arch,
    Catalogue,
    Cell,
    CellEnvironment,
    CellPackages,
    ImageSpec,
    Interpreter,
    OwnPython,
    Scenario,
    UserCode,
)
from orchestrator.supervisor.paths import HOME, PROJECT, SCENARIO, VENV

INPLACE: Final = "inplace.py"
"""Adds the built files of a package to the copy of its sources."""


class Recipes:
    """The images of a project's cells, for a `host` that runs this architecture without emulation.

    Templates and scripts of the project's own images/ replace those that travel with the program.
    """

    def __init__(self, catalogue: Catalogue, project: Path, host: Arch) -> None:
        self._book = RecipeBook(
            catalogue=catalogue, project=project, folders=(project / IMAGES, shipped()), host=host
        )

    @property
    def specs(self) -> tuple[ImageSpec, ...]:
        """The images of all cells so far, parents first."""
        return tuple(self._book.specs.values())

    def image_of(
        self, axes: Mapping[str, str], scenario: Scenario, packages: CellPackages | None = None
    ) -> ImageSpec:
        """The image of a cell by its axis values; cells that differ only in how they are run share one.

        `packages` are those of its virtual environment; without packages it has none.
        Raises InputError for a cell that the catalogue cannot make and for a file that is missing.
        """
        digest = packages.tree.lock.digest if packages else None
        source = packages.source.folder if packages and packages.source else None
        what = ("cell", *(axes.get(axis, ABSENT) for axis in IMAGE_AXES), digest, source)
        return self._book.once(what, lambda: self._cell(Cell.from_axes(axes), scenario, packages))

    def _cell(self, cell: Cell, scenario: Scenario, packages: CellPackages | None) -> ImageSpec:
        book = self._book
        environment = _environment(book.catalogue, cell, book.host)
        base, python, folder = environment.base, environment.python, Path(scenario.folder)
        launcher, code = launcher_named(cell.launcher), scenario.code
        probe = probe_image(book, scenario, cell, base, python) if cell.probe != ABSENT else None
        named = {item.name: Path(item.path) for item in code.files} if code else {}
        server = server_image(book, launcher, environment)
        built = packages is not None and packages.source is not None and code is not None and code.is_copied
        under = environment_image(book, base, python, cell.arch, INSTRUMENTS.get(cell.instrument))
        if packages is not None:
            under = packages_image(book, under, environment, packages)
        return book.dockerfile(
            f"cell-{cell.scenario}-{label(base, python)}-{cell.launcher}"
            + (f"-{cell.probe}" if probe else ""),
            "Dockerfile.cell.j2",
            cell.arch,
            parents={
                "environment": under,
                "probe": probe,
                "server": server,
            },
            files=[
                *book.launcher_files(launcher),
                *([book.part(f"python/{INPLACE}", f"opt/{INPLACE}")] if built else ()),
                *(
                    book.file(path, f"opt/{SCENARIO}/{name}")
                    for name, path in ({name: folder / name for name in scenario.files} | named).items()
                ),
            ],
            values={
                "scenario": scenario.name,
                "python": python.version,
                "program": _program(python),
                "glibc": base.glibc,
                "launcher": cell.launcher,
                "venv": VENV if packages is not None else None,
                "built": f"{HOME}/{SCENARIO}" if built else None,
                "mode": "replace" if code and code.revisions else "complete",
                "language": cell.probe,
                "starts": digest_of_start(code) if code else None,
                "modules": (PROJECT if probe else None) if code and code.is_copied else f"{HOME}/{SCENARIO}",
            },
        )


def digest_of_start(code: UserCode) -> str:
    """Part of the key of an image with the user's code: a run that is resumed notices another start."""
    started = code.model_dump_json(include={"kind", "file", "arguments", "env", "network"})
    return hashlib.sha256(started.encode()).hexdigest()


def _environment(catalogue: Catalogue, cell: Cell, host: Arch) -> CellEnvironment:
    base = catalogue.base_for(cell.glibc, cell.arch)
    python = catalogue.interpreter_for(base, cell.python, cell.arch) if base else None
    if base is None or python is None:
        raise InputError(
            f"no base and interpreter make glibc {cell.glibc} and Python {cell.python} for {cell.arch}",
            hint="add them to images/catalogue.yaml, or exclude the cell",
        )
    return CellEnvironment(base=base, python=python, arch=cell.arch, host=host)


def _program(python: Interpreter) -> str | None:
    """The program that `python3` must mean in a cell, if it does not already."""
    return python.program if isinstance(python, OwnPython) and python.program != SYSTEM_PYTHON else None
