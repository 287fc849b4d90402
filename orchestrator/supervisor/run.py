"""Run one subject after the other inside a container, and report how each exited.

The subject is this program's own child, because an exit status alone proves little: only the parent sees the
signal and the core flag of its wait status. The subject inherits stdout and stderr; between two trials, and
only there, this program writes a mark to both that no subject knows, so that their output can be told apart.

It adds to its report after each trial and then ends with 0, whatever the exits. Trials that share a container
share nothing else: processes and files that one leaves behind are removed before the next.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import sys
import time

from orchestrator.supervisor import cleanup, identity
from orchestrator.supervisor.ends import VARIABLE, Ends, ForgedError
from orchestrator.supervisor.launch import Launch, launch_of
from orchestrator.supervisor.load import read_plan
from orchestrator.supervisor.paths import MARK_VARIABLE, PROJECT_FOLDER, REPORT_FOLDER, SCENARIO
from orchestrator.supervisor.pytests import run_tests
from orchestrator.supervisor.report import Report
from orchestrator.supervisor.served import describe_server, serve
from orchestrator.supervisor.serving import Server
from orchestrator.supervisor.subject import (
    ABORT_GRACE,
    EMULATED_GRACE,
    InterruptedRunError,
    Start,
    Subject,
    TimedOutError,
    Wakeup,
    Watched,
    abort,
    describe,
    end_dump,
    kill,
)
from orchestrator.supervisor.targets import CODE, COMMAND, COMMANDS, PYTEST, WSGI, Target

LAST_WORDS = 5.0
"""Seconds that an instrument gets to write the end of its output."""
USER = "crashmatrix"
LONGEST_NAME = 100
"""Characters that a note shows of a program's name."""
PATH_SHOWN = 40
"""Characters that a note shows of a path; each may take 10, and a note has at most 500."""


def follow(
    started: Subject, launch: Launch, timeout: float, grace: float, wakeup: Wakeup
) -> tuple[Subject, Watched]:
    """Follow the process whose exit is the outcome to its end; returns that process."""
    try:
        subject = launch.judged(started, wakeup, started.started + timeout)
    except (TimedOutError, InterruptedRunError) as error:
        kill(started)
        no_worker = isinstance(error, TimedOutError)
        return started, Watched(no_worker, not no_worker, ["the master started no worker"])
    return subject, watch(subject, launch, timeout, grace)


def watch(subject: Subject, launch: Launch, timeout: float, grace: float = ABORT_GRACE) -> Watched:
    """Drive the subject and wait for its end.

    `grace` is the time in seconds that a hung one gets to die of SIGABRT.
    """
    deadline = subject.started + timeout
    notes: list[str] = []
    try:
        try:
            notes += launch.drive(subject, deadline)
            subject.join(deadline)
        except TimedOutError:
            # One whose core is being written has crashed.
            hung = subject.alive and not end_dump(subject, notes)
            if hung:
                notes += abort(subject, grace)
            return Watched(hung, False, notes)
    except InterruptedRunError:
        kill(subject)
        return Watched(False, True, notes)
    return Watched(False, False, notes)


def versions() -> dict[str, str]:
    """The exact versions of this interpreter and of the C library that it runs on."""
    # The t of a free-threaded build, which its own version does not have.
    build = "t" if "t" in sys.abiflags else ""
    found = {"python": platform.python_version() + build}
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    return {**found, "glibc": version} if name == "glibc" else found


def separate(mark: str) -> None:
    """Write the mark to both streams: the next trial's output follows."""
    for stream in (1, 2):
        # A subject that shares the stream can have changed that.
        os.set_blocking(stream, True)
        left = mark.encode()
        while left:
            left = left[os.write(stream, left) :]


def goes_on(ended: dict[str, object], wanted: str) -> bool:
    """Whether the next trial follows after this exit: `wanted` is `exit`, or `exit:0`."""
    kind, colon, status = wanted.partition(":")
    alike = ended["kind"] == kind and (not colon or str(ended["status"]) == status)
    return alike and not ended["interrupted"]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run subjects and report how each exited.")
    parser.add_argument("--report", required=True, metavar="FILE", help="a new file to write")
    parser.add_argument(
        "--user", type=identity.user_and_group, metavar="UID:GID", help="as whom root runs subjects"
    )
    parser.add_argument("--launcher", required=True, help="what starts the target")
    parser.add_argument(
        "--target", nargs=2, required=True, metavar=("KIND", "FILE"), help="a file of the scenario's folder"
    )
    parser.add_argument("--argument", action="append", default=[], help="an argument of the target itself")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="a variable of the subject's alone"
    )
    parser.add_argument(
        "--timeout", type=float, required=True, help="seconds from a subject's start to its end"
    )
    parser.add_argument("--wrap", default="", help="words to put before the command, quoted as for a shell")
    parser.add_argument("--option", action="append", default=[], help="an option of the launcher's program")
    parser.add_argument("--serving", default="", help="an application's requests, and what ends its workers")
    parser.add_argument("--trials", type=int, default=1, help="how many, one after the other")
    parser.add_argument(
        "--variant", action="append", default=[], type=json.loads, metavar="JSON",
        help="what a trial has beside all that: variables (env), options and arguments; one for each trial",
    )  # fmt: skip
    parser.add_argument("--while", dest="wanted", default="exit", help="go on while an exit is this: exit:0")
    parser.add_argument("--scratch", action="append", default=[], help="a folder to empty between two trials")
    parser.add_argument("--emulated", action="store_true", help="this runs under qemu-user, which is slow")
    options = parser.parse_args(arguments)
    if options.target[0] not in (*COMMANDS, WSGI):
        parser.error(f"--target: no kind of target is called {options.target[0]!r}")
    options.mark = os.environ.pop(MARK_VARIABLE, "")
    options.argument, options.option = words(options.argument), words(options.option)
    options.serving = read_plan(options.serving) if options.target[0] == WSGI else None
    return options


def varied(options: argparse.Namespace, number: int) -> argparse.Namespace:
    """The command line of the trial of this number, from 0 on: with its own variant, if it has one."""
    if number >= len(options.variant):
        return options
    own = options.variant[number]
    env = [f"{name}={value}" for name, value in own.get("env", {}).items()]
    more = {
        "env": [*options.env, *env],
        "option": [*options.option, *own.get("options", [])],
        "argument": [*options.argument, *own.get("arguments", [])],
    }
    return argparse.Namespace(**{**vars(options), **more})


def words(values: list[object]) -> list[str]:
    """The values of a repeated option; argparse before 3.13 reads the value `--` as an empty list."""
    return ["--" if value == [] else str(value) for value in values]


def clean(folders: list[str]) -> list[str]:
    """Remove the processes and files that a trial left; returns notes on what cannot be removed."""
    cleanup.end_stragglers()
    left = [path for folder in folders for path in cleanup.empty(folder, REPORT_FOLDER)]
    if not left:
        return []
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return [f"the trial before left files that cannot be removed: {left[0][:PATH_SHOWN]!a}{more}"]


def person() -> dict[str, str]:
    """What real programs ask of their user: a home that can be written to, and a name; there is no passwd."""
    return {"HOME": os.getcwd(), "USER": USER, "LOGNAME": USER}


def copy_project(home: str, watched: bool) -> str:
    """Copy the scenario's folder to where it may be written to; returns the copy's folder.

    An instrument writes beside this program's report, by a path relative to where its subject starts.
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
    """Run one subject to its end; `notes` come first in its exit. Raises OSError if it cannot be started."""
    kind, file = options.target
    launch = launch_of(options.launcher)(home, Target(kind, file, tuple(options.argument)), options.option)
    command = [*shlex.split(options.wrap), *launch.command()]
    environment = dict(item.split("=", 1) for item in options.env)
    if kind in CODE:
        environment = {**person(), **environment}
    ends = Ends() if options.serving else None
    if ends:
        environment[VARIABLE] = ends.path
    start = Start(copy_project(home, bool(options.wrap)) if kind in CODE else ".", environment)
    grace = EMULATED_GRACE if options.emulated else ABORT_GRACE
    if kind == PYTEST:
        ended = run_tests(
            command, start, wakeup, lambda one, left: watch(one, launch, left, grace), options.timeout
        )
        return finished(*ended, began, notes)
    try:
        started = Subject(command, wakeup, start)
    except OSError as error:
        if kind == COMMAND and not options.wrap:
            return not_started(error, command[0], time.monotonic() - began, notes)
        error.filename = command[0]
        raise
    if ends:
        server = Server(started, launch.port, launch.manners, ends, wakeup)
        served = serve(server, options.serving, started.started + options.timeout, grace)
        return describe_server(served, started, began, notes)
    subject, watched = follow(started, launch, options.timeout, grace, wakeup)
    if subject is not started:
        kill(started)
    return finished(subject, watched, {"doing": None, "others": []}, began, notes)


def finished(
    subject: Subject, watched: Watched, more: dict[str, object], began: float, notes: list[str]
) -> dict[str, object]:
    """The exit of a trial, once the cores of all its processes are written; `more` is what else it has."""
    watched.notes.extend(cleanup.await_dumps())
    watched.notes[:0] = notes
    return {**describe(subject, subject.started - began, *watched), **more}


def run_trials(home: str, options: argparse.Namespace, report: Report) -> None:
    """Run one subject after the other and report each exit, while they end as wanted."""
    if options.wrap or options.serving:
        os.makedirs(REPORT_FOLDER, exist_ok=True)
        cleanup.adopt_orphans()
    began, wakeup = time.monotonic(), Wakeup()
    # A process that a subject left behind and that cannot be ended would run on into the next trial.
    most = options.trials if options.trials == 1 or cleanup.adopt_orphans() else 1
    notes: list[str] = []
    for number in range(most):
        if number:
            notes = clean(options.scratch)
            separate(options.mark)
        ended = run_trial(home, varied(options, number), wakeup, began, notes)
        if options.wrap:
            cleanup.await_stragglers(LAST_WORDS)
        report.add(ended)
        if not goes_on(ended, options.wanted):
            break


def failed(report: Report, why: str) -> int:
    """Say why this program ends without an exit of its subject; returns its own exit status."""
    report.fail(why)
    print(f"supervisor: {why}", file=sys.stderr)
    return 1


def main(home: str, arguments: list[str] | None = None) -> int:
    """Run the subjects and report their exits; returns this program's exit status.

    `home` is the image's folder of scenario and servers (paths.HOME).
    """
    options = parse(arguments)
    try:
        report = Report(options.report, versions())
        if options.user:
            identity.divide(*options.user)
    except OSError as error:
        print(f"supervisor: cannot start: {error}", file=sys.stderr)
        return 1
    try:
        run_trials(home, options, report)
    except ForgedError as error:
        return failed(report, str(error))
    except OSError as error:
        return failed(report, f"cannot start {error.filename}: {error.strerror}")
    except Exception as error:
        report.fail(f"{type(error).__name__}: {error}")
        raise
    return 0
