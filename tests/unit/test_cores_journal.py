"""What systemd 252 and kernel 6.18 wrote into the journal, captured with our own queries."""

import os
import uuid
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.cores import collect
from orchestrator.cores import journal as journal_module
from orchestrator.cores.collection import STORE, _keep, choose, is_systemd_coredump
from orchestrator.cores.journal import FIELDS, parse_core, parse_entries
from orchestrator.errors import ToolError
from orchestrator.model import CoreState, Outcome, OutcomeKind

DATA = Path(__file__).parents[1] / "data" / "cores"


def stored(name: str) -> list[journal_module.StoredCore]:
    return [parse_core(entry) for entry in parse_entries((DATA / f"journal-{name}.jsonl").read_text())]


def outcome(signal: str | None, *, dumped: bool = False) -> Outcome:
    return Outcome(
        kind=OutcomeKind.SIGNAL if signal else OutcomeKind.EXIT,
        signal=signal,
        core_dumped=dumped,
        pid=7,
        seconds=1.0,
        started=datetime.now(UTC).isoformat(),
        container="0" * 64,
        hostname="no-such-host",
        stdout="stdout",
        stderr="stderr",
    )


def test_crashes_of_one_second_and_one_pid_are_kept_apart() -> None:
    cores = stored("same-second")
    containers = [(core.cgroup or "").rpartition("/")[2] for core in cores]
    assert len(set(containers)) == 3
    assert len({core.pid for core in cores}) < 3
    for container, core in zip(containers, cores, strict=True):
        match = choose(cores, container, core.pid)
        assert match is not None
        assert match.core == core
        assert match.note is None


@pytest.mark.parametrize(
    "spelling",
    ["/docker/{}", "/system.slice/docker-{}.scope", "/machine.slice/libpod-{}.scope/container"],
)
def test_any_cgroup_drivers_spelling_is_matched(spelling: str) -> None:
    core = parse_core({"COREDUMP_CGROUP": spelling.format("a" * 64)})
    assert choose([core], "a" * 64, None) is not None
    assert choose([core], "b" * 64, None) is None


def test_a_core_of_another_process_of_the_container_is_not_taken() -> None:
    core = parse_core({"COREDUMP_CGROUP": "/docker/" + "a" * 64, "COREDUMP_PROC_STATUS": "NSpid:\t900\t12\n"})
    assert core.pid == 12
    assert choose([core], "a" * 64, 7) is None


def test_a_core_without_cgroup_is_matched_by_hostname_and_that_is_said() -> None:
    match = choose([parse_core({"COREDUMP_PROC_STATUS": "NSpid:\t900\t7\n"})], "a" * 64, 7)
    assert match is not None
    assert match.note is not None
    assert "hostname only" in match.note


def test_a_truncated_core_and_one_that_was_not_stored() -> None:
    (truncated,), (lost,) = stored("truncated"), stored("not-stored")
    assert truncated.truncated
    assert truncated.filename is not None
    assert PurePosixPath(truncated.filename).parent == STORE
    assert lost.filename is None
    assert lost.signal == "SIGABRT"


def test_cores_that_the_kernel_skipped_are_found_in_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Linux 6.18, while 40 processes of one container crashed and one of another; and of older ones."""
    text = (DATA / "journal-skipped.jsonl").read_text()
    monkeypatch.setattr(journal_module, "_query", lambda _: parse_entries(text))
    found = journal_module.find_skipped(datetime.now(UTC))
    assert [(core.pid, core.comm) for core in found] == [(42, "python3"), (45, "python3"), (9, "uwsgi")]
    older = '{"MESSAGE": "Pid 812(a) (b) over core_pipe_limit"}\n{"MESSAGE": "Skipping core dump"}\n'
    monkeypatch.setattr(journal_module, "_query", lambda _: parse_entries(older))
    (core,) = journal_module.find_skipped(datetime.now(UTC))
    assert (core.pid, core.comm) == (812, "a) (b")


def test_the_reasons_are_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        journal_module, "_query", lambda _: parse_entries((DATA / "journal-kernel.jsonl").read_text())
    )
    assert journal_module.reason_not_dumped(9, datetime.now(UTC)) == "RLIMIT_CORE is set to 1, aborting core"
    assert journal_module.reason_not_dumped(8, datetime.now(UTC)) is None
    monkeypatch.setattr(
        journal_module, "_query", lambda _: parse_entries((DATA / "journal-reason.jsonl").read_text())
    )
    said = journal_module.reason_not_stored(stored("not-stored")[0])
    assert said is not None
    assert said.startswith("The core will not be stored: size 42489789 is greater than 20971520")


def test_secrets_are_not_asked_for() -> None:
    assert not {"COREDUMP_ENVIRON", "COREDUMP_CMDLINE", "COREDUMP", "COREDUMP_OPEN_FDS"} & set(FIELDS)


def test_fields_that_are_no_text() -> None:
    (entry,) = parse_entries('{"A": [104, 105, 255], "B": ["one", "two"], "C": null}\n')
    assert entry == {"A": "hi\ufffd", "B": "two", "C": ""}


@pytest.mark.parametrize("output", ["Hint: you are not root", "[1]", '{"A": []'])
def test_an_answer_that_is_not_the_journals(output: str) -> None:
    with pytest.raises(ToolError, match="not its JSON"):
        parse_entries(output)


@pytest.mark.parametrize("signal", [None, "SIGKILL", "SIGTERM"])
def test_what_dumps_no_core_costs_no_look(
    signal: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("orchestrator.cores.collection.find_cores", pytest.fail)
    core = collect(outcome(signal), folder=tmp_path, root=tmp_path, pattern=tmp_path / "absent")
    assert core.state is CoreState.NONE


@pytest.mark.parametrize("pattern", ["core", "|/usr/share/apport/apport %p", "/cores/systemd-coredump"])
def test_another_core_pattern_is_a_lost_core_with_the_hint(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "pattern").write_text(pattern + "\n")
    core = collect(
        outcome("SIGSEGV", dumped=True), folder=tmp_path, root=tmp_path, pattern=tmp_path / "pattern"
    )
    assert core.state is CoreState.LOST
    assert core.note is not None
    assert pattern in core.note
    assert "setup" in core.note


def test_systemd_coredumps_own_pattern() -> None:
    assert is_systemd_coredump("|/lib/systemd/systemd-coredump %P %u %g %s %t 9223372036854775808 %h %d")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/shadow",
        "/var/lib/systemd/coredump/../../../../etc/shadow",
        "/var/lib/systemd/coredump/x/core.a",
        "/var/lib/systemd/coredump/shadow",
        "core.a",
    ],
)
def test_the_journal_cannot_name_any_file_as_a_core(name: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="not in"):
        _keep(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="to look into the store of cores takes root")
def test_a_core_that_was_deleted_before_it_was_read_is_said(tmp_path: Path) -> None:
    name = f"{STORE}/core.none.0.{uuid.uuid4().hex}.1.1.zst"
    with pytest.raises(ToolError, match="deleted it again before it was read") as caught:
        _keep(name, tmp_path / "core")
    assert "MaxUse= and KeepFree=" in caught.value.hint
