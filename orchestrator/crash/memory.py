"""The memory of a crashed process: what the core holds, and the code from the files in the sysroot.

The kernel leaves unchanged pages of mapped files out of a core, so code is read from those files. A file with
another build id than the core has is not used.
"""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.binary.dwarf",)

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.dwarf import debug_info
from orchestrator.binary.elf.debug_links import alt_link, debug_link, debug_place, is_linked
from orchestrator.binary.elf.headers import PAGE
from orchestrator.binary.elf.objectfile import ObjectFile, map_object
from orchestrator.errors import CoreError

_AT_SYSINFO_EHDR: Final = 33
"""The auxiliary vector's entry with the address of the vdso."""
MAX_VDSO: Final = 1 << 16
_WORD: Final = 8


@dataclass(frozen=True, kw_only=True)
class LoadedObject:
    """An ELF object of the process; `bias` is the number that loading added to its addresses."""

    source: ObjectFile
    bias: int
    path: str
    build_id: str | None = None
    """The key of its debug file: the core's build id, or the file's where the core holds none."""


class ProcessMemory:
    """Bytes and ELF objects of a crashed process by address."""

    def __init__(self, core: Core, root: Path) -> None:
        self.core = core
        self._root = root
        self._loaded: dict[int, LoadedObject | None] = {}
        self._debug: dict[int, ObjectFile | None] = {}
        self.problems: list[str] = []

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the core, or of the file that was mapped there; fewer if some are unknown."""
        held = self.core.read(address, size)
        if held:
            return held
        loaded = self.object_at(address)
        return loaded.source.read(address - loaded.bias, size) if loaded else b""

    def word(self, address: int, size: int = _WORD) -> int | None:
        """An unsigned number in memory; None where not all of its bytes are known."""
        raw = self.read(address, size)
        return int.from_bytes(raw, "little") if len(raw) == size else None

    def is_code(self, address: int) -> bool:
        """Whether an address lay in an executable mapping."""
        return self.core.is_code(address)

    def object_at(self, address: int) -> LoadedObject | None:
        """The ELF object at an address; None for memory of no file, and for an unknown file."""
        module = self.core.module_at(address)
        if module is None:
            return self._vdso if self._vdso and self._in_vdso(address) else None
        if module.base not in self._loaded:
            self._loaded[module.base] = self._load(module)
        return self._loaded[module.base]

    def pointer(self, module: MappedModule, names: Collection[str]) -> int | None:
        """Where a module's pointer variable of one of these names lies; None where it defines none."""
        loaded = self.object_at(module.base)
        found = loaded.source.find_pointers(names) if loaded else {}
        return next((found[name] + loaded.bias for name in names if loaded and name in found), None)

    def debug_object(self, loaded: LoadedObject) -> ObjectFile | None:
        """The debug file of an object, by its build id or its debug link, where the sysroot has it."""
        if id(loaded) not in self._debug:
            self._debug[id(loaded)] = self._find_debug(loaded)
        return self._debug[id(loaded)]

    def described(self, loaded: LoadedObject) -> list[debug_info.Sources]:
        """All files that describe an object: its debug file, its packed symbols, and the object itself."""
        debug, packed = self.debug_object(loaded), loaded.source.mini_debug
        return [self._sources(loaded, item) for item in (debug, packed, loaded.source) if item]

    def _sources(self, loaded: LoadedObject, main: ObjectFile) -> debug_info.Sources:
        link = alt_link(main)
        return debug_info.Sources(
            main=main,
            alternate=self._by_build_id(link.build_id) if link else None,
            package=self._open(f"{loaded.path}.dwp") if main.section(".debug_info") else None,
            split=lambda name: self._open(str(name.path)),
        )

    def _open(self, path: str) -> ObjectFile | None:
        with suppress(CoreError, OSError, ValueError):
            return self._map(path, None)[0]
        return None

    def _find_debug(self, loaded: LoadedObject) -> ObjectFile | None:
        if loaded.build_id and (found := self._by_build_id(loaded.build_id)):
            return found
        link = debug_link(loaded.source) if loaded.path.startswith("/") else None
        for path in link.places(PurePosixPath(loaded.path)) if link else ():
            with suppress(CoreError, OSError, ValueError):
                found, _ = self._map(str(path), loaded.build_id)
                if link and is_linked(found, link):
                    return found
        return None

    def _by_build_id(self, build_id: str) -> ObjectFile | None:
        """The debug file of a build id; one that has no build id itself is none."""
        with suppress(CoreError, OSError, ValueError):
            found, _ = self._map(str(debug_place(build_id)), build_id)
            return found
        return None

    def _load(self, module: MappedModule) -> LoadedObject | None:
        try:
            source, build_id = self._map(module.path, module.build_id)
            bias = module.base - source.first_address
            return LoadedObject(source=source, bias=bias, path=module.path, build_id=build_id)
        except (CoreError, OSError) as error:
            self.problems.append(f"{module.path}: not used, only what the core holds of it ({_why(error)})")
        return self._from_core(module)

    def _map(self, path: str, build_id: str | None) -> tuple[ObjectFile, str | None]:
        """A file of the sysroot with its build id; raises CoreError if that is another than the one given."""
        inside = self._root.resolve()
        file = (inside / path.lstrip("/")).resolve()
        if not file.is_relative_to(inside) or not file.is_file():
            raise CoreError("the sysroot does not have it", hint="give a sysroot that has it")
        source = map_object(file)
        found = source.build_id
        if build_id and found and found != build_id:
            raise CoreError(f"its build id is {found}, the core's is {build_id}", hint="give the same file")
        return source, build_id or found

    def _from_core(self, module: MappedModule) -> LoadedObject | None:
        """The object, as far as the core holds its pages."""
        try:
            source = ObjectFile(self.core.read(module.base, PAGE), self.core.read, base=module.base)
        except CoreError:
            return None
        return LoadedObject(source=source, bias=source.bias, path=module.path, build_id=module.build_id)

    @cached_property
    def _vdso(self) -> LoadedObject | None:
        """The kernel's library, which every core holds completely."""
        base = self.core.auxv.get(_AT_SYSINFO_EHDR, 0)
        try:
            source = ObjectFile(self.core.read(base, MAX_VDSO))
        except CoreError:
            return None
        return LoadedObject(source=source, bias=base - source.first_address, path="[vdso]")

    def _in_vdso(self, address: int) -> bool:
        segment = self.core.segment_at(address)
        return bool(segment and segment.start == self.core.auxv.get(_AT_SYSINFO_EHDR))


def _why(error: CoreError | OSError) -> str:
    return error.what if isinstance(error, CoreError) else (error.strerror or "it cannot be read")
