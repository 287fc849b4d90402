"""The debug files of a core's modules, by build id or debug link, with split and shared (dwz) ones.

All are put into the sysroot where gdb and this program look. A file is used only if it is the one that is
meant: by its build id, or by the CRC that the program states. A debuginfod server is asked only for files
that the source lacks, and only where the user named one.
"""

import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.dwarf.split import split_names
from orchestrator.binary.elf.debug_links import alt_link, debug_link, debug_place, is_linked
from orchestrator.binary.elf.objectfile import ObjectFile, map_object
from orchestrator.cores.debuginfod import DebugServer, Kind
from orchestrator.cores.root import BUILD_ID, Check, Root
from orchestrator.errors import CoreError

# Bytes of the stack of the thread that crashed, and of each other one, that are searched for pointers.
_CRASHED_STACK, _STACK = 1 << 17, 1 << 12
# Split files of one program, and their bytes, that are fetched; Chromium has 30,000 of them, in a package.
MAX_SPLITS, MAX_SPLIT = 1 << 13, 4 << 30


class DebugFiles:
    """Fetches debug files into a sysroot."""

    def __init__(
        self, root: Root, server: DebugServer | None = None, asked_for: Collection[str] = ()
    ) -> None:
        """`server` is asked for files of the modules at these paths alone."""
        self._root, self._server, self._asked_for = root, server, frozenset(asked_for)

    def add_program(self, path: PurePosixPath, build_id: str | None) -> bool:
        """Fetch a program or library from the server."""
        return self._ask(path, path, build_id, "executable")

    def add(self, path: PurePosixPath, build_id: str | None) -> list[str]:
        """Fetch what belongs to a verified module at `path`; returns the problems as sentences.

        Without a build id in the core, the debug file is that of the file that was found.
        """
        try:
            elf = map_object(self._root.file(path))
            known = build_id or elf.build_id
            wanted = known if known and BUILD_ID.fullmatch(known) else None
            debug, problems = self._find(path, elf, wanted)
            described = map_object(self._root.file(debug)) if debug else elf
            self._add_split(path, described)
            return [*problems, *self._add_shared(debug or path, described)]
        except (CoreError, OSError):
            return []  # a file that cannot be read is reported where it is used

    def _find(
        self, path: PurePosixPath, elf: ObjectFile, build_id: str | None
    ) -> tuple[PurePosixPath | None, list[str]]:
        """The debug file's place in the sysroot, if there is one, and the problem if there is not."""
        if build_id and self._root.have(debug_place(build_id)):
            return debug_place(build_id), []
        linked, wrong = self._by_link(path, elf, build_id)
        if linked:
            return linked, []
        if build_id and self._ask(path, debug_place(build_id), build_id, "debuginfo"):
            return debug_place(build_id), []
        return None, wrong

    def _by_link(
        self, path: PurePosixPath, elf: ObjectFile, build_id: str | None
    ) -> tuple[PurePosixPath | None, list[str]]:
        link = debug_link(elf)
        # Debian names each debug file by its build id and keeps it there, where it was looked for.
        if link is None or (build_id and link.name == debug_place(build_id).name):
            return None, []
        wrong: list[str] = []
        for place in link.places(path):

            def is_it(file: Path, place: PurePosixPath = place) -> bool:
                with suppress(CoreError, OSError):
                    if is_linked(map_object(file), link):
                        return True
                wrong.append(
                    f"{place} is not the debug file of {path} and is not used: "
                    f"its CRC is not {link.crc:08x}, which the program states"
                )
                return False

            if self._root.have(place, check=is_it):
                return place, []
        return None, wrong

    def _add_shared(self, path: PurePosixPath, debug: ObjectFile) -> Iterator[str]:
        """Fetch the file that a debug file at `path` shares with others, to the place of its build id."""
        link = alt_link(debug)
        if link is None:
            return
        target = debug_place(link.build_id)

        is_it = _has(link.build_id)
        found = any(self._root.fetch_as(target, place, is_it) for place in link.places(path))
        if not found and not self._ask(path, target, link.build_id, "debuginfo"):
            yield (
                f"{link.path}, with which {path} shares debug information, is not in {self._root.source} "
                f"(build id {link.build_id}): names of its functions may be missing"
            )

    def _add_split(self, path: PurePosixPath, described: ObjectFile) -> None:
        """Fetch split debug information: the package beside the program, or each file."""
        names = split_names(described)
        if not names or self._root.have(PurePosixPath(f"{path}.dwp")):
            return
        left = MAX_SPLIT
        for place in dict.fromkeys(name.path for name in names[:MAX_SPLITS]):
            if left > 0 and self._root.have(place):
                left -= self._root.file(place).stat().st_size

    def _ask(self, of: PurePosixPath, target: PurePosixPath, build_id: str | None, kind: Kind) -> bool:
        """Fetch a file of a build id from the server to `target`, for the module at `of`."""
        server = self._server
        if (
            server is None
            or str(of) not in self._asked_for
            or not build_id
            or not BUILD_ID.fullmatch(build_id)
        ):
            return False
        return self._root.fetch_kept(
            target, build_id, kind, lambda stream: server.copy(build_id, kind, stream), _has(build_id)
        )


def modules_on_stacks(core: Core) -> frozenset[str]:
    """The modules that words of the threads' stacks point into, and those that the threads are in."""
    found: set[str] = set()
    for number, thread in enumerate(core.threads):
        raw = core.read(thread.sp, _CRASHED_STACK if number == 0 else _STACK)
        words = struct.unpack(f"<{len(raw) // 8}Q", raw[: len(raw) // 8 * 8])
        modules = map(core.module_at, (thread.pc, *words))
        found |= {module.path for module in modules if module}
    return frozenset(found)


def _has(build_id: str) -> Check:
    """A check that a file has a build id."""

    def check(file: Path) -> bool:
        with suppress(CoreError, OSError):
            return map_object(file).build_id == build_id
        return False

    return check
