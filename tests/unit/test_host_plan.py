"""What setup plans for a given host."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.adapters.engine import EngineInfo
from orchestrator.errors import EXIT_HOST, HostError
from orchestrator.host import State
from orchestrator.host.doctor import maven, npm
from orchestrator.host.facts import (
    BinfmtHandler,
    Collection,
    Emulation,
    EngineFacts,
    Facts,
    HostPaths,
    Platform,
    Sysctl,
)
from orchestrator.host.plan import plan
from orchestrator.host.record import DaemonEntry, PackagesEntry, SysctlEntry
from orchestrator.host.steps import Goal, Step

PATHS = HostPaths()
PIPE = "|/lib/systemd/systemd-coredump %P %u %g %s %t 9223372036854775808 %h %d"
ENGINE = EngineInfo(
    name="docker",
    version="20.10.24",
    api="1.41",
    arch="x86_64",
    root="/var/lib/docker",
)
INSTALLED: Mapping[str, str] = {
    "docker.io": "/usr/sbin/dockerd",
    "docker-cli": "/usr/bin/docker",
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "gdb-multiarch": "/usr/bin/gdb-multiarch",
    "systemd-coredump": "/lib/systemd/systemd-coredump",
    "npm": "/usr/bin/npm",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "acl": "/usr/bin/setfacl",
}
PLATFORM = Platform(
    distribution="debian", version="12", family=frozenset({"debian"}), systemd=False, user="dev", uid=1000,
    root=True, contained=False,
)  # fmt: skip


def kernel(pattern: str = PIPE, limit: str = "64") -> dict[Sysctl, str]:
    return {Sysctl.CORE_PATTERN: pattern, Sysctl.CORE_PIPE_LIMIT: limit, Sysctl.SUID_DUMPABLE: "0"}


READY = Facts(
    platform=PLATFORM,
    engine=EngineFacts(endpoint="unix:///var/run/docker.sock", info=ENGINE),
    collection=Collection(sysctl=kernel(), coredump_served=True, journald_served=True),
    machine="x86_64",
    arm64=Emulation(
        mounted=True, handler=BinfmtHandler(enabled=True, interpreter="/usr/bin/qemu", flags="PF")
    ),
    found=INSTALLED,
)
BARE = replace(
    READY,
    engine=EngineFacts(reason="no engine socket exists"),
    collection=Collection(sysctl=kernel("core", "0"), coredump_served=False, journald_served=False),
    arm64=Emulation(),
    found={"docker-cli": "/usr/local/bin/docker"},
)
"""A fresh machine: a docker client and nothing else."""
NO_ENGINE = replace(READY, engine=EngineFacts(reason="no engine socket exists"))


def lines(steps: tuple[Step, ...]) -> list[str]:
    return [line for step in steps for line in step.lines]


def test_a_host_that_has_everything_lacks_nothing() -> None:
    assert plan(READY, PATHS) == ()


def test_a_bare_host_gets_every_step_in_order() -> None:
    steps = plan(BARE, PATHS)
    assert [step.goal for step in steps] == [
        Goal.PACKAGES, Goal.ENGINE, Goal.JOURNALD, Goal.COREDUMP, Goal.CORE_PATTERN, Goal.PIPE_LIMIT,
        Goal.BINFMT, Goal.ARM64,
    ]  # fmt: skip
    assert all(step.change and step.undone and step.lines for step in steps)


def test_the_kernels_settings_are_recorded_before_apt_changes_them() -> None:
    entries = plan(BARE, PATHS)[0].entries
    assert SysctlEntry(name=Sysctl.CORE_PATTERN, original="core") == entries[0]
    assert {entry.name for entry in entries if isinstance(entry, SysctlEntry)} == set(Sysctl)
    assert isinstance(entries[-1], PackagesEntry)


def test_the_pipe_limit_is_raised_again_after_apt_even_where_it_was_high() -> None:
    facts = replace(READY, found={k: v for k, v in INSTALLED.items() if k != "systemd-coredump"})
    assert [step.goal for step in plan(facts, PATHS)] == [Goal.PACKAGES, Goal.PIPE_LIMIT]


def test_only_what_lacks_is_installed() -> None:
    facts = replace(READY, found={k: v for k, v in INSTALLED.items() if k != "mmdebstrap"})
    (step,) = plan(facts, PATHS)
    assert step.packages == ("mmdebstrap",)
    assert step.lines[-1].endswith("install --yes --no-install-recommends --no-remove mmdebstrap")
    assert "DPkg::Lock::Timeout=120" in step.lines[-1]


def test_an_engine_that_answers_is_used_whatever_is_installed() -> None:
    facts = replace(READY, found={k: v for k, v in INSTALLED.items() if k != "docker.io"})
    assert plan(facts, PATHS) == ()


@pytest.mark.parametrize(("version", "client"), [("12", False), ("13", True), ("", True)])
def test_the_docker_client_is_a_package_of_its_own_after_bookworm(version: str, client: bool) -> None:
    facts = replace(BARE, platform=replace(PLATFORM, version=version), found={})
    assert ("docker-cli" in plan(facts, PATHS)[0].packages) is client


def test_a_conflicting_core_handler_is_named_before_apt_removes_it() -> None:
    ubuntu = replace(PLATFORM, distribution="ubuntu", version="24.04")
    step = plan(replace(BARE, platform=ubuntu, conflicting=("apport",)), PATHS)[0]
    assert "REMOVES apport" in step.change
    assert "--no-remove" not in step.lines[-1]


@pytest.mark.parametrize(
    ("systemd", "program", "line"),
    [
        (False, "/usr/sbin/dockerd", "dockerd >>/var/log/crashmatrix/dockerd.log 2>&1 &"),
        (True, "/usr/sbin/dockerd", "systemctl start docker.service"),
        (True, "/usr/bin/podman", "systemctl start podman.socket"),
        (
            False,
            "/usr/bin/podman",
            "podman system service --time=0 unix:///run/crashmatrix/podman.sock"
            " >>/var/log/crashmatrix/podman.log 2>&1 &",
        ),
    ],
)
def test_the_installed_engine_is_started(systemd: bool, program: str, line: str) -> None:
    facts = replace(
        NO_ENGINE, platform=replace(PLATFORM, systemd=systemd), found={**INSTALLED, "docker.io": program}
    )
    (step,) = plan(facts, PATHS)
    assert step.lines[-1] == line


def test_a_plain_user_is_let_in_after_the_engine_was_started() -> None:
    steps = plan(replace(NO_ENGINE, platform=replace(PLATFORM, root=False)), PATHS)
    assert [step.goal for step in steps] == [Goal.ENGINE, Goal.ACCESS]
    assert lines(steps)[-1] == "setfacl --modify u:1000:rw /run/docker.sock"


def test_a_plain_user_who_is_denied_gets_access_and_no_second_engine() -> None:
    denied = EngineFacts(reason="permission denied", denied=("/run/docker.sock",), daemon=7)
    steps = plan(replace(READY, engine=denied, platform=replace(PLATFORM, root=False)), PATHS)
    assert [step.goal for step in steps] == [Goal.ACCESS]


@pytest.mark.parametrize(
    ("engine", "what", "hint"),
    [
        (
            EngineFacts(reason="x", chosen="tcp://far:2375"),
            "DOCKER_HOST is tcp://far:2375",
            "unset DOCKER_HOST",
        ),
        (EngineFacts(reason="no answer", daemon=7), "pid 7 and does not answer", "see its log"),
    ],
)
def test_an_engine_that_is_the_users_own_affair_is_left_alone(
    engine: EngineFacts, what: str, hint: str
) -> None:
    with pytest.raises(HostError) as caught:
        plan(replace(READY, engine=engine), PATHS)
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert caught.value.exit_code == EXIT_HOST


def test_another_distribution_is_told_what_to_install() -> None:
    fedora = replace(PLATFORM, distribution="fedora", family=frozenset({"fedora"}), systemd=True)
    with pytest.raises(HostError, match="fedora") as caught:
        plan(replace(BARE, platform=fedora), PATHS)
    assert "docker.io, mmdebstrap" in caught.value.hint
    assert plan(replace(READY, platform=fedora), PATHS) == ()


def test_a_relative_of_debian_is_taken_as_one() -> None:
    mint = replace(PLATFORM, distribution="linuxmint", family=frozenset({"linuxmint", "ubuntu", "debian"}))
    assert plan(replace(BARE, platform=mint), PATHS)[0].goal is Goal.PACKAGES


def test_systemds_own_units_are_started_where_it_is_pid_1() -> None:
    dead = replace(READY.collection, coredump_served=False, journald_served=False)
    steps = plan(replace(READY, collection=dead, platform=replace(PLATFORM, systemd=True)), PATHS)
    assert lines(steps) == [
        "systemctl start systemd-journald.service", "systemctl start systemd-coredump.socket",
    ]  # fmt: skip


def test_only_folders_that_lack_are_made_and_recorded() -> None:
    dead = replace(READY.collection, journald_served=False)
    folders = frozenset({PATHS.run, PATHS.log, Path("/run/systemd")})
    (step,) = plan(replace(READY, collection=dead, folders=folders), PATHS)
    assert step.lines[0] == "mkdir -p /run/systemd/journal"
    assert [entry.about for entry in step.entries] == ["/run/systemd/journal", "systemd-journald"]
    assert isinstance(step.entries[-1], DaemonEntry)


def test_a_handler_that_only_the_hosts_root_can_use_gets_one_that_containers_can() -> None:
    here = BinfmtHandler(enabled=True, interpreter="/usr/bin/qemu-aarch64", flags="OC")
    found = {**INSTALLED, "qemu-user-static": "/usr/bin/qemu-aarch64-static"}
    (step,) = plan(replace(READY, found=found, arm64=Emulation(mounted=True, handler=here)), PATHS)
    assert step.goal is Goal.ARM64
    assert step.lines[-1].endswith(
        ":/usr/bin/qemu-aarch64-static:PF' | tee /proc/sys/fs/binfmt_misc/register"
    )


def test_what_only_widens_the_question_is_optional_and_a_native_host_lacks_nothing() -> None:
    steps = plan(replace(READY, arm64=Emulation()), PATHS)
    assert [(step.goal, step.optional) for step in steps] == [
        (Goal.PACKAGES, False), (Goal.BINFMT, True), (Goal.ARM64, True),
    ]  # fmt: skip
    assert plan(replace(READY, machine="aarch64", arm64=Emulation(native=True)), PATHS) == ()


def test_npm_is_installed_where_the_toolchains_that_it_fetches_run() -> None:
    found = {name: path for name, path in INSTALLED.items() if name != "npm"}
    (step,) = plan(replace(READY, found=found), PATHS)
    assert step.packages == ("npm",)
    arm64 = replace(READY, found=found, machine="aarch64", arm64=Emulation(native=True))
    assert plan(arm64, PATHS) == ()
    assert (npm(arm64).state, npm(arm64).found.partition(":")[0]) == (State.OK, "not needed")


def test_maven_widens_what_can_be_asked_and_is_left_to_the_user() -> None:
    row = maven(READY)
    assert (row.state, row.blocks, row.hint) == (State.MISSING, False, "apt-get install maven")
    assert plan(READY, PATHS) == ()
    assert maven(replace(READY, found={**INSTALLED, "maven": "/usr/bin/mvn"})).state is State.OK


def test_an_npm_that_does_not_answer_ends_no_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "npm"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr("orchestrator.host.probe.LOOK", 0.1)
    said = npm(replace(READY, found={**INSTALLED, "npm": str(program)}))
    assert (said.state, said.required) == (State.DEGRADED, False)
    assert "did not end within" in said.found
