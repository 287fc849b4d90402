"""Cores of a container's other processes: whose they are, and in which trial they crashed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cores import collect_others, others
from orchestrator.cores.journal import SkippedCore, StoredCore
from orchestrator.model import CHILD, CoreState, OtherProcess, Outcome, OutcomeKind

CONTAINER = "c" * 64
PATTERN = "|/lib/systemd/systemd-coredump %P %u %g %s %t 9223372036854775808 %h %d\n"


def outcome(pid: int | None, *known: OtherProcess, dumped: bool = False) -> Outcome:
    return Outcome(
        kind=OutcomeKind.SIGNAL if dumped else OutcomeKind.EXIT,
        status=None if dumped else 0,
        signal="SIGSEGV" if dumped else None,
        core_dumped=dumped,
        pid=pid,
        seconds=1.0,
        started="2026-11-20T06:00:03.120+00:00",
        container=CONTAINER,
        hostname="cm-1",
        stdout="stdout",
        stderr="stderr",
        others=known,
    )


def stored(pid: int | None, comm: str = "python3", *, exe: str | None = None) -> StoredCore:
    """A core of which no file was kept, so that none is copied."""
    return StoredCore(
        filename=None, cgroup=f"/docker/{CONTAINER}", pid=pid, comm=comm, exe=exe, signal="SIGSEGV",
        truncated=False, collector=None,
    )  # fmt: skip


def worker(pid: int, *, dumped: bool = True) -> OtherProcess:
    return OtherProcess(
        pid=pid,
        role="worker 2",
        doing="a test",
        kind=OutcomeKind.SIGNAL,
        signal="SIGSEGV",
        core_dumped=dumped,
    )


Look = Callable[..., tuple[others.Others, ...]]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Look for others among the cores that the journal has."""
    pattern = tmp_path / "core_pattern"
    pattern.write_text(PATTERN)

    def look(
        outcomes: list[Outcome],
        *cores: StoredCore,
        handler: str = PATTERN,
        skipped: tuple[SkippedCore, ...] = (),
    ) -> tuple[others.Others, ...]:
        pattern.write_text(handler)
        monkeypatch.setattr(others, "find_cores", lambda _hostname: cores)
        monkeypatch.setattr(others, "find_skipped", lambda _since: skipped)
        folders = [tmp_path] * len(outcomes)
        return collect_others(outcomes, folders=folders, root=tmp_path, deadline=0, pattern=pattern)

    return look


def pids(found: others.Others) -> list[int | None]:
    return [item.process.pid for item in found.crashes]


def test_a_process_that_only_the_journal_knows_is_a_child_with_its_command_name(look: Look) -> None:
    (found,) = look([outcome(7)], stored(9, "node"))
    (crash,) = found.crashes
    assert crash.process == OtherProcess(
        pid=9, name="node", role=CHILD, kind=OutcomeKind.SIGNAL, signal="SIGSEGV", core_dumped=True
    )
    assert crash.core.state is CoreState.LOST
    assert crash.ended == "SIGSEGV of child process node"


def test_the_judged_processs_own_core_is_no_others(look: Look) -> None:
    assert look([outcome(7, dumped=True)], stored(7))[0].crashes == ()
    assert look([outcome(7, dumped=True)], stored(None))[0].crashes == ()
    assert pids(look([outcome(7)], stored(None))[0]) == [None]
    assert pids(look([outcome(None)], stored(8))[0]) == [8]


def test_each_trial_of_a_container_has_the_crashes_of_its_own_processes(look: Look) -> None:
    found = look(
        [outcome(7), outcome(20, worker(31)), outcome(30)], stored(9), stored(25), stored(31), stored(40)
    )
    assert [pids(item) for item in found] == [[9], [25, 31], [40]]


def test_a_process_that_the_supervisor_knows_keeps_its_role(look: Look) -> None:
    (found,) = look([outcome(7, worker(9), worker(11), worker(12, dumped=False))], stored(8), stored(9))
    assert [(item.process.pid, item.process.role, item.process.name) for item in found.crashes] == [
        (8, CHILD, "python3"), (9, "worker 2", "python3"), (11, "worker 2", None), (12, "worker 2", None)
    ]  # fmt: skip
    assert found.crashes[2].core.note == "systemd-coredump reported none"
    assert found.crashes[1].ended == "SIGSEGV of worker 2 while a test ran"


def test_a_report_that_the_journal_contradicts_is_no_end(look: Look) -> None:
    """As where a worker writes its own end into what its master records."""
    (found,) = look([outcome(7)], stored(7))
    assert found.crashes == ()
    assert found.own
    assert found.own.state is CoreState.LOST
    assert found.disagreement == (
        "the supervisor reports exit 0 of process 7, and the journal has its core, of SIGSEGV"
    )
    quiet = OtherProcess(pid=9, role="worker", kind=OutcomeKind.EXIT, status=0)
    (found,) = look([outcome(7, quiet)], stored(9))
    assert found.own is None
    assert found.disagreement == (
        "the supervisor reports exit 0 of process 9, and the journal has its core, of SIGSEGV"
    )


def test_a_report_that_the_journal_confirms_is_no_disagreement(look: Look) -> None:
    for found in look([outcome(7, worker(9), dumped=True), outcome(12)], stored(7), stored(9), stored(15)):
        assert (found.own, found.disagreement) == (None, None)


def test_a_core_of_another_container_with_this_hostname_is_not_taken(look: Look) -> None:
    foreign = StoredCore(
        filename=None, cgroup="/docker/" + "d" * 64, pid=9, comm="x", exe=None, signal="SIGSEGV",
        truncated=False, collector=None,
    )  # fmt: skip
    assert look([outcome(7)], foreign)[0].crashes == ()


def test_no_more_than_sixteen_cores_are_collected_and_the_rest_is_counted(look: Look) -> None:
    (found,) = look([outcome(7)], *(stored(pid) for pid in range(10, 50)))
    assert pids(found) == list(range(10, 26))
    assert found.left_out == 24


def test_a_core_of_the_emulator_tells_of_a_crash_and_is_not_read(look: Look) -> None:
    (found,) = look([outcome(7)], stored(9, exe="/usr/bin/qemu-aarch64-static"))
    (crash,) = found.crashes
    assert (crash.process.pid, crash.core.state) == (9, CoreState.LOST)


def test_a_core_that_the_kernel_skipped_may_be_of_a_process_that_nobody_knows(look: Look) -> None:
    skipped = tuple(SkippedCore(pid=pid, comm="uwsgi") for pid in (7, 9, 12, 13))
    (found,) = look([outcome(7, worker(9))], skipped=skipped)
    assert found.note is not None
    assert found.note.startswith("whether another process crashed is not known: ")
    assert found.note.endswith("skipped the core of uwsgi and 1 more")
    (found,) = look([outcome(7, worker(9))], skipped=skipped[:2])
    assert found.note is None


def test_where_cores_go_elsewhere_it_is_said_that_others_cannot_be_seen(look: Look) -> None:
    (found,) = look([outcome(7, worker(9))], handler="core\n")
    assert pids(found) == [9]
    assert found.note is not None
    assert "kernel.core_pattern is 'core', not systemd-coredump" in found.note
