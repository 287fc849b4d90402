"""images/catalogue.yaml: every base, launcher, language and pinned download that a plan can use."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from orchestrator.errors import InputError
from orchestrator.model import Arch, Catalogue
from orchestrator.tools import yamlfile
from orchestrator.tools.yamlfile import Document, nearest


class CatalogueFile(Catalogue):
    """The file as it is written."""

    schema_version: Literal[1] = Field(alias="schema")


def load_catalogue(path: Path) -> Catalogue:
    """Load and check the catalogue; raises InputError with file, line and column."""
    document = yamlfile.read(path, CatalogueFile)
    _check_bases(document)
    _check_downloads(document)
    return document.value


def _check_bases(document: Document[CatalogueFile]) -> None:
    seen: dict[tuple[str, Arch], str] = {}
    for index, base in enumerate(document.value.bases):
        for arch in base.arches:
            other = seen.setdefault((base.glibc, arch), base.name)
            if other != base.name:
                raise InputError(
                    f"{other} and {base.name} both bring glibc {base.glibc} for {arch}",
                    where=document.where("bases", index, "glibc"),
                    mend="keep one: a cell's glibc must name one base",
                )
    suites = {base.suite for base in document.value.bases}
    if document.value.builder_suite not in suites:
        raise InputError(
            f"no base is made from the builder's suite {document.value.builder_suite!r}",
            where=document.where("builder_suite"),
            mend=nearest(document.value.builder_suite, suites),
        )


def _check_downloads(document: Document[CatalogueFile]) -> None:
    seen: set[tuple[str, Arch | None]] = set()
    for index, item in enumerate(document.value.downloads):
        if (item.project, item.arch) in seen:
            raise InputError(
                f"{item.project} for {item.arch or 'any architecture'} is pinned twice",
                where=document.where("downloads", index),
                mend="keep one of the two",
            )
        seen.add((item.project, item.arch))
