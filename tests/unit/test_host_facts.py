"""The parsers of what the host says of itself, on captured texts."""

from pathlib import Path

import pytest

from orchestrator.errors import HostError
from orchestrator.host import HostPaths, check_arches
from orchestrator.host.facts import (
    handler_of_arm64,
    parse_binfmt,
    parse_listening,
    parse_os_release,
    parse_size,
    parse_start_time,
    parse_storage,
    pipes_to_coredump,
    store_room,
)
from orchestrator.model import Arch

DATA = Path(__file__).parents[1] / "data/host"


def captured(name: str) -> str:
    return (DATA / name).read_text()


@pytest.mark.parametrize(("name", "version"), [("bookworm", "12"), ("trixie", "13")])
def test_os_release_is_unquoted(name: str, version: str) -> None:
    fields = parse_os_release(captured(f"os-release-{name}"))
    assert (fields["ID"], fields["VERSION_ID"]) == ("debian", version)


@pytest.mark.parametrize(
    ("pattern", "piped"),
    [
        ("|/lib/systemd/systemd-coredump %P %u %g %s %t 9223372036854775808 %h %d", True),
        ("|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h %d %F", True),
        ("|/usr/share/apport/apport -p%p -s%s -c%c -d%d -P%P -u%u -g%g -F%F -- %E", False),
        ("|/opt/not-systemd-coredump %P", False),
        ("/var/cores/systemd-coredump", False),
        ("core", False),
        ("|", False),
        ("", False),
    ],
)
def test_only_a_pipe_into_systemd_coredump_counts(pattern: str, piped: bool) -> None:
    assert pipes_to_coredump(pattern) is piped


def test_listening_sockets_are_told_from_datagram_and_connected_ones() -> None:
    found = parse_listening(captured("net-unix.txt"))
    assert {"/run/systemd/coredump", "/run/systemd/journal/stdout", "/run/docker.sock"} <= found
    assert "/run/systemd/journal/socket" not in found  # a datagram socket: nobody can listen there


def test_a_socket_file_without_a_listener_is_not_listening() -> None:
    header = captured("net-unix.txt").splitlines()[0]
    row = "0000000066fb28b9: 00000002 00000000 {} 0005 01 19650 /run/systemd/coredump"
    assert parse_listening(f"{header}\n{row.format('00000000')}\n") == frozenset()
    assert parse_listening(f"{header}\n{row.format('00010000')}\n") == {"/run/systemd/coredump"}


def test_the_start_time_is_found_behind_a_hostile_process_name() -> None:
    assert parse_start_time(captured("stat-hostile-name.txt")) == 289280


def test_binfmt_works_in_containers_only_with_the_f_flag() -> None:
    text = captured("binfmt-qemu-aarch64.txt")
    handler = parse_binfmt(text)
    assert handler.works_in_containers
    assert handler.interpreter == "/usr/libexec/qemu-binfmt/aarch64-binfmt-P"
    assert not parse_binfmt(text.replace("flags: POF", "flags: PO")).works_in_containers
    assert not parse_binfmt(text.replace("enabled", "disabled", 1)).works_in_containers


def test_the_handler_of_arm64_is_told_by_its_magic_and_the_one_for_containers_comes_first() -> None:
    text = captured("binfmt-qemu-aarch64.txt")
    riscv = text.replace("0200b700", "0200f300")
    own = text.replace("flags: POF", "flags: PO")
    assert handler_of_arm64([riscv]) is None
    assert handler_of_arm64([riscv, own]) == parse_binfmt(own)
    assert handler_of_arm64([own, riscv, text]) == parse_binfmt(text)


def test_the_last_storage_wins_and_comments_do_not_count() -> None:
    shipped = captured("coredump.conf")
    assert parse_storage([shipped]) == "external"
    assert parse_storage([shipped, "[Coredump]\nStorage=none\n"]) == "none"
    assert parse_storage(["[Coredump]\nStorage=none\n", "[Coredump]\nStorage = external\n"]) == "external"


def test_a_foreign_architecture_needs_a_handler_that_works_in_containers(tmp_path: Path) -> None:
    paths = HostPaths(binfmt=tmp_path)
    check_arches([Arch.X86_64], Arch.X86_64, paths=paths)
    with pytest.raises(HostError, match="arm64 programs do not run on this x86_64 host"):
        check_arches([Arch.ARM64, Arch.X86_64], Arch.X86_64, paths=paths)
    (tmp_path / "qemu-aarch64").write_text(captured("binfmt-qemu-aarch64.txt"))
    check_arches([Arch.ARM64, Arch.X86_64], Arch.X86_64, paths=paths)
    with pytest.raises(HostError, match="x86_64 programs"):
        check_arches([Arch.X86_64], Arch.ARM64, paths=paths)


def test_the_last_size_of_coredump_conf_wins_in_bytes() -> None:
    shipped = "[Coredump]\n#KeepFree=\n#MaxUse=1G\n"
    assert parse_size([shipped], "KeepFree") is None
    assert parse_size([shipped, "KeepFree = 2G\n", "KeepFree=512M\n"], "KeepFree") == 512 << 20
    assert parse_size(["MaxUse=4096\n"], "MaxUse") == 4096


def test_what_systemd_coredump_keeps_free_by_itself() -> None:
    large = store_room([], "/x", 1 << 40, 1 << 39)
    assert (large.keep_free, large.max_use) == (4 << 30, 4 << 30)
    small = store_room([], "/x", 10 << 30, 1 << 30)
    assert (small.keep_free, small.max_use) == ((10 << 30) * 3 // 20, 1 << 30)
    told = store_room(["KeepFree=1G\nMaxUse=2G\n"], "/x", 1 << 40, 1 << 39)
    assert (told.keep_free, told.max_use) == (1 << 30, 2 << 30)
