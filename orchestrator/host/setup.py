"""Carries out setup's plan: steps are announced first, and each change is recorded before it is made."""

from __future__ import annotations

__lazy_modules__ = ("tenacity",)

import json
import time
from collections.abc import Callable
from typing import Final

import tenacity

from orchestrator import invocation
from orchestrator.adapters import process
from orchestrator.adapters.collector import STORING, is_collecting
from orchestrator.errors import HostError, TransientError
from orchestrator.host import probe, record
from orchestrator.host.collection_steps import enough_pipes, enough_room
from orchestrator.host.facts import HostPaths
from orchestrator.host.plan import plan
from orchestrator.host.record import DaemonEntry, Record
from orchestrator.host.steps import Daemon, Goal, Step

Say = Callable[[str], None]

STEP_HINT: Final = "fix that and run setup again; it continues where it stopped"
COREDUMP_MESSAGE: Final = "fc2e22bc6ee647b6b90729ab34a250b1"
"""SD_MESSAGE_COREDUMP (systemd's sd-messages.h)."""
ATTEMPTS: Final = 3
CORE_DEADLINE: Final = 30.0
"""Seconds within which the core of a tiny process arrives, or systemd-coredump is at work on it; 0.4 were
measured on a usual machine, 9 on one that qemu emulates beside other work."""
CRASH: Final = ("sh", "-c", "ulimit -S -c $(ulimit -H -c); echo $$; kill -ABRT $$")
"""A process that dumps its core although this session's soft limit is 0, by which Debian 13 stores none.

Its package raises the limit by a file of pam_limits: for sessions that begin after it is installed.
"""
POLL: Final = 0.1
LOG_TAIL: Final = 5


def setup(
    say: Say, *, browser: bool = False, dry_run: bool = False, paths: HostPaths | None = None
) -> tuple[Step, ...]:
    """Change this host so that the main job runs; returns the steps that were missing.

    Prints every change before it makes the first one; with `dry_run` it only prints. `browser` adds what
    the report's tests need. Raises HostError if it cannot help and ToolError if a command fails; the
    changes made until then are recorded and can be undone.
    """
    paths = paths or HostPaths()
    facts = probe.survey(paths)
    steps = plan(facts, paths, browser=browser)
    if not dry_run and not probe.may_become_root():
        what = "setup must change this host" if steps else "cores are read as root"
        raise HostError(f"{what}, and sudo gives no root here", hint=process.ROOT_HINT)
    if not steps:
        say("setup: nothing to do, this host has what is needed")
        return ()
    announce(steps, say)
    if dry_run:
        return steps
    log = record.load(paths.record) or Record.empty()
    for number, step in enumerate(steps, 1):
        say(f"[{number}/{len(steps)}] {step.change}")
        log = _tried(step, log, paths, say) if step.optional else carry_out(step, log, paths, say)
    _prove_collection(steps, facts.platform.contained, say)
    say(f"setup: done; recorded in {paths.record}, `{invocation.command('setup', '--undo')}` takes it back")
    return steps


def announce(steps: tuple[Step, ...], say: Say) -> None:
    """Print what will be changed, by which commands, and how each is undone."""
    say("setup will change this host, as root:")
    for number, step in enumerate(steps, 1):
        say(f"  {number}. {step.change}")
        for line in step.lines:
            say(f"       # {line}")
        say(f"     undo: {step.undone}")


def reached(step: Step, paths: HostPaths) -> bool:
    """Whether a step's goal holds on this host now."""
    if step.goal is Goal.PACKAGES:
        return set(step.packages) <= probe.packages().keys()
    if step.goal in (Goal.ENGINE, Goal.ACCESS):
        engine = probe.engine()
        return engine.info is not None or (step.goal is Goal.ENGINE and bool(engine.denied))
    if step.goal in (Goal.BINFMT, Goal.ARM64):
        emulation = probe.emulation(paths)
        return emulation.mounted if step.goal is Goal.BINFMT else emulation.works
    state = probe.collection(paths)
    return {
        Goal.JOURNALD: state.journald_served,
        Goal.COREDUMP: state.coredump_served,
        Goal.CORE_PATTERN: state.piped,
        Goal.PIPE_LIMIT: enough_pipes(state.pipe_limit),
        Goal.CORE_ROOM: enough_room(state.store),
    }[step.goal]


def carry_out(step: Step, log: Record, paths: HostPaths, say: Say) -> Record:
    """Record a step, do it, and wait until its goal holds; returns the record as it is on disk."""
    if reached(step, paths):
        say("      is so already")
        return log
    for entry in step.entries:
        log = log.adding(entry)
    record.save(log, paths.record)
    if step.goal is Goal.PACKAGES:
        _run_retried(step, say)
    else:
        _run_commands(step, say)
    if step.daemon:
        log = log.adding(_start(step.daemon))
        record.save(log, paths.record)
    _wait(step, paths)
    return log


def _tried(step: Step, log: Record, paths: HostPaths, say: Say) -> Record:
    """Carry out an optional step; the record is as on disk also where it failed."""
    try:
        return carry_out(step, log, paths, say)
    except HostError as error:
        say(f"      failed, and was left: {error.what}")
        return record.load(paths.record) or log


def _run_commands(step: Step, say: Say) -> None:
    for command in step.commands:
        stdin = None if command.stdin is None else f"{command.stdin}\n".encode()
        done = process.run(command.args, stdin=stdin, root=True, check=False, hint=STEP_HINT)
        if done.status == 0:
            continue
        if not command.may_fail:
            raise process.failure(f"`{command}` failed: {done.complaint}", done.complaint, STEP_HINT)
        say(f"      went on though `{command}` failed: {done.complaint}")


def _run_retried(step: Step, say: Say) -> None:
    """Run commands that need the network, all of them again where one fails."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=2, max=20),
        reraise=True,
    )
    attempts(_run_commands, step, say)


def _start(daemon: Daemon) -> DaemonEntry:
    process.run(["rm", "-f", str(daemon.pid_file)], root=True, hint=STEP_HINT)
    pid = process.spawn_daemon(daemon.args, pid_file=daemon.pid_file, log=daemon.log, hint=STEP_HINT)
    started = probe.start_time(pid)
    return DaemonEntry(name=daemon.name, pid=pid, started=started, boot=probe.boot_id())


def _wait(step: Step, paths: HostPaths) -> None:
    end = time.monotonic() + step.deadline
    while not reached(step, paths):
        if time.monotonic() > end:
            what = f"not reached within {step.deadline:g} s: {step.change}{_said(step)}"
            raise HostError(what, hint=STEP_HINT)
        time.sleep(POLL)


def _said(step: Step) -> str:
    """The end of a daemon's log, for the error of the step that started it."""
    if step.daemon is None:
        return ""
    tail = process.run(
        ["tail", "-n", str(LOG_TAIL), str(step.daemon.log)], root=True, check=False, hint=STEP_HINT
    )
    return f"; {step.daemon.log} ends with:\n{tail.text.strip()}"


def _prove_collection(steps: tuple[Step, ...], contained: bool, say: Say) -> None:
    """Crash a small process and wait for its core, where setup changed how cores are collected."""
    collecting = {Goal.JOURNALD, Goal.COREDUMP, Goal.CORE_PATTERN, Goal.PIPE_LIMIT}
    if not collecting & {step.goal for step in steps}:
        return
    if contained:
        say("setup: this is a container, whose cores the kernel hands to the host outside; run setup there")
        return
    crash_and_wait()
    say("setup: a process was crashed on purpose, and its core arrived")


def crash_and_wait() -> int:
    """Crash a process and wait for its core; returns its pid. Raises HostError."""
    began = int(time.time())
    pid = int(process.run(CRASH, check=False, hint=STEP_HINT).text)
    _await_core(pid, began)
    return pid


def _await_core(pid: int, since: int) -> None:
    """Wait until a core is stored, for longer while systemd-coredump is at work; raises HostError."""
    began = time.monotonic()
    while not _core_arrived(pid, since):
        waited = time.monotonic() - began
        if waited > CORE_DEADLINE and not (waited < STORING and is_collecting()):
            raise HostError(
                f"a process was crashed on purpose and its core did not arrive within {waited:.0f} s",
                hint=f"see `journalctl -n 20` and `{invocation.command('doctor')}`; is the disk full?",
            )
        time.sleep(POLL)


def _core_arrived(pid: int, since: int) -> bool:
    """Whether the journal says, since a time of the epoch, that a process's core was stored.

    That entry is written last.
    """
    query = [
        "journalctl", "--output=json", f"--since=@{since}",
        f"MESSAGE_ID={COREDUMP_MESSAGE}", f"COREDUMP_PID={pid}",
    ]  # fmt: skip
    found = process.run(query, root=True, check=False, hint=STEP_HINT).text.splitlines()
    return any(json.loads(line).get("COREDUMP_FILENAME") for line in found)
