"""One fuzzed reading: it must end soon, with a result or a CrashmatrixError."""

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.binary.core.corefile import open_core, parse_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.cores.linkmap import find_modules
from orchestrator.cores.sysroot_paths import place
from orchestrator.crash import read_crash
from orchestrator.errors import CoreError
from orchestrator.model import Sysroot
from tests.fuzz.alarm import LateError, alarm
from tests.fuzz.mutate import mutate

DATA: Final = Path(__file__).parents[1] / "data" / "cores"
# Cores, and the program that each is of.
PROGRAMS: Final = {
    "tiny": "tiny",
    "unindexed": "tiny-unindexed",
    "jump": "tiny",
    "siginfo": "handler",
    "guest-fault": "guest-fault",
    "narrow": "narrow",
}
FOLDERS: Final = {"handler": "fx", "guest-fault": "g"}
SECONDS: Final = 5
"""For one input; on these cores a reading takes some milliseconds."""
SMALL: Final = 4 << 20


class Fuzzer:
    """Reads mutated cores with mutated programs in a sysroot of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cores = {name: _plain(name) for name in PROGRAMS}
        self._programs = {name: (DATA / name).read_bytes() for name in set(PROGRAMS.values())}

    def read(self, seed: int) -> str:
        """Read the input of a seed; returns what came of it.

        Raises any other exception than a CrashmatrixError.
        """
        rng = random.Random(seed)  # noqa: S311 - it must be repeatable, not secret
        name = rng.choice(sorted(PROGRAMS))
        program, data = self._programs[PROGRAMS[name]], self._cores[name]
        what = rng.choice(("core", "core", "program", "both", "archive"))
        if what in ("program", "both"):
            program = mutate(rng, program)
        if what in ("core", "both"):
            data = mutate(rng, data)
        self._put(PROGRAMS[name], program)
        with alarm(SECONDS):
            if what == "archive":
                return self._archive(mutate(rng, (DATA / f"{name}.core.zst").read_bytes()))
            return self._outcome(data)

    def _put(self, name: str, program: bytes) -> None:
        target = self._root / FOLDERS.get(name, "faults") / name
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(program)

    def _archive(self, data: bytes) -> str:
        path = self._root / "core.zst"
        path.write_bytes(data)
        try:
            with plain_core(path, limit=SMALL) as plain, open_core(plain):
                return "unpacked"
        except CoreError:
            return "refused"

    def _bring(self, path: PurePosixPath) -> Path | None:
        try:
            file = place(self._root, path)
            return file if file.is_file() else None
        except (OSError, ValueError):
            return None

    def _outcome(self, data: bytes) -> str:
        try:
            core = parse_core(data)
            if not core.lists_files:
                core = core.with_modules(find_modules(core, self._bring).modules)
            crash = read_crash(self._root, core, Sysroot(path=str(self._root)), backends=["elf"])
            crash.model_dump_json()
        except CoreError:
            return "refused"
        return "partial" if crash.warnings else "whole"


def fuzz(first: int, count: int) -> Counter[str]:
    """Read `count` inputs from seed `first` on; raises AssertionError that names the seed that went wrong."""
    return read_seeds(lambda root: Fuzzer(root).read, first, count)


def read_seeds(reader_in: Callable[[Path], Callable[[int], str]], first: int, count: int) -> Counter[str]:
    """Read seeds in a folder of their own; raises AssertionError that names the seed that went wrong."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="crashmatrix-fuzz-") as root:
        read = reader_in(Path(root))
        for seed in range(first, first + count):
            try:
                outcomes[read(seed)] += 1
            except (Exception, LateError) as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    return outcomes


def _plain(name: str) -> bytes:
    with plain_core(DATA / f"{name}.core.zst") as path:
        return path.read_bytes()
