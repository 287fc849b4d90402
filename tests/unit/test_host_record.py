"""The record of what setup changed: kept, merged, and taken back in reverse order."""

import os
from pathlib import Path

import pytest

from orchestrator.errors import HostError
from orchestrator.host import HostPaths, probe, record, undo
from orchestrator.host.facts import Sysctl
from orchestrator.host.record import (
    AccessEntry,
    BinfmtEntry,
    DaemonEntry,
    FolderEntry,
    MountEntry,
    PackagesEntry,
    Record,
    SysctlEntry,
    UnitEntry,
)
from orchestrator.host.undo import name_packages, revert

PATTERN = SysctlEntry(name=Sysctl.CORE_PATTERN, original="|/usr/share/apport/apport -p%p")
LIMIT = SysctlEntry(name=Sysctl.CORE_PIPE_LIMIT, original="0")
PACKAGES = PackagesEntry(names=("docker.io", "systemd-coredump"), replaced=("apport",))
ALL = (
    PATTERN,
    PACKAGES,
    FolderEntry(path="/run/crashmatrix"),
    DaemonEntry(name="dockerd", pid=12, started=34, boot="b"),
    UnitEntry(name="docker.service"),
    AccessEntry(path="/run/docker.sock", user="dev", uid=1000),
    MountEntry(path="/proc/sys/fs/binfmt_misc"),
    BinfmtEntry(name="crashmatrix-arm64"),
)


def test_every_entry_survives_the_way_through_json() -> None:
    whole = Record(made="2026-01-01T00:00:00+00:00", entries=ALL)
    assert Record.model_validate_json(whole.model_dump_json()) == whole


def test_the_first_original_stays_after_a_reboot() -> None:
    later = SysctlEntry(name=Sysctl.CORE_PATTERN, original="|/lib/systemd/systemd-coredump %P")
    assert Record.empty().adding(PATTERN).adding(later).entries == (PATTERN,)


def test_a_daemon_that_was_started_anew_replaces_its_entry_at_the_end() -> None:
    old, new = DaemonEntry(name="dockerd", pid=1), DaemonEntry(name="dockerd", pid=2)
    log = Record.empty().adding(old).adding(UnitEntry(name="x")).adding(new)
    assert log.entries == (UnitEntry(name="x"), new)


def test_a_recycled_pid_is_not_the_daemon() -> None:
    pid, boot = os.getpid(), probe.boot_id()
    started = probe.start_time(pid)
    assert started is not None
    assert DaemonEntry(name="x", pid=pid, started=started, boot=boot).alive
    assert not DaemonEntry(name="x", pid=pid, started=started + 1, boot=boot).alive
    assert not DaemonEntry(name="x", pid=pid, started=started, boot="another").alive
    assert not DaemonEntry(name="x").alive


def test_no_record_is_no_error(tmp_path: Path) -> None:
    said: list[str] = []
    paths = HostPaths(record=tmp_path / "setup.json")
    assert record.load(paths.record) is None
    assert undo(said.append, paths=paths) == ()
    assert "nothing to do" in said[0]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema_version": 2, "made": "x"}', '{"made":"x","entries":[{}]}']
)
def test_a_damaged_record_is_said_and_kept(tmp_path: Path, text: str) -> None:
    file = tmp_path / "setup.json"
    file.write_text(text)
    with pytest.raises(HostError, match=r"setup\.json"):
        record.load(file)
    assert file.read_text() == text


def test_packages_stay_and_are_named() -> None:
    said = name_packages(PACKAGES, PACKAGES.names)
    assert "apt-get purge --auto-remove docker.io systemd-coredump" in said
    assert "/usr/lib/sysctl.d/50-coredump.conf" in said
    assert "apt-get install apport" in said


def test_packages_that_never_came_are_not_said_to_be_left() -> None:
    assert "left installed: docker.io;" in name_packages(PACKAGES, ("docker.io",))
    assert "sysctl.d" not in name_packages(PACKAGES, ("docker.io",))
    assert "left" not in name_packages(PACKAGES, ())


def test_a_mount_that_setup_never_makes_is_not_unmounted(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="never makes"):
        revert(MountEntry(path="/home"), HostPaths(record=tmp_path / "x"))


def test_a_handler_is_taken_out_by_the_kernels_own_word(tmp_path: Path) -> None:
    paths = HostPaths(binfmt=tmp_path, record=tmp_path / "x")
    assert revert(BinfmtEntry(name="one"), paths) == "one is registered no longer"
    (tmp_path / "one").write_text("enabled\n")
    revert(BinfmtEntry(name="one"), paths)
    assert (tmp_path / "one").read_text() == "-1\n"


def test_a_folder_that_setup_never_makes_is_not_removed(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="never makes"):
        revert(FolderEntry(path=str(tmp_path)), HostPaths(record=tmp_path / "x"))
    assert tmp_path.is_dir()
