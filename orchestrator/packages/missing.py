"""The distributions without a wheel for an environment, and source distributions in place of wheels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Final

from packaging.utils import canonicalize_name

from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import InputError
from orchestrator.model import LockedWheel, NoWheel, PackageLock, PackageQuestion, WheelPlatform
from orchestrator.packages import fetch, reasons
from orchestrator.packages.index import IndexFile
from orchestrator.packages.requirements import Wanted, parse
from orchestrator.packages.sdist import Sdist, read_sdist, write_stand_in

STAND_INS: Final = "stand-ins"
MOST_BUILT: Final = 20
"""Source distributions of one environment."""
BUILD_MISSING: Final = "--build-missing"


@dataclass(frozen=True, kw_only=True)
class Lack:
    """A distribution without a wheel; `files` are those of the versions that are wanted."""

    name: str
    files: tuple[IndexFile, ...]
    title: str = ""
    """The package that requires it; None if the user does."""

    def reason(self, platform: WheelPlatform, *, build_missing: bool) -> str:
        """Why a cell cannot have it, and whether its source distribution may be built."""
        why = f"{self.title}{reasons.no_wheel(self.name, self.files, platform)}"
        may = not build_missing and reasons.newest_sdist(self.files, platform)
        return f"{why} ({BUILD_MISSING} compiles it)" if may else why


@dataclass(frozen=True, kw_only=True)
class Built:
    """A source distribution that takes the place of a wheel while requirements are resolved."""

    locked: LockedWheel
    """Without its tools, which the environment decides."""
    stand_in: Path
    builds: tuple[str, ...]
    """Its build requirements."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The source distributions that were read so far; each once."""

    _read: dict[IndexFile, Built] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, lack: Lack, platform: WheelPlatform) -> Built | None:
        """The newest source distribution that may take a wheel's place; None if there is none.

        Raises HostError where it cannot be fetched, InputError where it cannot be read.
        """
        item = reasons.newest_sdist(lack.files, platform)
        if item is None:
            return None
        with self._lock:
            if item not in self._read:
                self._read[item] = _built(lack.name, item)
            return self._read[item]


def _built(name: str, item: IndexFile) -> Built:
    path, digest = fetch.fetch(item)
    said: Sdist = read_sdist(path)
    folder = cache_folder(STAND_INS) / digest
    folder.mkdir(exist_ok=True)
    return Built(
        locked=LockedWheel(
            name=canonicalize_name(name), version=str(item.version), filename=item.filename, sha256=digest
        ),
        stand_in=write_stand_in(folder, name, str(item.version), said),
        builds=said.project.builds,
    )


def narrowed(lack: Lack, wanted: Iterable[Wanted]) -> Lack:
    """A lack with the files that every requirement of the distribution allows."""
    name = canonicalize_name(lack.name)
    specifiers = [item.requirement.specifier for item in wanted if item.name == name]
    allowed = (
        item
        for item in lack.files
        if all(specifier.contains(item.version, prereleases=True) for specifier in specifiers)
    )
    return replace(lack, files=tuple(allowed))


def lines_with(wanted: Iterable[Wanted], built: Mapping[str, Built]) -> list[str]:
    """Requirements as uv reads them, those of which a source distribution is built by its stand-in."""
    wanted = list(wanted)
    lines = [
        replace(item, file=built[item.name].stand_in).line if item.name in built else item.line
        for item in wanted
    ]
    named = {item.name for item in wanted}
    return [
        *lines,
        *(parse(str(item.stand_in)).line for name, item in built.items() if name not in named),
    ]


def without_stand_ins(
    lock: PackageLock, built: Mapping[str, Built], tools: Mapping[str, PackageLock]
) -> PackageLock:
    """A lock with the source distributions in place of what stood in for them."""
    return PackageLock(
        wheels=tuple(
            built[item.name].locked.model_copy(update={"tools": tools[item.name]})
            if item.name in built
            else item
            for item in lock.wheels
        )
    )


def no_tools(built: Built, answer: NoWheel) -> NoWheel:
    """The build tools of a source distribution are missing, too."""
    return NoWheel(
        reason=f"what builds {built.locked.name} {built.locked.version} is not there: {answer.reason}"
    )


def unreadable(lack: Lack, error: InputError) -> NoWheel:
    """A source distribution whose own files are damaged: no mistake of the user's."""
    place = f"{error.where}: " if error.where else ""
    return NoWheel(reason=f"{lack.name} cannot be built: {place}{error.what}")


def tools_question(built: Built, question: PackageQuestion) -> PackageQuestion:
    """What builds a source distribution, asked of the same environment; wheels alone."""
    return question.model_copy(update={"requirements": built.builds, "build_missing": False})


def too_many(built: Sequence[str]) -> NoWheel:
    """More source distributions than anyone builds in one environment."""
    return NoWheel(reason=f"more than {len(built)} packages have no wheel: {', '.join(built[:5])}, ...")
