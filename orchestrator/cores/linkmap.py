"""The modules of a core that lists no mapped files: the dynamic loader's own list, read from memory.

qemu-user writes such cores, without NT_FILE and without the pages of ELF headers. They hold writable memory:
the loader's struct r_debug, to which the program's DT_DEBUG points, and its chain of struct link_map (glibc's
elf/link.h, which debuggers rely on). The place of DT_DEBUG and the size of each module are in the files.
"""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.elf.files import ElfLayout, read_layout, read_names
from orchestrator.errors import CoreError

# Gives a file of the process's root by its path there; None where there is none.
Bring = Callable[[PurePosixPath], Path | None]

# Where the program is taken to be if the core names no absolute path of it, as for one that was started as
# `./program`: what `analyze --exe` is given then has a place in the sysroot.
STAND_IN: Final = PurePosixPath("/program")
MAX_MODULES: Final = 1000
MAX_TAGS: Final = 1000
_DT_DEBUG: Final = 21
# By whether addresses have 64 bits.
_TAGS: Final = {True: struct.Struct("<QQ"), False: struct.Struct("<II")}
# Where r_map lies in struct r_debug, after r_version and padding: at the size of an address.
_SIZES: Final = {True: 8, False: 4}
# l_addr, l_name, l_ld, l_next
_LINK_MAPS: Final = {True: struct.Struct("<QQQQ"), False: struct.Struct("<IIII")}


class Listed(NamedTuple):
    """The modules of the loader's list, the program first, and the names of those whose file is missing."""

    modules: tuple[MappedModule, ...] = ()
    absent: tuple[str, ...] = ()


def program_path(core: Core) -> PurePosixPath:
    """The program's path in the process's root; STAND_IN where the core names no absolute one."""
    if core.executable:
        return PurePosixPath(core.executable.path)
    return PurePosixPath(_collapsed(core.invoked) or STAND_IN)


def find_modules(core: Core, bring: Bring) -> Listed:
    """The modules by the loader's list; none where the chain cannot be followed.

    The chain and all names come out of the core and are untrusted: the chain ends at MAX_MODULES, and at
    the first entry that occurs twice. These modules have no build id.
    """
    program = str(program_path(core))
    file = bring(PurePosixPath(program))
    if core.entry is None or file is None:
        return Listed()
    try:
        layout, interpreter = read_layout(file), read_names(file).interpreter
    except CoreError:
        return Listed()
    bias = core.entry - layout.entry
    found, absent = {program: _module(program, bias, layout)}, []
    for text, loaded_at in _loaded(core, bias, layout):
        # The loader's own name is the program's PT_INTERP, in a page that such a core lacks.
        name = _collapsed(interpreter if loaded_at == core.loaded_at else text)
        if name is None:
            continue
        library = _layout(_bring(bring, name))
        if library is None:
            absent.append(name)
        else:
            found.setdefault(name, _module(name, loaded_at, library))
    return Listed(tuple(found.values()), tuple(absent))


def _layout(file: Path | None) -> ElfLayout | None:
    try:
        return read_layout(file) if file else None
    except CoreError:
        return None


def _collapsed(name: str | None) -> str | None:
    """An absolute name without the `..` of an rpath such as `$ORIGIN/../lib`; $ORIGIN is no link."""
    return os.path.normpath(name) if name and name.startswith("/") else None


def _bring(bring: Bring, name: str | None) -> Path | None:
    return bring(PurePosixPath(name)) if name and name.startswith("/") else None


def _module(path: str, bias: int, layout: ElfLayout) -> MappedModule:
    return MappedModule(path=path, base=bias + layout.start, end=bias + layout.end, build_id=None)


def _loaded(core: Core, bias: int, program: ElfLayout) -> Iterator[tuple[str | None, int]]:
    """Name and load bias of each library, in the loader's order.

    The name is empty for the program, and None where the core does not hold it.
    """
    debug = _debug(core, bias + program.dynamic) if program.dynamic is not None else 0
    place = _pointer(core, debug + _SIZES[core.arch.wide]) if debug else 0
    row = _LINK_MAPS[core.arch.wide]
    seen: set[int] = set()
    while place and place not in seen and len(seen) < MAX_MODULES:
        seen.add(place)
        raw = core.read(place, row.size)
        if len(raw) < row.size:
            return
        loaded_at, name, _, place = row.unpack(raw)
        yield core.text(name), loaded_at


def _debug(core: Core, dynamic: int) -> int:
    """The value of DT_DEBUG: the address of struct r_debug; 0 where there is none."""
    row = _TAGS[core.arch.wide]
    for number in range(MAX_TAGS):
        raw = core.read(dynamic + number * row.size, row.size)
        tag, value = row.unpack(raw) if len(raw) == row.size else (0, 0)
        if tag in (0, _DT_DEBUG):
            return int(value)
    return 0


def _pointer(core: Core, address: int) -> int:
    return int.from_bytes(core.read(address, _SIZES[core.arch.wide]), "little")
