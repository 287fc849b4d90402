"""A pytest plugin that says which test runs, so that the test that ran when the process died is known.

Each event is one line of JSON, appended to the file that the environment names by one write, so that lines of
several processes (pytest-xdist) do not mix and none is lost when the process dies. A second process, started
behind a crash, leaves out the tests and modules that the supervisor names in another file.

Works with pytest 6 and later, and with pytest-xdist where each worker is a process of its own.
"""

from __future__ import annotations

import array
import json
import os
import socket
import time
from contextlib import suppress

import pytest

LOG, SKIP, FILES = "CRASHMATRIX_TESTS_LOG", "CRASHMATRIX_TESTS_SKIP", "CRASHMATRIX_TESTS_FILES"
"""Environment variables: the path of the log, and of the tests and modules to leave out; the name of the
supervisor's socket."""
SKIPPED = "Skipped: "
MESSAGE, DETAIL = 400, 4000
"""Characters that are kept of a failure's first line, and of the end of its text."""


class Recorder:
    """Writes the log of one process."""

    def __init__(self, config: pytest.Config, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.worker = getattr(config, "workerinput", {}).get("workerid")
        self.plugins = config.pluginmanager
        self.skip = read_skip(os.environ.get(SKIP))
        self.reports: dict[str, dict[str, object]] = {}
        self.capture = str(config.getoption("capture", ""))
        self.sent = False
        self.write("process", capture=self.capture)

    @property
    def distributes(self) -> bool:
        """Whether other processes run the tests of this one; xdist says so after it was configured."""
        return bool(self.plugins.hasplugin("dsession"))

    def write(self, event: str, **more: object) -> None:
        """Append an event with the process that it happened in."""
        line = {"event": event, "pid": os.getpid(), "worker": self.worker, "time": time.time(), **more}
        os.write(self.file, json.dumps(line).encode() + b"\n")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector):  # type: ignore[no-untyped-def] # noqa: ANN201
        """The module whose collection, which imports it, runs; one that crashed is collected as empty."""
        is_file = isinstance(collector, pytest.File)
        if is_file and collector.nodeid in self.skip["modules"]:
            collector.collect = list  # type: ignore[method-assign]
        elif is_file:
            self.write("collecting", node=collector.nodeid)
        outcome = yield
        report = outcome.get_result()
        message, detail = told(report) if report.failed else (None, None)
        if is_file or report.failed:
            self.write("collected", node=collector.nodeid, message=message, detail=detail)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Give the supervisor the files in which pytest captures output: now descriptors 1 and 2."""
        name = os.environ.get(FILES)
        if self.capture == "fd" and name and not self.sent:
            self.sent = True
            send_files(name)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the tests that an earlier process ran."""
        done = [item for item in items if item.nodeid in self.skip["tests"]]
        if done:
            items[:] = [item for item in items if item.nodeid not in self.skip["tests"]]
            config.hook.pytest_deselected(items=done)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """How many tests there are to run."""
        if not self.distributes:
            self.write("selected", count=len(session.items))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item):  # type: ignore[no-untyped-def] # noqa: ANN201
        """The test that runs, and how it ended, after all of its phases and reruns."""
        self.reports.pop(item.nodeid, None)
        self.write("start", node=item.nodeid)
        yield
        ended = self.reports.pop(item.nodeid, {"outcome": "unknown", "seconds": 0.0})
        self.write("end", node=item.nodeid, **ended)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember how a phase ended; of a test whose worker died, xdist's own report is the only one."""
        if self.distributes:
            if str(report.when) == "???":
                worker = getattr(getattr(report, "node", None), "gateway", None)
                message, _ = told(report)
                self.write("lost", node=report.nodeid, of=getattr(worker, "id", None), message=message)
            return
        earlier = self.reports.get(report.nodeid)
        if earlier is None or report.when == "setup":
            earlier = self.reports[report.nodeid] = {"outcome": "passed", "seconds": 0.0}
        earlier["seconds"] = round(float(str(earlier["seconds"])) + report.duration, 4)
        outcome = outcome_of(report)
        if outcome != "passed" and earlier["outcome"] not in ("failed", "error"):
            message, detail = told(report)
            earlier.update(outcome=outcome, message=message, detail=detail)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """An error of pytest or of a plugin itself."""
        self.write("internal error", message=excinfo.exconly()[-MESSAGE:])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """All tests have ended; what runs from here on is the end of the process."""
        self.write("finish", status=int(exitstatus))


def pytest_configure(config: pytest.Config) -> None:
    """Record this process, if the supervisor asks for it."""
    path = os.environ.get(LOG)
    if path:
        config.pluginmanager.register(Recorder(config, path), "crashmatrix-recorder")


def send_files(name: str) -> None:
    """Send descriptors 1 and 2 to the supervisor; nothing is sent where it cannot take them at once."""
    files = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", (1, 2)))]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendmsg([json.dumps(os.getpid()).encode()], files, socket.MSG_DONTWAIT, f"\0{name}")


def read_skip(path: str | None) -> dict[str, set[str]]:
    """The tests and modules to leave out, by node id."""
    named: dict[str, list[str]] = {}
    if path and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            named = json.load(file)
    return {kind: set(named.get(kind, ())) for kind in ("tests", "modules")}


def outcome_of(report: pytest.TestReport) -> str:
    """How a phase ended, in pytest's own words for whole tests."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed" if report.passed else "failed"
    if report.outcome == "failed":
        return "failed" if report.when == "call" else "error"
    return "skipped" if report.outcome == "skipped" else "passed"


def told(report: pytest.TestReport | pytest.CollectReport) -> tuple[str | None, str | None]:
    """The reason of a report on one line, and the end of its whole text."""
    why = report.longrepr
    if isinstance(why, tuple):  # a skip: file, line, reason
        reason = str(why[2])
        return reason[len(SKIPPED) if reason.startswith(SKIPPED) else 0 :][:MESSAGE], None
    crash = getattr(why, "reprcrash", None)
    text = "" if why is None else str(report.longreprtext)
    last = next((line for line in reversed(text.splitlines()) if line.startswith("E  ")), text.strip())
    message = str(crash.message).strip().partition("\n")[0] if crash else last.lstrip("E ").partition("\n")[0]
    return (message[:MESSAGE] or None), (text[-DETAIL:] or None)
