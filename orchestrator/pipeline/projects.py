"""A project's folder, loaded and validated."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator import images, packages
from orchestrator import matrix as planning
from orchestrator.errors import ErrorList, InputError, Location
from orchestrator.matrix import ARCH_ALIASES, Aliases, Matrix
from orchestrator.model import Catalogue, Scenario


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project's folder, loaded and validated."""

    root: Path
    matrix: Matrix
    scenarios: Mapping[str, Scenario]
    catalogue: Catalogue

    @classmethod
    def load(cls, root: Path, *, offline: bool = False) -> Project:
        """Load matrix.yaml, the scenarios it names and the catalogue; raises InputError.

        The latest version of a package comes from an index; `offline`, from uv's cache.
        """
        if not root.is_dir():
            raise InputError(
                "the project's folder does not exist",
                where=Location(file=str(root)),
                hint="give another --project",
            )
        errors = ErrorList()
        aliases: Aliases = ARCH_ALIASES
        with errors.collect():
            catalogue = images.load_catalogue(images.catalogue_file(root))
            aliases = {**ARCH_ALIASES, "glibc": catalogue.glibc_by_name}
        with errors.collect():
            latest_of = cache(lambda name: packages.Resolver(folder=root, offline=offline).latest(name))
            matrix = planning.load_matrix(root / "matrix.yaml", root / "scenarios", aliases, latest_of)
        errors.raise_all()
        return cls(root=root, matrix=matrix, scenarios=matrix.scenarios, catalogue=catalogue)
