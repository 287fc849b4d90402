"""Runs the user's tests: pytest is started again after each crash until every test has run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.supervisor import cleanup, dumps
from orchestrator.supervisor.captured import Captured
from orchestrator.supervisor.clock import CLOCK
from orchestrator.supervisor.exits import other
from orchestrator.supervisor.paths import REPORT_FOLDER
from orchestrator.supervisor.pytest_log import PytestLog
from orchestrator.supervisor.tested import Start, TestedProcess, Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.supervisor.wakeup import Wakeup

MOST = 17
"""Processes of one trial; the cores of 16 further ones are collected beside the first."""
LOG, SKIP, FILES = "CRASHMATRIX_TESTS_LOG", "CRASHMATRIX_TESTS_SKIP", "CRASHMATRIX_TESTS_FILES"
"""The environment variables with the plugin's files, and with the address that it sends pytest's to."""
ROLE = "pytest"
SHOWN = 200
"""Characters that a note shows of a test's name; a note has at most 500."""


class Run(NamedTuple):
    """A process of pytest, and what it was doing when it died; None if pytest ended by itself."""

    tested: TestedProcess
    watched: Watched
    doing: str | None


def run_tests(
    command: list[str],
    start: Start,
    wakeup: Wakeup,
    watch: Callable[[TestedProcess, float], Watched],
    timeout: float,
) -> tuple[TestedProcess, Watched, dict[str, object]]:
    """Run pytest in at most `timeout` seconds, once more behind each test that its process died in.

    `watch` waits for the end of a process, for some seconds from its start. Returns the judged process, the
    first that died or else the last, and what its exit in the report has besides. Raises OSError if
    pytest cannot be started.
    """
    os.makedirs(REPORT_FOLDER, exist_ok=True)
    # Otherwise the children of a crashed process would run beside the next one.
    cleanup.adopt_orphans()
    log = PytestLog(REPORT_FOLDER)
    captured = Captured()
    told = {LOG: log.path, SKIP: log.skip_path, FILES: captured.name}
    start = start._replace(environment={**start.environment, **told})
    deadline = CLOCK.now() + timeout
    runs: list[Run] = []
    while True:
        tested = TestedProcess(command, wakeup, start)
        watched = watch(tested, deadline - tested.began)
        log.update()
        doing = log.doing(tested.pid) if died(tested, log) else None
        runs.append(Run(tested, watched, doing))
        new = bool(doing) and log.pass_over(tested.pid)
        watched.notes.extend(show_captured(captured, log))
        goes_on = new and not (watched.hung or watched.interrupted)
        if not goes_on or log.left == 0:
            break
        if len(runs) == MOST or CLOCK.left(deadline) <= 0:
            why = f"after {MOST} processes" if len(runs) == MOST else "at the time limit"
            left = "some" if log.left is None else log.left
            watched.notes.append(f"pytest was not started again {why}: {left} tests were not run")
            break
        dumps.await_dumps()
        cleanup.end_stragglers()
        log.write_skip()
    captured.end()
    return result(runs, log)


def show_captured(captured: Captured, log: PytestLog) -> list[str]:
    """Print the captured output of tests during which a process ended; returns notes on what is lost."""
    captured.receive()
    lost = []
    while log.cut_off:
        pid, test = log.cut_off.popitem()
        if not captured.show(pid, test) and log.capture in ("fd", "sys"):
            lost.append(
                f"what {test[:SHOWN]} printed is lost: pytest had captured it (--capture={log.capture})"
            )
    return lost


def died(tested: TestedProcess, log: PytestLog) -> bool:
    """Whether a process ended by a signal, or in the middle of a test or a module that ended it."""
    return signalled(tested) or log.is_at_one(tested.pid)


def signalled(tested: TestedProcess) -> bool:
    """Whether a process that has ended died by a signal."""
    return tested.wait_status is not None and os.WIFSIGNALED(tested.wait_status)


def result(runs: list[Run], log: PytestLog) -> tuple[TestedProcess, Watched, dict[str, object]]:
    """The judged process, and the others with the log as the report has them."""
    killed = next((run for run in runs if signalled(run.tested)), None)
    ended = next((run for run in runs if run.doing), None)
    judged = killed or ended or runs[-1]
    others = [
        other(run.tested, ROLE, run.doing, tuple(run.watched.notes)) for run in runs if run is not judged
    ]
    more: dict[str, object] = {"doing": judged.doing, "others": others, "tests": log.name}
    return judged.tested, judged.watched, more
