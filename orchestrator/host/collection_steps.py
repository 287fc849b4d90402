"""Steps by which the host collects cores and keeps them."""

from collections.abc import Iterator
from typing import Final

from orchestrator.host.facts import PIPE_LIMIT, Facts, HostPaths, StoreRoom, Sysctl
from orchestrator.host.record import FileEntry, SysctlEntry
from orchestrator.host.services import coredump_step, journald_step, unit_step
from orchestrator.host.steps import Command, Goal, Step

SYSTEMD_SYSCTL: Final = "/lib/systemd/systemd-sysctl"
COREDUMP_SYSCTL: Final = "/usr/lib/sysctl.d/50-coredump.conf"
"""Where the package itself says what core_pattern its version of systemd-coredump wants."""
CORES_WANTED: Final = 1 << 30
"""Bytes for the cores that are written before one is read: 32 at once, of some tens of MB each."""
KEEP_FREE: Final = 256 << 20
"""Bytes that stay free of a disk that has little room (the default is 15 %, 4 GiB at most)."""


def originals(facts: Facts) -> tuple[SysctlEntry, ...]:
    """The kernel's settings before setup, for undo."""
    return tuple(SysctlEntry(name=name, original=value) for name, value in facts.collection.sysctl.items())


def collection_steps(facts: Facts, paths: HostPaths) -> Iterator[Step]:
    """Steps by which the kernel hands each core to systemd-coredump, and the journal serves it."""
    state, systemd = facts.collection, facts.platform.systemd
    if not state.journald_served:
        if systemd:
            yield unit_step("systemd-journald.service", Goal.JOURNALD, "the journal, where cores are found")
        else:
            yield journald_step(facts, paths)
    if not state.coredump_served:
        if systemd:
            yield unit_step("systemd-coredump.socket", Goal.COREDUMP, "the socket that stores cores")
        else:
            yield coredump_step(facts, paths)
    if not state.piped:
        yield Step(
            goal=Goal.CORE_PATTERN,
            change=f"let the kernel hand cores to systemd-coredump (kernel.core_pattern is {state.pattern})",
            undone=f"kernel.core_pattern is set back to: {state.pattern}",
            commands=(Command(args=(SYSTEMD_SYSCTL, "--prefix=kernel/core_pattern", COREDUMP_SYSCTL)),),
            entries=originals(facts),
        )
    if not enough_pipes(state.pipe_limit) or "systemd-coredump" not in facts.found:
        file = paths.sysctl / Sysctl.CORE_PIPE_LIMIT
        yield Step(
            goal=Goal.PIPE_LIMIT,
            change=f"set kernel.core_pipe_limit to {PIPE_LIMIT} (now {state.pipe_limit}; the kernel drops"
            " the cores of more simultaneous crashes; at 0 it does not wait for a core to be read)",
            undone=f"kernel.core_pipe_limit is set back to {state.pipe_limit}",
            commands=(Command(args=("tee", str(file)), stdin=str(PIPE_LIMIT)),),
            entries=originals(facts),
        )


def room_steps(facts: Facts, paths: HostPaths) -> Iterator[Step]:
    """Steps by which systemd-coredump keeps the cores of a run; none if it does, or the disk is full."""
    room = facts.collection.store
    if enough_room(room) or room is None or room.free < KEEP_FREE + CORES_WANTED:
        return
    most = max(room.max_use, CORES_WANTED)
    text = f"[Coredump]\nKeepFree={KEEP_FREE >> 20}M\nMaxUse={most >> 20}M"
    yield Step(
        goal=Goal.CORE_ROOM,
        change=f"have systemd-coredump delete no cores that a run needs (KeepFree={KEEP_FREE >> 20}M,"
        f" MaxUse={most >> 20}M, until the next boot)",
        undone=f"{paths.core_room} is removed",
        commands=(
            Command(args=("mkdir", "-p", str(paths.core_room.parent))),
            Command(args=("tee", str(paths.core_room)), stdin=text),
        ),
        entries=(FileEntry(path=str(paths.core_room)),),
        optional=True,
    )


def enough_room(room: StoreRoom | None) -> bool:
    """Whether systemd-coredump keeps the cores that are written before one is read."""
    return room is not None and room.free >= room.keep_free + CORES_WANTED and room.max_use >= CORES_WANTED


def enough_pipes(limit: int) -> bool:
    """Whether a core_pipe_limit loses no core of a full run."""
    return limit >= PIPE_LIMIT
