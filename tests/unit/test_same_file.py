"""Whether a file is the mapped one: by its build id, wherever that lies, or by what the core holds of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import Core, open_core
from orchestrator.binary.core.modules import MappedModule, find_modules
from orchestrator.binary.core.notes import MappedRange
from orchestrator.binary.core.same_file import is_other_file
from orchestrator.binary.core.unpack import plain_core
from orchestrator.binary.elf.headers import PAGE, PT_NOTE, parse_file_header
from orchestrator.binary.elf.objectfile import map_object
from orchestrator.cores.sources import FolderSource
from orchestrator.cores.sysroot_maker import SysrootMaker

CORES = Path(__file__).parents[1] / "data" / "cores"
BUILD_ID = "134a993fde0d9c2075364771ee82216c6a3d982b"


class Image:
    """The memory of a process that mapped one file, of which the core holds these pages."""

    def __init__(self, raw: bytes, base: int, held: range) -> None:
        self._raw, self._base, self._held = raw, base, held

    def read(self, address: int, size: int) -> bytes:
        skip = address - self._base
        return self._raw[skip : skip + size] if skip in self._held else b""

    def is_code(self, address: int) -> bool:
        return address >= self._base + PAGE


def handler(core: Core) -> MappedModule:
    """The program of a core of handler.c, as of a core that does not hold its build id."""
    return replace(core.modules[0], build_id=None)


@pytest.mark.parametrize(
    ("core", "file", "other"),
    [
        ("plain", "handler", False),
        ("tiny", "tiny", False),
        ("tiny", "tiny-unindexed", True),  # the same source, linked otherwise
        ("plain", "tiny", True),
        ("plain", "guest", True),  # another machine
    ],
)
def test_a_file_is_compared_with_the_page_that_the_core_holds(core: str, file: str, other: bool) -> None:
    with plain_core(CORES / f"{core}.core.zst") as plain, open_core(plain) as opened:
        assert is_other_file(opened, opened.modules[0], map_object(CORES / file)) is other


def test_strip_makes_no_other_file() -> None:
    raw = bytearray((CORES / "handler").read_bytes())
    raw[40:48], raw[58:64] = bytes(8), bytes(6)  # its section headers, which strip moves or removes
    with plain_core(CORES / "plain.core.zst") as plain, open_core(plain) as opened:
        (stripped := plain.parent / "stripped").write_bytes(raw)
        assert is_other_file(opened, opened.modules[0], map_object(stripped)) is False


@pytest.mark.parametrize(("changed", "other"), [(0, False), (1, False), (65, True)])
def test_code_that_the_core_holds_is_compared_but_for_breakpoints(changed: int, other: bool) -> None:
    raw = bytearray((CORES / "handler").read_bytes())
    module = MappedModule(path="/handler", base=0x10000, end=0x20000, build_id=None)
    held = bytearray(raw)
    code = next(load for load in map_object(CORES / "handler").loads if load.flags & 1)
    for at in range(code.offset, code.offset + changed):
        held[at] ^= 0xFF
    image = Image(bytes(held), 0x10000, range(0x10000))
    assert is_other_file(image, module, map_object(CORES / "handler")) is other


def test_nothing_is_said_where_the_core_holds_nothing() -> None:
    module = MappedModule(path="/handler", base=0x10000, end=0x20000, build_id=None)
    assert is_other_file(Image(b"", 0x10000, range(0)), module, map_object(CORES / "handler")) is None


def test_a_build_id_is_found_where_a_patched_file_has_its_notes(tmp_path: Path) -> None:
    raw = moved_notes((CORES / "handler").read_bytes())
    (tmp_path / "patched").write_bytes(raw)
    assert map_object(tmp_path / "patched").build_id == BUILD_ID
    files = [
        MappedRange(start=0x10000, end=0x10000 + PAGE, offset=0, path="/patched"),
        MappedRange(start=0x10000 + PAGE, end=0x20000, offset=PAGE, path="/patched"),
    ]
    (module,) = find_modules(files, Image(raw, 0x10000, range(0x10000)))
    assert module.build_id == BUILD_ID
    (module,) = find_modules(files, Image(raw, 0x10000, range(1)))  # nothing but the first page
    assert module.build_id is None


def moved_notes(raw: bytes) -> bytes:
    """An ELF file with its notes behind all else, as patchelf leaves numpy's libraries."""
    patched = bytearray(raw)
    header = parse_file_header(raw)
    assert header is not None
    for at in range(header.segments_at, header.segments_end, 56):
        if int.from_bytes(raw[at : at + 4], "little") == PT_NOTE:
            offset, size = (int.from_bytes(raw[at + skip : at + skip + 8], "little") for skip in (8, 32))
            place = len(patched)
            patched += raw[offset : offset + size]
            patched[offset : offset + size] = bytes(size)
            patched[at + 8 : at + 24] = place.to_bytes(8, "little") * 2
    return bytes(patched)


@pytest.mark.parametrize(("file", "used"), [("handler", True), ("tiny", False)])
def test_a_file_without_a_known_build_id_is_used_only_where_it_equals(
    tmp_path: Path, file: str, used: bool
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/program").write_bytes((CORES / file).read_bytes())
    with plain_core(CORES / "plain.core.zst") as plain, open_core(plain) as core:
        (tmp_path / "sysroot").mkdir()
        maker = SysrootMaker(
            source=FolderSource(tmp_path / "root"), folder=tmp_path / "sysroot", store=None, core=core
        )
        problems = maker.add([replace(handler(core), path="/program")])
    assert (tmp_path / "sysroot/program").exists() is used
    assert used or "the core has no build id of it and holds other bytes than the file in" in problems[0]
    assert bool(problems) is not used


def test_of_files_that_cannot_be_compared_the_one_that_crashed_is_named_first(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / "root" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "root" / name).write_bytes((CORES / "handler").read_bytes())
    modules = [
        MappedModule(path=f"/{name}", base=place << 32, end=(place << 32) + 0x10000, build_id=None)
        for place, name in enumerate(("a", "b", "c", "d"), 1)
    ]
    with plain_core(CORES / "plain.core.zst") as plain, open_core(plain) as opened:
        thread = replace(opened.threads[0], pc=modules[3].base + 16)
        core = replace(opened, notes=replace(opened.notes, threads=(thread,))).with_modules(modules)
        (tmp_path / "sysroot").mkdir()
        source = FolderSource(tmp_path / "root")
        (problem,) = SysrootMaker(source=source, folder=tmp_path / "sysroot", store=None, core=core).add(
            modules
        )
    assert problem.startswith("build ids that the core does not hold: of /d, /a, /b and 1 more; ")
