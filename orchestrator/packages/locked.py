"""Locks: read from what uv writes, checked against an environment, and given the places of their files."""

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from orchestrator.adapters import uv
from orchestrator.errors import ToolError
from orchestrator.model import LockedWheel, NoWheel, PackageLock, PackageQuestion, WheelPlatform
from orchestrator.packages import reasons
from orchestrator.packages.requirements import Wanted, parse
from orchestrator.packages.tags import wheel_rank


def not_allowed(lock: PackageLock, wanted: Iterable[Wanted]) -> NoWheel | None:
    """Why a lock is not one that the requirements' own digests allow, if it is not."""
    allowed = {item.name: item.hashes for item in wanted if item.hashes}
    for wheel in lock.wheels:
        if wheel.name in allowed and f"sha256:{wheel.sha256}" not in allowed[wheel.name]:
            return NoWheel(reason=f"{wheel.filename} has none of the digests that the requirement names")
    return None


def misfit(lock: PackageLock, platform: WheelPlatform) -> str | None:
    """Why an environment cannot install a lock, if it cannot."""
    names = (item.filename for item in lock.ready)
    wrong = next((name for name in names if wheel_rank(name, platform) is None), None)
    return reasons.wrong_file(wrong, platform) if wrong else None


def placed(lock: PackageLock, question: PackageQuestion) -> PackageLock:
    """A lock that was read from its text, with the places of those wheels that no index has."""
    return with_places(lock, question.requirements)


def with_places(lock: PackageLock, requirements: Iterable[str]) -> PackageLock:
    """A lock with the places of those wheels that requirements name by a file or an address."""
    places: dict[str, str] = {}
    sdists = {item.name for item in lock.sdists}
    for item in map(parse, requirements):
        if item.name not in sdists and (item.file or item.requirement.url):
            places[item.name] = str(item.file or item.requirement.url)
    wheels = (item.model_copy(update={"place": places.get(item.name)}) for item in lock.wheels)
    return PackageLock(wheels=tuple(wheels))


def read_lock(text: str, question: PackageQuestion) -> PackageLock:
    """The lock in a pylock.toml of uv's (PEP 751): of each distribution the wheel that is preferred."""
    try:
        packages = tomllib.loads(text).get("packages", [])
        wheels = [_locked(item, question) for item in packages]
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"uv wrote no lock that can be read: {error}", hint=uv.HINT) from error
    return PackageLock(wheels=tuple(sorted(wheels, key=lambda item: item.name)))


def _locked(package: Mapping[str, Any], question: PackageQuestion) -> LockedWheel:
    archive = package.get("archive")
    known = [archive] if archive else package["wheels"]
    ranked = [
        (rank, _filename(item), item)
        for item in known
        if (rank := wheel_rank(_filename(item), question.platform)) is not None
    ]
    if not ranked:
        raise ValueError(f"no wheel of {package['name']} fits")
    _, filename, wheel = min(ranked, key=lambda one: one[:2])
    return LockedWheel(
        name=canonicalize_name(package["name"]),
        version=str(package["version"]),
        filename=filename,
        sha256=wheel["hashes"]["sha256"],
        place=archive.get("path") or archive["url"] if archive else None,
    )


def _filename(item: Mapping[str, Any]) -> str:
    name = item.get("name") or item.get("path") or urlsplit(item["url"]).path
    return unquote(str(name)).rpartition("/")[2]
