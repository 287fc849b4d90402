"""One trial: a tested process from its start to its end, and how the report has its exit."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import time

from orchestrator.supervisor import dumps
from orchestrator.supervisor.ends import VARIABLE, Ends
from orchestrator.supervisor.exits import describe
from orchestrator.supervisor.launch import Launch, launch_of
from orchestrator.supervisor.paths import PROJECT_FOLDER, REPORT_FOLDER, SCENARIO
from orchestrator.supervisor.targets import CODE, COMMAND, PYTEST, Target
from orchestrator.supervisor.tested import (
    ABORT_GRACE,
    EMULATED_GRACE,
    Start,
    TestedProcess,
    Watched,
    abort,
    end_dump,
    kill,
)
from orchestrator.supervisor.wakeup import InterruptedRunError, TimedOutError, Wakeup

USER = "crashmatrix"
LONGEST_NAME = 100
"""Characters that a note shows of a program's name."""


def follow(
    started: TestedProcess, launch: Launch, timeout: float, grace: float, wakeup: Wakeup
) -> tuple[TestedProcess, Watched]:
    """Follow the process whose exit is the outcome to its end; returns that process."""
    try:
        tested = launch.judged(started, wakeup, started.began + timeout)
    except (TimedOutError, InterruptedRunError) as error:
        kill(started)
        no_worker = isinstance(error, TimedOutError)
        return started, Watched(no_worker, not no_worker, ["the master started no worker"])
    return tested, watch(tested, launch, timeout, grace)


def watch(tested: TestedProcess, launch: Launch, timeout: float, grace: float = ABORT_GRACE) -> Watched:
    """Drive the tested process and wait for its end.

    `grace` is the time in seconds that a hung one gets to die of SIGABRT.
    """
    deadline = tested.began + timeout
    notes: list[str] = []
    try:
        try:
            notes += launch.drive(tested, deadline)
            tested.join(deadline)
        except TimedOutError:
            # A process whose core is being written has crashed.
            hung = tested.alive and not end_dump(tested, notes)
            if hung:
                notes += [*tested.waited(), *abort(tested, grace)]
            return Watched(hung, False, notes)
    except InterruptedRunError:
        kill(tested)
        return Watched(False, True, notes)
    return Watched(False, False, notes)


def person() -> dict[str, str]:
    """The variables that programs expect of a user: a writable home and a name; there is no passwd entry."""
    return {"HOME": os.getcwd(), "USER": USER, "LOGNAME": USER}


def copy_project(home: str, watched: bool) -> str:
    """Copy the scenario's folder to a writable place; returns the copy's folder.

    An instrument writes beside this program's report, by a path relative to where its tested process starts.
    """
    source = os.path.join(home, SCENARIO)
    if os.path.isdir(source):
        shutil.copytree(source, PROJECT_FOLDER, copy_function=shutil.copy)
    else:
        os.mkdir(PROJECT_FOLDER)
    if watched:
        os.symlink(os.path.join(os.pardir, REPORT_FOLDER), os.path.join(PROJECT_FOLDER, REPORT_FOLDER))
    return PROJECT_FOLDER


def not_started(error: OSError, program: str, after: float, notes: list[str]) -> dict[str, object]:
    """The exit of a user's command that cannot be started, with the status that a shell has for it."""
    status = 127 if isinstance(error, FileNotFoundError) else 126
    said = f"cannot start {program[:LONGEST_NAME]}: {error.strerror}"
    return {
        "pid": None, "kind": "exit", "status": status, "signal": None, "core_dumped": False,
        "emulator_core": None, "interrupted": False, "after": round(after, 3), "seconds": 0.0,
        "notes": [*notes, said],
    }  # fmt: skip


def run_trial(
    home: str, options: argparse.Namespace, wakeup: Wakeup, began: float, notes: list[str]
) -> dict[str, object]:
    """Run one process to its end; `notes` come first in its exit. Raises OSError if it cannot be started."""
    kind, file = options.target
    launch = launch_of(options.launcher)(home, Target(kind, file, tuple(options.argument)), options.option)
    command = [*shlex.split(options.wrap), *launch.command()]
    environment = dict(item.split("=", 1) for item in options.env)
    if kind in CODE:
        environment = {**person(), **environment}
    ends = Ends() if options.serving else None
    if ends:
        from orchestrator.supervisor import served, serving

        environment[VARIABLE] = ends.path
    start = Start(copy_project(home, bool(options.wrap)) if kind in CODE else ".", environment)
    grace = EMULATED_GRACE if options.emulated else ABORT_GRACE
    if kind == PYTEST:
        # As what serves applications: a container needs no more than its target does, and compiles it anew.
        from orchestrator.supervisor.pytests import run_tests

        ended = run_tests(
            command, start, wakeup, lambda one, left: watch(one, launch, left, grace), options.timeout
        )
        return finished(*ended, began, notes)
    try:
        started = TestedProcess(command, wakeup, start)
    except OSError as error:
        if kind == COMMAND and not options.wrap:
            return not_started(error, command[0], time.monotonic() - began, notes)
        error.filename = command[0]
        raise
    if ends:
        server = serving.Server(started, launch.port, launch.manners, ends, wakeup)
        seen = served.serve(server, options.serving, started.began + options.timeout, grace)
        return served.describe_server(seen, started, began, notes)
    tested, watched = follow(started, launch, options.timeout, grace, wakeup)
    if tested is not started:
        kill(started)
    return finished(tested, watched, {"doing": None, "others": []}, began, notes)


def finished(
    tested: TestedProcess, watched: Watched, more: dict[str, object], began: float, notes: list[str]
) -> dict[str, object]:
    """The exit of a trial, once the cores of all its processes are written; `more` has further fields."""
    watched.notes.extend(dumps.await_dumps())
    watched.notes[:0] = notes
    return {**describe(tested, tested.started - began, *watched), **more}
