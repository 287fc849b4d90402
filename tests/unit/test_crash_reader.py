"""From real cores and gdb's captured answers to a Crash."""

import json
from pathlib import Path

import pytest

from orchestrator.crash.reader import _evaluated, interpret, read_crash
from orchestrator.crash.stacks.gdb.backend import complete
from orchestrator.crash.stacks.gdb.run import parse_answer
from orchestrator.crash.stacks.python.backend import PYSTACK, PythonThread
from orchestrator.crash.stacks.registry import STACK_BACKENDS
from orchestrator.model import SCHEMA, Crash, Sysroot, Value
from orchestrator.names import BACKENDS
from tests.unit.real_cores import DATA, opened


@pytest.fixture
def sysroot(tmp_path: Path) -> Sysroot:
    (tmp_path / "fx").mkdir()
    (tmp_path / "fx/handler").write_bytes((DATA / "handler").read_bytes())
    return Sysroot(path=str(tmp_path), problems=("something is missing",))


def interpreted(name: str, sysroot: Sysroot) -> Crash:
    answer = parse_answer((DATA / f"gdb-{name}.json").read_bytes(), ("core file may not match",))
    with opened(name) as (_, core):
        return interpret(core, sysroot, complete(core, Path(sysroot.path), answer))


@pytest.mark.parametrize(
    ("name", "signature"),
    [("plain", "SIGSEGV touch > main"), ("siginfo", "SIGSEGV touch > main"),
     ("chained", "SIGSEGV touch > on_term")],
)  # fmt: skip
def test_the_original_fault_is_named_first(name: str, signature: str, sysroot: Sysroot) -> None:
    crash = interpreted(name, sysroot)
    assert (crash.signal.name, crash.signal.number, crash.signal.code) == ("SIGSEGV", 11, "SEGV_MAPERR")
    assert (crash.signal.fault_address, crash.signal.delivered) == ("0x60", "SIGABRT")
    assert (crash.crash.function, crash.crash.offset, crash.crash.exact) == ("touch", 7, True)
    assert crash.crash.module == "/fx/handler"
    assert crash.crash.build_id == "134a993fde0d9c2075364771ee82216c6a3d982b"
    assert crash.signature == signature


def test_all_threads_and_the_registers_of_the_fault(sysroot: Sysroot) -> None:
    crash = interpreted("plain", sysroot)
    assert [thread.crashed for thread in crash.threads] == [True, False]
    crashed = crash.crashed_thread
    assert crashed is not None
    assert crashed.registers["rip"] == crash.crash.pc
    assert crashed.registers["rax"] == "0x60"
    assert not crash.threads[1].registers
    assert "wait_for_ever" in [frame.function for frame in crash.threads[1].native]
    touch = next(frame for frame in crashed.native if frame.function == "touch")
    assert (touch.file, touch.line) == ("handler.c", 14)


def test_what_is_doubtful_is_said(sysroot: Sysroot) -> None:
    warnings = " / ".join(interpreted("plain", sysroot).warnings)
    for part in ("something is missing", "gdb: core file may not match",
                 "libc.so.6: its symbol table cannot be read"):  # fmt: skip
        assert part in warnings


def test_a_fault_without_siginfo_is_named_with_its_source_and_is_no_limit(sysroot: Sysroot) -> None:
    derived, noted = interpreted("plain", sysroot), interpreted("siginfo", sysroot)
    assert derived.sources["signal"] == "core, from the interrupted context"
    assert noted.sources["signal"] == "core"
    assert derived.signal == noted.signal
    assert "SA_SIGINFO" not in " ".join(derived.warnings)


def test_a_name_without_its_symbol_is_not_exact(sysroot: Sysroot) -> None:
    """libc is not in this sysroot, so nothing shows that gdb's name covers the address."""
    crashed = interpreted("plain", sysroot).threads[0].native
    frames = {frame.function: frame for frame in crashed}
    assert frames["abort"].exact is False
    assert frames["abort"].offset is None
    assert frames["give_up"].exact is True
    nameless = next(frame for frame in crashed if frame.function is None)
    assert nameless.module == "/usr/lib/x86_64-linux-gnu/libc.so.6"
    assert nameless.offset == 569068


def test_the_command_line_offers_every_backend() -> None:
    assert (*STACK_BACKENDS, PYSTACK) == BACKENDS


def test_without_gdb_the_notes_still_tell(sysroot: Sysroot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.crash.stacks.gdb.run.PROGRAMS", ())
    with opened("plain") as (path, core):
        crash = read_crash(path, core, sysroot, backends=["gdb"])
    assert crash.backends == dict.fromkeys(BACKENDS)
    assert crash.signal.name == "SIGABRT"
    assert crash.crash.module == "/usr/lib/x86_64-linux-gnu/libc.so.6"
    assert len(crash.threads) == 2
    assert any("gdb is not installed" in warning for warning in crash.warnings)


def test_a_crash_survives_its_json(sysroot: Sysroot) -> None:
    crash = interpreted("chained", sysroot)
    assert Crash.model_validate_json(crash.model_dump_json()) == crash


class Holder(Value):
    crash: Crash


def test_the_json_says_its_schema_alone_and_inside_a_result(sysroot: Sysroot) -> None:
    crash = interpreted("plain", sysroot)
    alone = json.loads(crash.model_dump_json())
    assert next(iter(alone.items())) == ("schema", SCHEMA)
    assert json.loads(Holder(crash=crash).model_dump_json())["crash"] == alone


def test_a_process_that_was_forked_keeps_the_thread_id_of_its_parent() -> None:
    """A worker of uWSGI without --enable-threads: pystack gave thread 8 for the only thread, 11 (seen)."""
    stale, other = PythonThread(tid=8, frames=()), PythonThread(tid=12, frames=())
    assert _evaluated((stale,), [11]) == {11: PythonThread(tid=11, frames=())}
    # Where there are more threads it is not known whose frames they are.
    assert _evaluated((stale,), [11, 12]) == {8: stale}
    assert _evaluated((stale, other), [11]) == {8: stale, 12: other}
    assert _evaluated((other,), [12]) == {12: other}
