"""Debug files that are damaged on purpose, in a root from which a sysroot is made and a core is read.

Each input is one way to lay out debug information (tests/data/debug), with one to three changes: mutated
bytes, sections that expand to far more than they store, links that lead out of the root or in a circle,
files in the place of others. Whatever they are: the reading ends soon, and no file outside of the root is
read.
"""

import random
import shutil
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import zstandard

from orchestrator.binary.core.corefile import parse_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.binary.elf.headers import parse_file_header, parse_sections
from orchestrator.cores.sources import FolderSource
from orchestrator.cores.sysroot import make_sysroot
from orchestrator.crash import read_crash
from orchestrator.errors import CoreError
from tests.fuzz.alarm import alarm
from tests.fuzz.mutate import mutate
from tests.fuzz.reading import read_seeds

DATA: Final = Path(__file__).parents[1] / "data" / "debug"
PROGRAM: Final = "faults/linked"
_ID: Final = "usr/lib/debug/.build-id/63/72617368206d61747269782064656275670001.debug"
# The core of each layout, and its files by their paths; the program comes first.
LAYOUTS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("linked", {PROGRAM: "linked", "faults/linked.debug": "linked.debug"}),
    ("linked", {PROGRAM: "linked", "faults/.debug/linked.debug": "linked.debug"}),
    ("linked", {PROGRAM: "stripped", _ID: "linked.debug"}),
    ("linked", {PROGRAM: "stripped", _ID: "alt.debug", "usr/lib/debug/.dwz/shared.dwz": "shared.dwz"}),
    ("linked", {PROGRAM: "split", "src/inner.dwo": "five/inner.dwo", "src/outer.dwo": "five/outer.dwo"}),
    ("linked", {PROGRAM: "split", "faults/linked.dwp": "split.dwp"}),
    ("linked", {PROGRAM: "split4", "src4/inner.dwo": "four/inner.dwo", "src4/outer.dwo": "four/outer.dwo"}),
    ("linked", {PROGRAM: "split4", "faults/linked.dwp": "split4.dwp"}),
    ("linked", {PROGRAM: "zlib"}),
    ("linked", {PROGRAM: "zstd"}),
    ("linked", {PROGRAM: "zlib-gnu"}),
    ("linked", {PROGRAM: "mini"}),
    ("framed", {PROGRAM: "framed-linked", "faults/framed.debug": "framed.debug"}),
)
SECONDS: Final = 40
"""For one input; without damage a reading takes some milliseconds."""
BOMB: Final = 48 << 20
"""Bytes that a section expands to."""
NAMED_BY_DEBUG_FILES: Final = "shared_touch"

Change = Callable[[random.Random, Path, Path], None]


class DebugFuzzer:
    """Reads one core with debug files that are damaged; `outside` has good ones that must not be read."""

    def __init__(self, root: Path) -> None:
        self._folder = root
        self._outside = root / "outside"
        shutil.copytree(DATA, self._outside)
        self._cores = {name: _plain(name) for name in ("linked", "framed")}

    def read(self, seed: int) -> str:
        """Read the input of a seed; returns what came of it.

        Raises any other exception than a CrashmatrixError.
        """
        rng = random.Random(seed)  # noqa: S311 - it must be repeatable, not secret
        core, files = rng.choice(LAYOUTS)
        root, sysroot = self._folder / "root", self._folder / "sysroot"
        for folder in (root, sysroot):
            shutil.rmtree(folder, ignore_errors=True)
        for path, name in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DATA / name, root / path)
        places = [root / path for path in files]
        if rng.random() < 0.1 and len(places) > 1:
            for place in places[1:]:
                place.unlink()
                place.symlink_to(self._outside / files[str(place.relative_to(root))])
            with alarm(SECONDS):
                said = self._outcome(self._cores[core], root, sysroot)
            assert NAMED_BY_DEBUG_FILES not in said, f"a link out of the root was followed: {said}"
            return "link out refused"
        for _ in range(rng.choice((1, 1, 2, 3))):
            rng.choice(CHANGES)(rng, rng.choice(places), self._outside)
        with alarm(SECONDS):
            said = self._outcome(self._cores[core], root, sysroot)
        return "named" if NAMED_BY_DEBUG_FILES in said else said.partition(" ")[0]

    def _outcome(self, data: bytes, root: Path, folder: Path) -> str:
        """How the reading ended, and the functions that it named."""
        try:
            core, sysroot = make_sysroot(FolderSource(root), parse_core(data), folder=folder)
            crash = read_crash(root, core, sysroot, backends=["elf"])
            crash.model_dump_json()
        except CoreError:
            return "refused"
        names = [frame.function or "?" for thread in crash.threads for frame in thread.native]
        return " ".join(["partial" if crash.warnings else "unnamed", *names])


def _bytes(rng: random.Random, place: Path, _outside: Path) -> None:
    if _is_plain(place):
        place.write_bytes(mutate(rng, place.read_bytes()))


def _section(rng: random.Random, place: Path, _outside: Path) -> None:
    """Mutations in the debug sections alone, whose checks all headers pass."""
    raw = place.read_bytes() if _is_plain(place) else b""
    header = parse_file_header(raw)
    sections = parse_sections(raw, header) if header else ()
    debug = [item for item in sections if "debug" in item.name and item.size]
    if not debug:
        return
    section = rng.choice(debug)
    stored = raw[section.offset : section.offset + section.size]
    changed = mutate(rng, stored).ljust(len(stored), b"\0")[: len(stored)]
    place.write_bytes(raw[: section.offset] + changed + raw[section.offset + len(stored) :])


def _bomb(rng: random.Random, place: Path, _outside: Path) -> None:
    """A section, or each, that expands to 48 MB, in a file that is grown by what it stores."""
    raw = bytearray(place.read_bytes()) if _is_plain(place) else bytearray()
    header = parse_file_header(bytes(raw))
    sections = parse_sections(bytes(raw), header) if header else ()
    if header is None or not sections:
        return
    stated = rng.choice((0, 1, BOMB, BOMB, 1 << 40, (1 << 64) - 1))
    kind = rng.choice((1, 2))
    packed = BOMBS[kind]
    debug = [number for number, item in enumerate(sections) if "debug_" in item.name]
    chosen = debug if rng.random() < 0.5 else debug[:1]
    offset = len(raw)
    content = struct.pack("<IIQQ", kind, 0, stated, 1) + packed
    raw += content
    for number in chosen:
        at = header.sections_at + 64 * number
        struct.pack_into("<Q", raw, at + 8, sections[number].flags | 0x800)
        struct.pack_into("<QQ", raw, at + 24, offset, len(content))
    place.write_bytes(raw)


def _link(rng: random.Random, place: Path, outside: Path) -> None:
    """A link in a circle, to a folder, to a device, or out of the root."""
    target = rng.choice((place.name, ".", "/dev/zero", "/proc/self/mem", "..", str(outside)))
    if place.exists() or place.is_symlink():
        place.unlink()
    place.symlink_to(target)


def _other(rng: random.Random, place: Path, _outside: Path) -> None:
    """Another file of the data in its place: a program as its own .dwo, and so on."""
    files = sorted(path for path in DATA.rglob("*") if path.is_file())
    if _is_plain(place):
        shutil.copy(rng.choice(files), place)


def _is_plain(place: Path) -> bool:
    return place.is_file() and not place.is_symlink()


CHANGES: Final[tuple[Change, ...]] = (_bytes, _bytes, _section, _section, _section, _bomb, _link, _other)
BOMBS: Final = {1: zlib.compress(bytes(BOMB), 9), 2: zstandard.ZstdCompressor(level=3).compress(bytes(BOMB))}


def fuzz_debug(first: int, count: int) -> Counter[str]:
    """Read `count` inputs from seed `first` on; raises AssertionError that names the seed that went wrong."""
    return read_seeds(lambda root: DebugFuzzer(root).read, first, count)


def _plain(name: str) -> bytes:
    with plain_core(DATA / f"{name}.core.zst") as path:
        return path.read_bytes()
