"""The metadata of a source distribution, read without running its code (PEP 517, 625, 643).

uv would build one to learn its requirements, which runs a package's code on this host. Its own files say
them: PKG-INFO, the requirements that setuptools writes beside it, and pyproject.toml. What only its build
knows is checked once that is done (images/python/requires.py).
"""

import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from orchestrator.errors import InputError
from orchestrator.packages import bounded
from orchestrator.packages.project import PYPROJECT, PackageProject, default_project, parse_project

MAX_BYTES: Final = 1 << 20
"""Of one file that is read."""
MOST_FILES: Final = 100_000
INFO: Final = "PKG-INFO"
REQUIRES: Final = "requires.txt"
_SECTION: Final = re.compile(r"\[(?P<extra>[^:\]]*)(?::(?P<marker>[^\]]*))?\]")


@dataclass(frozen=True, kw_only=True)
class Sdist:
    """The metadata of a source distribution: how it is built, and its requirements."""

    project: PackageProject
    """Its build requirements."""
    requires: tuple[str, ...]
    """Its run requirements, with their markers and extras, as a wheel's metadata writes them."""
    extras: tuple[str, ...] = ()


def read_sdist(path: Path) -> Sdist:
    """Read a source distribution; raises InputError for one that cannot be read."""
    try:
        files = dict(_wanted(path))
    except bounded.ERRORS as error:
        raise InputError(f"{path.name} cannot be read: {error}", hint="report it to its authors") from error
    found = {PurePosixPath(name).name: text for name, text in sorted(files.items(), reverse=True)}
    pyproject = found.get(PYPROJECT)
    project = default_project() if pyproject is None else parse_project(pyproject, f"{path.name}/{PYPROJECT}")
    info = HeaderParser().parsestr(found.get(INFO, b"").decode(errors="replace"))
    stated = tuple(str(line) for line in info.get_all("Requires-Dist") or ())
    legacy = tuple(_legacy(found.get(REQUIRES, b"").decode(errors="replace")))
    # setuptools wrote no Requires-Dist into a PKG-INFO for years; its own list has them.
    # A header may be folded, which is one line all the same.
    requires = [" ".join(line.split()) for line in stated or legacy or project.runs]
    extras = tuple(str(line) for line in info.get_all("Provides-Extra") or ())
    return Sdist(project=project, requires=tuple(filter(_is_requirement, requires)), extras=extras)


def _wanted(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files with metadata, by name: those of the distribution's own folder, and of its .egg-info."""
    yield from _zip(path) if path.suffix == ".zip" else _tar(path)


def _says(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if len(parts) == 2:
        return parts[1] in (INFO, PYPROJECT)
    return 2 < len(parts) <= 4 and parts[-2].endswith(".egg-info") and parts[-1] == REQUIRES


def _tar(path: Path) -> Iterator[tuple[str, bytes]]:
    with bounded.open_tar(path) as archive:
        for number, member in enumerate(archive):
            if number >= MOST_FILES:
                raise ValueError("it has more files than a source distribution")
            if member.isreg() and _says(member.name) and member.size <= MAX_BYTES:
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name, b"".join(iter(partial(content.read, bounded.CHUNK), b""))


def _zip(path: Path) -> Iterator[tuple[str, bytes]]:
    with bounded.open_zip(path) as archive:
        for item in archive.infolist()[:MOST_FILES]:
            if _says(item.filename) and item.file_size <= MAX_BYTES:
                with archive.open(item) as content:
                    yield item.filename, content.read(MAX_BYTES)


def _legacy(text: str) -> Iterator[str]:
    """The requirements of setuptools' requires.txt, whose sections are `[extra:marker]`."""
    condition = ""
    for line in map(str.strip, text.splitlines()):
        section = _SECTION.fullmatch(line)
        if section:
            extra = f'extra == "{section["extra"]}"' if section["extra"] else ""
            condition = " and ".join(filter(None, (section["marker"] and f"({section['marker']})", extra)))
        elif line:
            yield f"{line} ; {condition}" if condition else line


def _is_requirement(text: str) -> bool:
    """Whether uv can read a requirement; old metadata has lines that nobody can."""
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def write_stand_in(folder: Path, name: str, version: str, sdist: Sdist) -> Path:
    """A wheel with the metadata of a source distribution and nothing else: uv resolves with it."""
    stem = f"{canonicalize_name(name).replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    info = f"{stem}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in sdist.extras]
    metadata += [f"Requires-Dist: {line}" for line in sdist.requires]
    files: Mapping[str, str] = {
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part, zipfile.ZipFile(part, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(zipfile.ZipInfo(file), text)
    return Path(part.name).replace(path)
