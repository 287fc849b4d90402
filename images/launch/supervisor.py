"""Run one subject after the other inside a container and write down how each ended.

A subject is `python3 DRIVER`, a uWSGI server that serves DRIVER, or PROGRAM alone. It is this program's
own child, because an exit status alone proves little: only the parent sees the signal and the core flag of
its wait status. The subject inherits stdout and stderr; between two trials, and only there, this program
writes the given mark to both, so that their output can be told apart.

It uses the standard library of Python 3.8 only and runs under whichever interpreter the image brings.
It writes `.crashmatrix/supervisor.json` in the working directory after each trial and then ends with 0,
whatever the exits. Trials that share a container share nothing else: what one left behind, processes and
files, is removed before the next.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time

import cleanup
import server
from subject import (
    ABORT_GRACE,
    EMULATED_GRACE,
    InterruptedRunError,
    Subject,
    TimedOutError,
    Wakeup,
    abort,
    describe,
    end_dump,
    kill,
)

HOME = os.path.dirname(os.path.abspath(__file__))
FOLDER = ".crashmatrix"
REPORT = os.path.join(FOLDER, "supervisor.json")
SCHEMA = 2
LAST_WORDS = 5.0
"""Seconds that an instrument gets to write the end of its output."""


def follow(
    started: Subject, options: argparse.Namespace, wakeup: Wakeup, port: int
) -> tuple[Subject, tuple[bool, bool, list[str]]]:
    """Follow what was started to its end, or, where that is a master, its worker."""
    subject = started
    if "--master" in options.option:
        try:
            subject = server.worker_of(started, wakeup, started.started + options.timeout)
        except (TimedOutError, InterruptedRunError) as error:
            kill(started)
            no_worker = isinstance(error, TimedOutError)
            return started, (no_worker, not no_worker, ["the master started no worker"])
    grace = EMULATED_GRACE if options.emulated else ABORT_GRACE
    return subject, watch(subject, options.launcher, port, options.timeout, grace)


def watch(
    subject: Subject, launcher: str, port: int, timeout: float, grace: float = ABORT_GRACE
) -> tuple[bool, bool, list[str]]:
    """Follow the subject to its end; returns whether it hung, whether we were interrupted, and notes.

    `grace` counts the seconds that one that hung gets to die of SIGABRT.
    """
    deadline = subject.started + timeout
    notes = []
    try:
        try:
            if launcher == "uwsgi":
                notes += server.visit(subject, port, deadline)
            subject.join(deadline)
        except TimedOutError:
            # One that crashed just before the deadline, and whose core is being written, did not hang.
            hung = subject.alive and not end_dump(subject)
            if hung:
                notes += abort(subject, grace)
            return hung, False, notes
    except InterruptedRunError:
        kill(subject)
        return False, True, notes
    return False, False, notes


def versions() -> dict[str, str]:
    """The exact versions of this interpreter and of the C library that it runs on."""
    found = {"python": platform.python_version()}
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    return {**found, "glibc": version} if name == "glibc" else found


def write(exits: list[dict[str, object]]) -> None:
    """Write supervisor.json so that it is there whole or not at all."""
    os.makedirs(FOLDER, exist_ok=True)
    partial = f"{REPORT}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump({"schema": SCHEMA, "versions": versions(), "trials": exits}, file)
    os.replace(partial, REPORT)


def separate(mark: str) -> None:
    """Say on both streams that what follows is the next trial's."""
    for stream in (1, 2):
        left = mark.encode()
        while left:
            left = left[os.write(stream, left) :]


def goes_on(ended: dict[str, object], wanted: str) -> bool:
    """Whether the next trial follows after this exit: `wanted` is `exit`, or `exit:0`."""
    kind, colon, status = wanted.partition(":")
    return (
        not ended["interrupted"] and ended["kind"] == kind and (not colon or str(ended["status"]) == status)
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run subjects and write .crashmatrix/supervisor.json.")
    parser.add_argument("--launcher", choices=("plain", "uwsgi"), required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--driver", help="a Python file in the scenario folder beside this program")
    what.add_argument("--program", help="a program there, started by itself")
    parser.add_argument(
        "--timeout", type=float, required=True, help="seconds from a subject's start to its end"
    )
    parser.add_argument("--wrap", action="append", default=[], help="a word to put before the command")
    parser.add_argument("--option", action="append", default=[], help="an option of the launcher's program")
    parser.add_argument("--trials", type=int, default=1, help="how many, one after the other")
    parser.add_argument("--while", dest="wanted", default="exit", help="go on while an exit is this: exit:0")
    parser.add_argument("--mark", default="", help="what to write to stdout and stderr between two trials")
    parser.add_argument("--scratch", action="append", default=[], help="a folder to empty between two trials")
    parser.add_argument("--emulated", action="store_true", help="this runs under qemu-user, which is slow")
    return parser.parse_args(arguments)


def run_trial(options: argparse.Namespace, wakeup: Wakeup, began: float) -> dict[str, object]:
    """Run one subject to its end; raises OSError where it cannot be started."""
    path = os.path.join(HOME, "scenario", options.program or options.driver)
    port = server.free_port() if options.launcher == "uwsgi" else 0
    if options.program:
        command = [path, *options.option]
    elif options.launcher == "uwsgi":
        command = server.uwsgi_command(path, port, options.option)
    else:
        command = ["python3", *options.option, path]
    try:
        started = Subject([*options.wrap, *command], wakeup)
    except OSError as error:
        error.filename = [*options.wrap, *command][0]
        raise
    subject, followed = follow(started, options, wakeup, port)
    if subject is not started:
        kill(started)
    return describe(subject, subject.started - began, *followed)


def main(arguments: list[str] | None = None) -> int:
    """Run the subjects and write their exits; returns this program's exit status."""
    options = parse(arguments)
    if options.wrap:
        os.makedirs(FOLDER, exist_ok=True)
        cleanup.adopt_orphans()
    began, wakeup = time.monotonic(), Wakeup()
    # A process that a subject left behind and that cannot be ended would run on into the next trial.
    most = options.trials if options.trials == 1 or cleanup.adopt_orphans() else 1
    exits: list[dict[str, object]] = []
    while len(exits) < most:
        if exits:
            cleanup.end_stragglers()
            for folder in options.scratch:
                cleanup.empty(folder, FOLDER)
            separate(options.mark)
        try:
            exits.append(run_trial(options, wakeup, began))
        except OSError as error:
            print(f"supervisor: cannot start {error.filename}: {error.strerror}", file=sys.stderr)
            return 1
        if options.wrap:
            cleanup.await_stragglers(LAST_WORDS)
        write(exits)
        if not goes_on(exits[-1], options.wanted):
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
