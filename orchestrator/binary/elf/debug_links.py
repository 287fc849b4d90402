"""Where the debug information of an ELF file lies, by what the file itself says.

`.gnu_debuglink` names a file and its CRC; `.gnu_debugaltlink`, which dwz(1) writes, names the file with what
several debug files share, and its build id. Places are those of gdb's manual, "Debugging Information in
Separate Files". All names are untrusted: a debug link is one name, without folders.
"""

import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.elf.headers import MAX_NAME
from orchestrator.binary.elf.objectfile import ObjectFile

DEBUG: Final = PurePosixPath("/usr/lib/debug")
_LONGEST: Final = MAX_NAME + 64


@dataclass(frozen=True, slots=True)
class DebugLink:
    """The name of the debug file, and the CRC of its content."""

    name: str
    crc: int

    def places(self, file: PurePosixPath) -> tuple[PurePosixPath, ...]:
        """Where the debug file of a file may lie, in the order in which gdb looks."""
        folder = file.parent
        beside = (folder / self.name, folder / ".debug" / self.name)
        return (*(place for place in beside if place != file), DEBUG / folder.relative_to("/") / self.name)


def debug_place(build_id: str) -> PurePosixPath:
    """The place of a build id's debug file."""
    return DEBUG / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"


def debug_link(elf: ObjectFile) -> DebugLink | None:
    """The debug link of a file; None where it has none, or one that is damaged."""
    name, rest = _named(elf, ".gnu_debuglink")
    if not name or "/" in name or name in (".", "..") or len(rest) < 4:
        return None
    return DebugLink(name, int.from_bytes(rest[-4:], "little"))


def is_linked(elf: ObjectFile, link: DebugLink) -> bool:
    """Whether a file is the one that a debug link means."""
    return zlib.crc32(elf.data) == link.crc


def _named(elf: ObjectFile, section: str) -> tuple[str, bytes]:
    found = elf.section(section)
    raw = elf.content(found, _LONGEST) if found else b""
    name, _, rest = raw.partition(b"\0")
    return name.decode(errors="surrogateescape"), rest
