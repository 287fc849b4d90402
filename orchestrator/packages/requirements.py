"""Requirements as a scenario writes them: PEP 508, or a wheel file of this host."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from orchestrator.errors import InputError, Location
from orchestrator.model import WheelPlatform

LONGEST: Final = 100
"""Characters of a requirement that an error shows."""
SCHEMES: Final = ("https", "http", "file")
_BREAKS: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Line breaks and control characters. packaging takes them as part of an address; to uv, which reads a list,
the next line is another requirement or an option, and `-e` has it run a folder's code on this host."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One requirement: a distribution, and where its wheel is if no index is to be asked."""

    requirement: Requirement
    file: Path | None = None
    """The wheel file on this host."""
    hashes: tuple[str, ...] = ()
    """The only digests that its wheel may have, ALGORITHM:HEX; any where there are none."""
    where: Location | None = None
    """Where it is written, if that is known."""

    @property
    def name(self) -> str:
        """The distribution's normalized name."""
        return canonicalize_name(self.requirement.name)

    @property
    def line(self) -> str:
        """The requirement as uv reads it."""
        if self.file is None:
            return str(self.requirement)
        extras = f"[{','.join(sorted(self.requirement.extras))}]" if self.requirement.extras else ""
        marker = f" ; {self.requirement.marker}" if self.requirement.marker else ""
        return f"{self.requirement.name}{extras} @ {self.file.as_uri()}{marker}"

    def applies(self, platform: WheelPlatform) -> bool:
        """Whether its marker is true in an environment."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(marker_values(platform))


def marker_values(platform: WheelPlatform) -> dict[str, str]:
    """The values of PEP 508's markers in an environment, where they are not those of every Linux."""
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": platform.arch.gnu,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": platform.python,
        "python_version": "{}.{}".format(*platform.series),
        "sys_platform": "linux",
        "extra": "",
    }


def parse(text: str, where: Location | None = None) -> Wanted:
    """Read one requirement, with --hash options behind it; raises InputError with its place.

    A path or a file: address must be absolute and that of a wheel. An address with a user or a password is
    refused, since a lock names it; one of version control, since its code would be built on this host.
    """
    if _BREAKS.search(text):
        raise InputError(
            f"{text[:LONGEST]!r} is not one line", where=where, hint="write each requirement by itself"
        )
    plain, *options = text.split(" --hash=")
    if options:
        return replace(parse(plain.strip(), where), hashes=tuple(item.strip() for item in options))
    if text.endswith(".whl") and (text.startswith(("/", "file:"))):
        return _file(text.removeprefix("file://"), text, where)
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise InputError(
            f"{text[:LONGEST]!r} is no requirement: {str(error).splitlines()[0]}",
            where=where,
            hint="write it as pip reads it, for example grpcio==1.70.0",
        ) from error
    if requirement.url is None:
        return Wanted(requirement=requirement, where=where)
    parts = _address(requirement.name, requirement.url, where)
    if parts.scheme == "file":
        found = _file(unquote(parts.path), text, where)
        return Wanted(requirement=requirement, file=found.file, where=where)
    return Wanted(requirement=requirement, where=where)


def _address(name: str, url: str, where: Location | None) -> SplitResult:
    """The parts of an address, which is that of a plain download; raises InputError for any other."""

    def refusing(what: str, hint: str) -> InputError:
        return InputError(what, where=where, hint=hint)

    if "${" in url:  # uv would put in a variable of this process, and send it there
        raise refusing(f"the address of {name} has a variable in it", "write its value")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise refusing(f"the address of {name} is not valid", "write https://HOST/PATH") from error
    if "@" in parts.netloc:
        hint = "leave them out and put them in ~/.netrc, which uv reads"
        raise refusing(f"the address of {name} has credentials in it", hint)
    if parts.scheme not in SCHEMES:
        hint = "name an https address of a wheel, or a folder by `source:`"
        raise refusing(f"{name} is to be had by {parts.scheme or 'a path'}", hint)
    return parts


def _file(path: str, text: str, where: Location | None) -> Wanted:
    file = Path(unquote(path))
    try:
        name = parse_wheel_filename(file.name)[0]
    except InvalidWheelFilename as error:
        raise InputError(
            f"{text[:LONGEST]!r} is no wheel: {str(error).splitlines()[0]}",
            where=where,
            hint="name a .whl file, or use `source:` for a folder that is to be built",
        ) from error
    if not file.is_absolute() or not file.is_file():
        raise InputError(
            f"there is no wheel {text[:LONGEST]!r}", where=where, hint="build it first, or correct its path"
        )
    return Wanted(requirement=Requirement(name), file=file, where=where)
