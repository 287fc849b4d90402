"""Run one tested process after the other inside a container, and report how each exited.

The tested process is this program's own child, because only a parent sees the signal and the core flag of a
wait status. The tested process inherits stdout and stderr; between two trials, and only there, this program
writes a mark to both that no tested process knows, so that their output can be told apart.

It adds to its report after each trial and then ends with 0, whatever the exits. Trials that share a container
share nothing else: processes and files that one leaves behind are removed before the next.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from orchestrator.supervisor import cleanup, dumps, identity
from orchestrator.supervisor.ends import ForgedError
from orchestrator.supervisor.options import parse, varied
from orchestrator.supervisor.paths import REPORT_FOLDER
from orchestrator.supervisor.report import Report
from orchestrator.supervisor.trial import run_trial
from orchestrator.supervisor.wakeup import Wakeup

LAST_WORDS = 5.0
"""Seconds that an instrument gets to write the end of its output."""
PATH_SHOWN = 40
"""Characters that a note shows of a path; each may take 10, and a note has at most 500."""


def versions() -> dict[str, str]:
    """The exact versions of this interpreter and of the C library that it runs on."""
    # The t of a free-threaded build, which its own version does not have.
    build = "t" if "t" in sys.abiflags else ""
    found = {"python": sys.version.split()[0] + build}
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    return {**found, "glibc": version} if name == "glibc" else found


def separate(mark: str) -> None:
    """Write the mark to both streams: the next trial's output follows."""
    for stream in (1, 2):
        # A tested process that shares the stream can have changed that.
        os.set_blocking(stream, True)
        left = mark.encode()
        while left:
            left = left[os.write(stream, left) :]


def goes_on(ended: dict[str, object], wanted: str) -> bool:
    """Whether the next trial follows after this exit: `wanted` is `exit`, or `exit:0`."""
    kind, colon, status = wanted.partition(":")
    alike = ended["kind"] == kind and (not colon or str(ended["status"]) == status)
    return alike and not ended["interrupted"]


def clean(folders: list[str]) -> list[str]:
    """Remove the processes and files that a trial left; returns notes on what cannot be removed."""
    cleanup.end_stragglers()
    left = [path for folder in folders for path in cleanup.empty(folder, REPORT_FOLDER)]
    if not left:
        return []
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return [f"the trial before left files that cannot be removed: {left[0][:PATH_SHOWN]!a}{more}"]


def run_trials(home: str, options: argparse.Namespace, report: Report) -> None:
    """Run one tested process after the other and report each exit, while they end as wanted."""
    if options.wrap or options.serving:
        os.makedirs(REPORT_FOLDER, exist_ok=True)
        cleanup.adopt_orphans()
    began, wakeup = time.monotonic(), Wakeup()
    # A process that a tested process left behind and that cannot be ended would run on into the next trial.
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
    """Report why this program ends without an exit of its tested process; returns its own exit status."""
    report.fail(why)
    print(f"supervisor: {why}", file=sys.stderr)
    return 1


def main(home: str, arguments: list[str] | None = None) -> int:
    """Run the tested processes and report their exits; returns this program's exit status.

    `home` is the image's folder of scenario and servers (paths.HOME).
    """
    options = parse(arguments)
    dumps.Writers.emulated = options.emulated
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
