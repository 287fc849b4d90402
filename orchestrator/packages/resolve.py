"""From requirements and an environment to the exact wheels, or to why there are none."""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from orchestrator.adapters import uv
from orchestrator.errors import HostError, InputError, Location, ToolError, errors_at
from orchestrator.model import LockedWheel, NoWheel, PackageLock, PackageQuestion, WheelPlatform
from orchestrator.packages import fetch, index, missing, reasons
from orchestrator.packages.index import IndexFile, RefusedError
from orchestrator.packages.locked import not_allowed, read_lock
from orchestrator.packages.missing import MOST_BUILT, Built, Lack, Sources
from orchestrator.packages.requirements import Wanted, parse
from orchestrator.packages.tags import wheel_rank

THREADS: Final = 8
"""Questions that uv answers at once: each waits for an index most of its time."""
NO_SOLUTION: Final = 1
"""uv's exit status where requirements cannot be met; any other failure is of the network or of its input."""
_CULPRIT: Final = re.compile(
    r"([a-z0-9][a-z0-9-]*)((?:[=<>!~]=?[^\s,]+,?)*) ha(?:s|ve) no (?:usable )?wheels"
)

Answer = PackageLock | NoWheel


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """Answers questions about packages, each once. `offline`: from uv's cache alone."""

    folder: Path
    """Where uv looks for its configuration, upwards."""
    offline: bool = False
    places: Mapping[str, Location] = field(default_factory=dict)
    """Where requirements are written, by their text."""
    _sources: Sources = field(default_factory=Sources)
    _listed: dict[str, tuple[IndexFile, ...] | None] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def _indexes(self) -> tuple[str, ...]:
        return index.indexes_of(self.folder)

    def answers(self, questions: Iterable[PackageQuestion]) -> Mapping[PackageQuestion, Answer]:
        """The answer to each question; raises InputError for what the user must correct, else HostError."""
        distinct = list(dict.fromkeys(questions))
        if not distinct:
            return {}
        with ThreadPoolExecutor(THREADS, "packages") as pool:
            return dict(zip(distinct, pool.map(self.answer, distinct), strict=True))

    def answer(self, question: PackageQuestion) -> Answer:
        """The wheels that meet requirements in an environment, or why there are none."""
        parsed = (parse(text, self.places.get(text)) for text in question.requirements)
        wanted = [item for item in parsed if item.applies(question.platform)]
        return _wrong_files(wanted, question) or self._answer(wanted, question, {})

    def _answer(
        self, wanted: Sequence[Wanted], question: PackageQuestion, built: Mapping[str, Built]
    ) -> Answer:
        """The answer with these source distributions among the packages, and more where that is asked."""
        lines = missing.lines_with(wanted, built)
        done = self._compile(lines, question)
        if done.status == NO_SOLUTION and not self.offline and self._all_there(wanted, question):
            # uv keeps what an index said for some minutes, and a version may be newer than that.
            done = self._compile(lines, question, "--refresh")
        if done.status == 0:
            lock = self._with_sdists(read_lock(done.text, question), question, built)
            return lock if isinstance(lock, NoWheel) else not_allowed(lock, wanted) or lock
        if self.offline:
            raise HostError(
                f"requirements cannot be resolved offline: {done.complaint}",
                hint="run once without --offline, so that uv's cache has them",
                where=_culprit_place(wanted, done.complaint),
            )
        if done.status != NO_SOLUTION:
            what = f"uv cannot resolve {', '.join(question.requirements)}: {done.complaint}"
            raise ToolError(what, hint=uv.HINT, where=_culprit_place(wanted, done.complaint))
        lack = self._lack(wanted, question, done.complaint, built)
        if isinstance(lack, str):
            return NoWheel(reason=lack)
        return self._built_too(lack, wanted, question, built) or NoWheel(
            reason=lack.reason(question.platform, build_missing=question.build_missing)
        )

    def _built_too(
        self, lack: Lack, wanted: Sequence[Wanted], question: PackageQuestion, built: Mapping[str, Built]
    ) -> Answer | None:
        """The answer where a lacking wheel is built as well; None where it is not to be, or cannot."""
        if not question.build_missing:
            return None
        if len(built) == MOST_BUILT:
            return missing.too_many(list(built))
        try:
            found = self._sources.of(missing.narrowed(lack, wanted), question.platform)
        except InputError as error:
            return missing.unreadable(lack, error)
        return self._answer(wanted, question, {**built, found.locked.name: found}) if found else None

    def _with_sdists(
        self, lock: PackageLock, question: PackageQuestion, built: Mapping[str, Built]
    ) -> Answer:
        """A lock with the source distributions that stood in for wheels, and what builds each."""
        tools: dict[str, PackageLock] = {}
        for name, item in built.items():
            answer = self.answer(missing.tools_question(item, question))
            if isinstance(answer, NoWheel):
                return missing.no_tools(item, answer)
            tools[name] = answer
        return missing.without_stand_ins(lock, built, tools) if built else lock

    def _all_there(self, wanted: Iterable[Wanted], question: PackageQuestion) -> bool:
        """Whether an index has each requirement for an environment."""
        try:
            return not any(self._lacking(item, question) for item in wanted)
        except RefusedError:
            return False

    def _lack(
        self,
        wanted: Iterable[Wanted],
        question: PackageQuestion,
        complaint: str,
        built: Mapping[str, Built],
    ) -> Lack | str:
        """Why uv finds no solution: the distribution without a wheel, else uv's message."""
        try:
            found = (self._lacking(item, question) for item in wanted if item.name not in built)
            return next(filter(None, found), None) or self._explained(complaint, question, built)
        except RefusedError:
            # uv may have credentials that this program does not, such as a keyring's.
            if uv.REFUSED.search(complaint):
                raise
            return complaint

    def latest(self, distribution: str) -> str:
        """The newest release of a distribution that an index has; raises InputError where it has none."""
        if self.offline:
            return self._latest_in_cache(distribution)
        files = [item for item in self._required(distribution) if not item.yanked]
        if not files:
            raise InputError(
                f"no release of {distribution} may be used: all are yanked", hint="name a version"
            )
        return str(reasons.newest(item.version for item in files))

    def releases(
        self, distribution: str, platform: WheelPlatform, *, build_missing: bool = False
    ) -> dict[str, str | None]:
        """The releases on an index, oldest first, each with the reason why an environment cannot have it.

        Left out are pre-releases and what was yanked. Raises InputError where no index has the distribution.
        """
        by_version: dict[Version, list[IndexFile]] = {}
        for item in self._required(distribution):
            if not item.yanked and not item.version.is_prerelease:
                by_version.setdefault(item.version, []).append(item)
        return {
            str(version): None
            if any(reasons.fits(item, platform) for item in files)
            or (build_missing and reasons.newest_sdist(files, platform))
            else reasons.no_wheel(distribution, files, platform)
            for version, files in sorted(by_version.items())
        }

    def _latest_in_cache(self, distribution: str) -> str:
        done = uv.run(
            ["pip", "compile", "-", "--no-header", "--no-annotate", "--no-deps", "--offline"],
            folder=self.folder, stdin=distribution,
        )  # fmt: skip
        _, equals, version = done.text.strip().partition("==")
        if done.status or not equals:
            raise HostError(
                f"what the latest {distribution} is cannot be told offline: {done.complaint}",
                hint="run once without --offline, or name the version",
            )
        return version

    def file_of(self, sdist: LockedWheel) -> Path:
        """The file of a locked source distribution; raises HostError where it cannot be had."""
        here = fetch.kept(sdist)
        if here is None and self.offline:
            raise HostError(
                f"{sdist.filename} is not on this host", hint="run once without --offline, which fetches it"
            )
        return here or fetch.find(sdist, self._required(sdist.name))

    def _compile(self, lines: Sequence[str], question: PackageQuestion, *more: str) -> uv.Answer:
        platform = question.platform
        return uv.run(
            ["pip", "compile", "-", "--format", "pylock.toml", "--no-header", "--only-binary", ":all:",
             "--python-platform", platform.uv, "--python-version", platform.python,
             *more, *(["--offline"] if self.offline else [])],
            folder=Path(question.folder), stdin="\n".join(lines), free_threaded=platform.free_threaded,
        )  # fmt: skip

    def _files(self, name: str) -> tuple[IndexFile, ...] | None:
        """The files of a distribution, asked for once."""
        with self._lock:
            if name not in self._listed:
                self._listed[name] = index.files_of(name, self._indexes)
            return self._listed[name]

    def _required(self, name: str) -> tuple[IndexFile, ...]:
        files = self._files(name)
        if not files:
            places = ", ".join(uv.without_credentials(place) for place in self._indexes) or "no index"
            raise InputError(
                f"there is no package {name!r} on {places}",
                hint="check its spelling; another index is named by UV_DEFAULT_INDEX",
            )
        return files

    def _lacking(self, wanted: Wanted, question: PackageQuestion) -> Lack | None:
        """The distribution of a requirement that alone cannot be met; None if it can."""
        if wanted.file is not None or wanted.requirement.url is not None:
            return None
        with errors_at(wanted.where):
            files, specifier = self._required(wanted.name), wanted.requirement.specifier
        chosen = wanted_files(files, specifier)
        if not chosen:
            raise InputError(
                f"there is no {wanted.name} {specifier}",
                hint=reasons.versions_there_are((item.version for item in files), specifier),
                where=wanted.where,
            )
        if any(reasons.fits(item, question.platform) for item in chosen):
            return None
        return Lack(name=wanted.name, files=tuple(chosen))

    def _explained(self, complaint: str, question: PackageQuestion, built: Mapping[str, Built]) -> Lack | str:
        """uv's message, and the files of the dependency that it names."""
        culprit = _CULPRIT.search(complaint)
        if culprit is None:
            return f"the requirements cannot be met together: {complaint}"
        name = canonicalize_name(culprit[1])
        files = () if name in built else self._files(name) or ()
        chosen = wanted_files(files, SpecifierSet(culprit[2].strip(",")))
        if not chosen or any(reasons.fits(item, question.platform) for item in chosen):
            return complaint
        requirements = ", ".join(question.requirements)
        return Lack(name=culprit[1], files=tuple(chosen), title=f"{requirements}: ")


def wanted_files(files: Iterable[IndexFile], specifier: SpecifierSet) -> list[IndexFile]:
    """The files of the versions that a specifier allows, pre-releases only where there is nothing else."""
    listed = list(files)
    allowed = set(specifier.filter({item.version for item in listed}))
    exact = any(item.operator in ("==", "===") for item in specifier)
    return [item for item in listed if item.version in allowed and (exact or not item.yanked)]


def _wrong_files(wanted: Iterable[Wanted], question: PackageQuestion) -> NoWheel | None:
    """Why a wheel file of this host does not fit an environment, if one does not."""
    names = (item.file.name for item in wanted if item.file)
    wrong = (name for name in names if wheel_rank(name, question.platform) is None)
    name = next(wrong, None)
    return NoWheel(reason=reasons.wrong_file(name, question.platform)) if name else None


def _culprit_place(wanted: Sequence[Wanted], complaint: str) -> Location | None:
    """Where the requirement is written that a complaint names, or the only one there is."""
    words = {word.strip(".") for word in re.findall(r"[\w.-]+", complaint.lower())}
    named = (item for item in wanted if item.name in words)
    found = next(named, wanted[0] if len(wanted) == 1 else None)
    return found.where if found else None
