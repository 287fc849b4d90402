"""Doctor and setup on this very host; starting and stopping on folders of the test's own.

A real undo is not tested here: it would stop the engine and core collection under everybody else.
"""

import json
import re
import resource
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.adapters import process
from orchestrator.adapters.engine import Engine
from orchestrator.errors import HostError, ToolError
from orchestrator.host import HostPaths, State, doctor, probe, record, setup, trial, undo
from orchestrator.host.facts import Collection, Sysctl
from orchestrator.host.plan import plan
from orchestrator.host.record import DaemonEntry, Record
from orchestrator.host.setup import carry_out, crash_and_wait
from orchestrator.host.steps import Goal
from orchestrator.model import Arch

ORIGINAL = {Sysctl.CORE_PATTERN: "core", Sysctl.CORE_PIPE_LIMIT: "0", Sysctl.SUID_DUMPABLE: "0"}


def silent(_: str) -> None:
    """Takes what setup says and says nothing."""


def end(pid_file: Path) -> None:
    """End the daemon of a pid file, whatever became of its test."""
    process.stop_daemon(int(pid_file.read_text()), grace=2, hint="-")


def own_session() -> int:
    return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[3])


@pytest.fixture
def paths() -> Iterator[HostPaths]:
    """A host's folders of our own, with a short path: a unix socket's may have 107 bytes.

    What a test starts there is ended with it, told by the pid files: a test that fails gets to no undo.
    """
    with tempfile.TemporaryDirectory(prefix="cm-") as name:
        root = Path(name)
        for setting, value in ORIGINAL.items():
            file = root / "sys" / setting
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{value}\n")
        (root / "systemd").mkdir()
        try:
            yield HostPaths(
                sysctl=root / "sys", record=root / "lib/setup.json", run=root / "run", log=root / "log",
                systemd=root / "systemd",
            )  # fmt: skip
        finally:
            for pid_file in (root / "run").glob("*.pid"):
                end(pid_file)
            process.run(["rm", "-rf", "--", *map(str, root.iterdir())], root=True, hint="-")


def test_setup_has_nothing_to_do_the_second_time_and_says_so() -> None:
    setup(silent)
    said: list[str] = []
    assert setup(said.append) == ()
    assert "nothing to do" in said[0]


def test_doctor_finds_this_host_fit_and_changes_nothing() -> None:
    setup(silent)
    before = settings()
    found = {capability.name: capability for capability in doctor()}
    # How much room and memory are free is the machine's affair.
    lacks = {name for name, one in found.items() if one.required and one.state is not State.OK}
    assert lacks <= {"disk of the engine", "disk of the reports", "memory"}
    assert found["pystack"].state is State.OK
    assert all(one.hint for one in found.values() if one.state is not State.OK)
    assert settings() == before
    tried = {"a build with the network", "a cell's container"}
    assert found.keys() - {capability.name for capability in doctor(quick=True)} == tried


def test_an_engine_that_answers_and_starts_nothing_is_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel refuses a program of no architecture, as an engine refuses to start one without its bridge.
    monkeypatch.setattr(trial, "CODE", {Arch.X86_64: (1, b"")})
    found = trial.try_engine(engine, Arch.X86_64)
    assert [(one.state, one.blocks) for one in found] == [(State.MISSING, True)] * 2
    assert all("exec format error" in one.found or "/true" in one.found for one in found)


def settings() -> Collection:
    """How cores are collected, less the room on the disk, which other programs change."""
    found = probe.collection(HostPaths())
    return replace(found, store=found.store and replace(found.store, free=0))


def test_a_daemon_and_a_setting_are_set_up_and_taken_back(paths: HostPaths) -> None:
    facts = probe.survey(paths)
    bare = replace(facts, platform=replace(facts.platform, systemd=False))
    steps = {step.goal: step for step in plan(bare, paths)}
    said: list[str] = []

    log = carry_out(steps[Goal.COREDUMP], Record.empty(), paths, said.append)
    log = carry_out(steps[Goal.PIPE_LIMIT], log, paths, said.append)
    assert record.load(paths.record) == log
    state = probe.collection(paths)
    assert (state.coredump_served, state.pipe_limit) == (True, 64)
    (daemon,) = (entry for entry in log.entries if isinstance(entry, DaemonEntry))
    assert daemon.alive
    if process.is_root():  # nobody else may connect
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(paths.systemd / "coredump"))

    assert said == []
    assert carry_out(steps[Goal.COREDUMP], log, paths, said.append) == log
    assert said == ["      is so already"]

    undone = undo(said.append, paths=paths)
    assert [entry.about for entry in undone] == [entry.about for entry in reversed(log.entries)]
    assert not daemon.alive
    assert {name: (paths.sysctl / name).read_text().strip() for name in Sysctl} == ORIGINAL
    assert not any(path.exists() for path in (paths.run, paths.log, paths.record.parent))
    assert undo(said.append, paths=paths) == ()


def test_the_drop_in_for_cores_is_read_and_taken_back(paths: HostPaths) -> None:
    facts = probe.survey(paths)
    store = facts.collection.store
    assert store is not None
    short = replace(facts.collection, store=replace(store, free=2 << 30, keep_free=4 << 30))
    (step,) = (one for one in plan(replace(facts, collection=short), paths) if one.goal is Goal.CORE_ROOM)
    record.save(Record.empty().adding(step.entries[0]), paths.record)
    for command in step.commands:
        process.run(command.args, stdin=f"{command.stdin or ''}\n".encode(), root=True, hint="-")
    found = probe.collection(paths).store
    assert found is not None
    assert found.keep_free == 256 << 20
    assert undo(silent, paths=paths) == step.entries
    after = probe.collection(paths).store
    assert after is not None
    assert after == replace(store, free=after.free)
    assert not paths.core_room.parent.exists()


def test_a_daemon_that_cannot_serve_is_an_error_with_its_log(paths: HostPaths) -> None:
    facts = probe.survey(paths)
    bare = replace(facts, platform=replace(facts.platform, systemd=False))
    step = next(step for step in plan(bare, paths) if step.goal is Goal.COREDUMP)
    assert step.daemon
    broken = replace(step, daemon=replace(step.daemon, args=("ls", "/no-such-place")), deadline=0.5)
    with pytest.raises(HostError, match="No such file or directory") as caught:
        carry_out(broken, Record.empty(), paths, silent)
    assert "not reached within 0.5 s" in str(caught.value)
    undo(silent, paths=paths)
    assert not paths.run.exists()


def test_a_daemon_is_no_child_of_ours_and_ends_when_told(tmp_path: Path) -> None:
    pid_file = tmp_path / "sleep.pid"
    pid = process.spawn_daemon(["sleep", "60"], pid_file=pid_file, log=tmp_path / "log", hint="-")
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        assert int(stat[3]) != own_session()
        process.stop_daemon(pid, grace=2, hint="-")
        assert probe.start_time(pid) is None
    finally:
        end(pid_file)


def test_a_program_that_is_not_there_is_a_tool_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no-such-daemon"):
        process.spawn_daemon(["no-such-daemon"], pid_file=tmp_path / "p", log=tmp_path / "l", hint="-")


def test_setups_own_crash_asks_for_a_core_in_a_session_without_cores() -> None:
    """As in the session that installed systemd-coredump: Debian 13's stored none, and setup failed."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    try:
        pid = crash_and_wait()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    query = ["journalctl", "--output=json", "--since=-5min", f"COREDUMP_PID={pid}"]
    said = process.run(query, root=True, hint="").text.splitlines()
    limits = "".join(json.loads(line).get("COREDUMP_PROC_LIMITS", "") for line in said)
    limit = re.search(r"^Max core file size +(\w+) +(\w+) ", limits, re.MULTILINE)
    assert limit
    assert limit[1] == limit[2] != "0"
