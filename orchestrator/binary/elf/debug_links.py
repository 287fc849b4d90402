"""Where the debug information of an ELF file lies, by links in the file itself.

`.gnu_debuglink` names a file and its CRC; `.gnu_debugaltlink`, which dwz(1) writes, names the file with what
several debug files share, and its build id. Places are those of gdb's manual, "Debugging Information in
Separate Files". All names are untrusted: a debug link is one name, without folders.
"""

import posixpath
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.elf.headers import MAX_NAME
from orchestrator.binary.elf.objectfile import ObjectFile

DEBUG: Final = PurePosixPath("/usr/lib/debug")
_LONGEST: Final = MAX_NAME + 64
# Bytes of a build id; linkers write 16 or 20.
_SHORTEST_ID: Final = 4


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


@dataclass(frozen=True, slots=True)
class AltLink:
    """The path of the file that holds what is shared, and its build id in hex."""

    path: str
    build_id: str

    def places(self, file: PurePosixPath) -> tuple[PurePosixPath, ...]:
        """Where it may lie; a relative path counts from the folder of the debug file that names it."""
        named = PurePosixPath(posixpath.normpath(file.parent / self.path))
        return (debug_place(self.build_id), named, DEBUG / ".dwz" / named.name)


def debug_place(build_id: str) -> PurePosixPath:
    """The place of a build id's debug file."""
    return DEBUG / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"


def debug_link(elf: ObjectFile) -> DebugLink | None:
    """The debug link of a file; None where it has none, or one that is damaged."""
    name, rest = _named(elf, ".gnu_debuglink")
    if not name or "/" in name or name in (".", "..") or len(rest) < 4:
        return None
    return DebugLink(name, int.from_bytes(rest[-4:], "little"))


def alt_link(elf: ObjectFile) -> AltLink | None:
    """The link of a debug file to what it shares with others; None where it has none, or a damaged one."""
    name, rest = _named(elf, ".gnu_debugaltlink")
    return AltLink(name, rest.hex()) if name and len(rest) >= _SHORTEST_ID else None


def is_linked(elf: ObjectFile, link: DebugLink) -> bool:
    """Whether a file is the one that a debug link means."""
    return zlib.crc32(elf.data) == link.crc


def _named(elf: ObjectFile, section: str) -> tuple[str, bytes]:
    found = elf.section(section)
    raw = elf.content(found, _LONGEST) if found else b""
    name, _, rest = raw.partition(b"\0")
    return name.decode(errors="replace"), rest
