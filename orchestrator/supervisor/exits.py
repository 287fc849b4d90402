"""How a tested process exited, as the report has it."""

from __future__ import annotations

import os
import re
import signal

from orchestrator.supervisor.dumps import EMULATOR_CORE, Writers
from orchestrator.supervisor.tested import TestedProcess, signal_name


def describe(
    tested: TestedProcess, after: float, hung: bool, interrupted: bool, notes: list[str]
) -> dict[str, object]:
    """The exit of the judged process, which has ended, as the report holds it."""
    return {
        **_ended(tested, hung),
        "emulator_core": emulator_core(tested.pid, tested.folder) if Writers.emulated else None,
        "interrupted": interrupted,
        "after": round(after, 3),
        "seconds": round(tested.ended - tested.started, 3),
        "notes": notes,
    }


def other(
    tested: TestedProcess, role: str, doing: str | None = None, notes: tuple[str, ...] = ()
) -> dict[str, object]:
    """One of a trial's further processes, which has ended, as the report holds it in `others`.

    `role` says what it was (`worker 2`), `doing` what it was at when it ended (the test that ran).
    """
    return {**_ended(tested, hung=False), "role": role, "doing": doing, "notes": list(notes)}


def _ended(tested: TestedProcess, hung: bool) -> dict[str, object]:
    """How a tested process ended."""
    wait_status = tested.wait_status
    if wait_status is None:
        raise ValueError("a tested process that has not ended has no exit")
    signalled = os.WIFSIGNALED(wait_status)
    kind = "hang" if hung else "signal" if signalled else "exit"
    if kind == "signal" and os.WTERMSIG(wait_status) == signal.SIGKILL and tested.was_out_of_memory():
        kind = "oom"
    return {
        "pid": tested.pid,
        "kind": kind,
        "status": None if signalled else os.WEXITSTATUS(wait_status),
        "signal": signal_name(os.WTERMSIG(wait_status)) if signalled else None,
        "core_dumped": os.WCOREDUMP(wait_status),
    }


def emulator_core(pid: int, folder: str = ".") -> str | None:
    """The name of the core that qemu-user wrote of a process that started in a folder; None without one.

    It is moved into the current folder, where the host looks for it.
    """
    pattern = re.compile(EMULATOR_CORE % pid)
    name = next((name for name in sorted(os.listdir(folder)) if pattern.fullmatch(name)), None)
    if name and folder != ".":
        os.replace(os.path.join(folder, name), name)
    return name
