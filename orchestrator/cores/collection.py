"""A trial's core, found on the host and kept as evidence in the trial's folder.

The kernel hands every core to one handler, whatever container it comes from, so a core is matched
by the 64-digit id of its container (any cgroup driver spells it out) and, where a container left
several, by the pid that the process under test had inside. An expected core
that is missing is LOST, with the reason.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.adapters import process
from orchestrator.adapters.collector import STORING, is_collecting
from orchestrator.cores.journal import (
    HINT,
    StoredCore,
    find_cores,
    reason_not_dumped,
    reason_not_stored,
)
from orchestrator.errors import ToolError
from orchestrator.model import DUMPING, CoreFile, CoreState, Outcome

PATTERN: Final = Path("/proc/sys/kernel/core_pattern")
STORE: Final = PurePosixPath("/var/lib/systemd/coredump")
"""Where systemd-coredump stores cores (systemd-coredump(8)); the journal may name no other place."""
DEADLINE: Final = 20.0
"""Seconds to wait for a core that the kernel says it wrote; 300 MB of random heap took 3.2 s to store."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
SUFFIXES: Final = frozenset({".zst", ".xz", ".lz4"})


@dataclass(frozen=True, kw_only=True)
class Match:
    """The core that was chosen, with what is doubtful about the choice."""

    core: StoredCore
    note: str | None = None


def collect(
    outcome: Outcome, *, folder: Path, root: Path, deadline: float = DEADLINE, pattern: Path = PATTERN
) -> CoreFile:
    """Find a trial's core and copy it to `folder`; its path in the result is relative to `root`.

    Returns at once if the process did not die of a core-dumping signal. Waits up to `deadline` seconds where
    the wait status says that a core was written, else looks once; in both cases for longer while a core is
    being stored. A core that cannot be collected is returned as LOST with its reason, not raised.
    """
    if not may_dump(outcome):
        return CoreFile(state=CoreState.NONE)
    try:
        if outcome.emulated:
            return _collect_emulated(outcome, root)
        return _collect(outcome, folder, root, deadline, pattern)
    except ToolError as error:
        return _lost(outcome, str(error))


def may_dump(outcome: Outcome) -> bool:
    """Whether a process ended by a signal that dumps a core."""
    return outcome.core_dumped or outcome.signal in DUMPING


def _collect_emulated(outcome: Outcome, root: Path) -> CoreFile:
    """The core that qemu-user wrote. The kernel's core is one of qemu itself and is not used."""
    if outcome.emulator_core is None:
        return _lost(
            outcome,
            "qemu-user wrote no core: did the process change its working directory or its RLIMIT_CORE?",
        )
    emulator = [core for core in find_cores(outcome.hostname) if is_emulator(core)]
    aside = "; this host also stored a core of the emulator itself, which was left aside" if emulator else ""
    kept = root / outcome.emulator_core
    return CoreFile(
        state=CoreState.FOUND,
        path=outcome.emulator_core,
        bytes=kept.stat().st_size,
        signal=outcome.signal,
        note=f"written by qemu-user{aside}",
    )


def is_emulator(core: StoredCore) -> bool:
    """Whether a core is one of qemu-user itself, which does not show the program that ran in it."""
    return core.exe is not None and PurePosixPath(core.exe).name.startswith("qemu-")


def _collect(outcome: Outcome, folder: Path, root: Path, deadline: float, pattern: Path) -> CoreFile:
    handler = pattern.read_text().strip()
    if not is_systemd_coredump(handler):
        return _lost(outcome, f"kernel.core_pattern is {handler!r}, not systemd-coredump; {HINT}")
    match = _wait(outcome, deadline if outcome.core_dumped else 0)
    if match is None:
        return _lost(outcome, _why_none(outcome, deadline))
    if match.core.filename is None:
        return _lost(outcome, why_not_stored(match.core))
    return keep_core(match.core, folder / "core", root, match.note)


def is_systemd_coredump(pattern: str) -> bool:
    """Whether a core_pattern pipes cores into systemd-coredump (core(5))."""
    handler, *_ = pattern.removeprefix("|").split(" ")
    return pattern.startswith("|") and PurePosixPath(handler).name == "systemd-coredump"


def choose(cores: Sequence[StoredCore], container: str, pid: int | None) -> Match | None:
    """The core of a container's process: by container id, then by the pid inside; the newest of equals.

    A core without a cgroup is matched by the container's unique hostname alone, with a note. A core of
    another pid is never chosen where both pids are known.
    """
    program = [core for core in cores if not is_emulator(core)]
    own = [core for core in program if core.cgroup is None or container in core.cgroup]
    exact = [core for core in own if pid is None or core.pid in (pid, None)]
    if not exact:
        return None
    core = exact[-1]
    doubts = [
        "matched by hostname only, since the journal has no cgroup of it" if core.cgroup is None else "",
        f"the process had no known pid: taken as the newest of {len(own)} cores of its container"
        if len(own) > 1 and (pid is None or core.pid is None) else "",
    ]  # fmt: skip
    return Match(core=core, note="; ".join(filter(None, doubts)) or None)


def _wait(outcome: Outcome, deadline: float) -> Match | None:
    """Poll until the core is there; the journal's entry is written last, so its file is complete then."""
    began, pause = time.monotonic(), FIRST_PAUSE
    while True:
        match = choose(find_cores(outcome.hostname), outcome.container, outcome.pid)
        waited = time.monotonic() - began
        if match or (waited >= deadline and not (waited < STORING and is_collecting())):
            return match
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def keep_core(core: StoredCore, target: Path, root: Path, note: str | None = None) -> CoreFile:
    """Copy a core that was stored to `target` with its suffix; raises ToolError."""
    kept = _keep(core.filename or "", target)
    cut = "systemd-coredump cut the core at ProcessSizeMax (coredump.conf)" if core.truncated else None
    return CoreFile(
        state=CoreState.FOUND,
        path=str(kept.relative_to(root)),
        bytes=kept.stat().st_size,
        truncated=core.truncated,
        signal=core.signal,
        note="; ".join(filter(None, (note, cut))) or None,
    )


def _keep(stored: str, path: Path) -> Path:
    """Copy a stored core, which is root's, to `path` as the user's own; raises ToolError."""
    source = PurePosixPath(stored)
    if source.parent != STORE or not source.name.startswith("core."):
        raise ToolError(f"the journal names {stored!r} as a core, which is not in {STORE}", hint=HINT)
    suffix = source.suffix if source.suffix in SUFFIXES else ""
    target = path.with_name(f"{path.name}{suffix}")
    try:
        process.run(
            ["install", "--mode=0600", f"--owner={os.getuid()}", f"--group={os.getgid()}", "--",
             str(source), str(target)],
            root=True, hint=HINT,
        )  # fmt: skip
    except ToolError as error:
        if process.run(["test", "-e", str(source)], root=True, check=False, hint=HINT).status == 0:
            raise
        raise ToolError(
            f"systemd-coredump stored the core and deleted it again before it was read ({error.what})",
            hint="make room on its disk, or set MaxUse= and KeepFree= in coredump.conf",
        ) from error
    return target


def _why_none(outcome: Outcome, deadline: float) -> str:
    """Why no core of the process is in the journal."""
    others = [core for core in find_cores(outcome.hostname) if outcome.container in (core.cgroup or "")]
    also = "".join(f"; a core of process {core.pid} ({core.comm}) is there" for core in others)
    if outcome.core_dumped:
        return f"the kernel wrote a core, systemd-coredump reported none within {deadline:g} s; {HINT}{also}"
    said = reason_not_dumped(outcome.pid, datetime.fromisoformat(outcome.started))
    because = f"its log says of a process {outcome.pid} then: {said}" if said else (
        "either the process is not dumpable (PR_SET_DUMPABLE=0), or RLIMIT_CORE is 1, or more processes "
        "crashed at once than kernel.core_pipe_limit"
    )  # fmt: skip
    return f"the kernel wrote no core: {because}{also}"


def why_not_stored(core: StoredCore) -> str:
    """Why systemd-coredump stored no core of a crash that it reported."""
    said = reason_not_stored(core) or "Storage= in coredump.conf is not `external`, or the disk is full"
    return f"systemd-coredump saw the crash and stored no core: {said}; see ExternalSizeMax= in coredump.conf"


def _lost(outcome: Outcome, why: str) -> CoreFile:
    return CoreFile(state=CoreState.LOST, signal=outcome.signal, note=why)
