"""Real cores of every kind of death, read with gdb and without: what each must tell."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.adapters.engine import Engine
from orchestrator.binary.core.unpack import plain_core
from orchestrator.cli import main
from orchestrator.crash.stacks.limits import loose
from orchestrator.model import Environment
from orchestrator.names import BACKENDS
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core
from tests.integration.dying import FAULTS, Read, died

NATIVE = pytest.mark.parametrize("backend", ["gdb", "elf"])


FACTS = {
    "segv": ("SIGSEGV", "SEGV_MAPERR", "touch", "touch > segv > main"),
    "bus": ("SIGBUS", "BUS_ADRERR", "bus", "bus > main"),
    "fpe": ("SIGFPE", "FPE_INTDIV", "fpe", "fpe > main"),
    "ill": ("SIGILL", "ILL_ILLOPN", "ill", "ill > main"),
    "trap": ("SIGTRAP", "SI_KERNEL", "trap", "trap > main"),
    "abrt": ("SIGABRT", "SI_TKILL", "__pthread_kill_implementation", "abrt > main"),
    "sys": ("SIGSYS", "SYS_SECCOMP", "syscall", "syscall > sys > main"),
    "twice": ("SIGABRT", "SI_TKILL", "__pthread_kill_implementation", "free > twice > main"),
    "claim": ("SIGABRT", "SI_TKILL", "__pthread_kill_implementation", "claim > main"),
    "overflow": ("SIGSEGV", "SEGV_MAPERR", "deeper", "deeper"),
    "wild": ("SIGSEGV", "SEGV_MAPERR", None, "? > wild > main"),
    "gone": ("SIGSEGV", "SEGV_MAPERR", None, "? > gone > main"),
    "copied": ("SIGSEGV", "SEGV_MAPERR", "gone_read", "gone_read > copied > main"),
    "threads": ("SIGSEGV", "SEGV_MAPERR", "touch", "touch > threads > main"),
    "terminate": ("SIGABRT", "SI_TKILL", "__pthread_kill_implementation", "terminate > main"),
    "stale": ("SIGSEGV", "SEGV_MAPERR", "walk", "walk > stale > main"),
    "refilled": ("SIGSEGV", "SI_KERNEL", "walk", "walk > refilled > main"),
    "overrun": ("SIGSEGV", "SI_KERNEL", "next_of", "next_of > overrun > main"),
    "poisoned": ("SIGSEGV", "SI_KERNEL", "_int_malloc", "malloc > poisoned > main"),
    "released": ("SIGSEGV", "SEGV_MAPERR", "walk", "walk > released > main"),
    "recovered": ("SIGABRT", "SI_TKILL", "__pthread_kill_implementation", "abrt > recovered > main"),
    "passed_on": ("SIGFPE", "FPE_INTDIV", "fpe", "fpe > passed_on > main"),
}


@NATIVE
@pytest.mark.parametrize("way", FACTS)
def test_each_way_to_die_is_named(way: str, backend: str, read: Read) -> None:
    crash = read(FAULTS, way, backend=backend)
    signal, code, function, stack = FACTS[way]
    assert (crash.signal.name, crash.signal.code) == (signal, code)
    assert (crash.crash.function, crash.crash.exact) == (function, function is not None)
    assert crash.signature == f"{signal} {stack}"
    assert crash.command == (FAULTS, way)
    assert crash.process == "faults"
    assert not crash.truncated
    assert all(module.build_id for module in crash.modules)
    if way not in ("overflow", "passed_on"):  # whose handler has no siginfo
        assert set(crash.warnings) <= set(loose())


@NATIVE
@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("twice", "double free or corruption (!prev)"),
        ("claim", 'faults: faults.c:67: claim: Assertion `zero == 1 && "the answer"\' failed.'),
        ("terminate", "uncaught exception std::runtime_error: the reason"),
        ("abrt", None),
    ],
)
def test_what_the_program_said_is_told(way: str, message: str | None, backend: str, read: Read) -> None:
    assert read(FAULTS, way, backend=backend).message == message


@NATIVE
@pytest.mark.parametrize(
    ("way", "meaning"),
    [
        ("segv", "near NULL: 0x60 bytes"), ("overflow", "the stack overflowed"),
        ("wild", "nothing is mapped"), ("gone", "nothing is mapped"),
        ("data", "not executable"), ("refilled", "no process can have"),
        ("released", "the link that glibc leaves in a freed block"),
        ("overrun", r'rax holds text in place of an address, ": true\n}"'),
        ("overrun", r'in "{\"a\": [1, 2, 3], \"long\" : true\n}"'),
        ("poisoned", "_int_malloc follows its lists of free blocks, which other code damaged earlier"),
        ("poisoned", 'was overwritten with "written!"'),
    ],
)  # fmt: skip
def test_the_address_has_a_meaning(way: str, meaning: str, backend: str, read: Read) -> None:
    assert meaning in (read(FAULTS, way, backend=backend).signal.meaning or "")


@NATIVE
def test_a_jump_into_data_is_not_given_the_name_of_a_variable(backend: str, read: Read) -> None:
    crash = read(FAULTS, "data", backend=backend)
    assert (crash.crash.function, crash.crash.module) == (None, FAULTS)
    assert crash.signature.endswith(" > data > main")


@NATIVE
def test_the_instruction_has_its_operands(backend: str, read: Read) -> None:
    (current,) = (line for line in read(FAULTS, "segv", backend=backend).crash.disassembly if line.current)
    assert "0x60" in current.text
    assert current.operands is not None
    assert "rax=0x0" in current.operands


@NATIVE
def test_a_signal_that_was_sent_has_its_sender(backend: str, read: Read) -> None:
    crash = read(FAULTS, "own", backend=backend)
    assert (crash.signal.code, crash.signal.fault_address) == ("SI_USER", None)
    assert crash.signal.sender is not None
    assert crash.signal.sender.uid == 0
    assert crash.threads[0].tid == crash.signal.sender.pid


@NATIVE
def test_a_handler_does_not_hide_the_fault(backend: str, read: Read) -> None:
    crash = read(FAULTS, "handler", backend=backend)
    assert (crash.signal.name, crash.signal.delivered) == ("SIGSEGV", "SIGABRT")
    assert crash.signature == "SIGSEGV touch > handler > main"


@NATIVE
def test_all_threads_are_read(backend: str, read: Read) -> None:
    crash = read(FAULTS, "threads", backend=backend)
    assert [thread.crashed for thread in crash.threads] == [True, False, False, False]
    for thread in crash.threads[1:]:
        names = [frame.function for frame in thread.native]
        assert names[-2:] == ["start_thread", names[-1]]
        assert "wait_here" in names
        assert not thread.registers


@NATIVE
def test_static_and_stripped_programs(backend: str, read: Read) -> None:
    crash = read("/faults/static", "segv", backend=backend)
    assert crash.signature == "SIGSEGV touch > segv > main"
    assert [module.path for module in crash.modules] == ["/faults/static"]
    stripped = read("/faults/stripped", "segv", backend=backend)
    assert (stripped.crash.module, stripped.crash.exact) == ("/faults/stripped", False)
    assert stripped.signal.fault_address == "0x60"
    assert stripped.crash.offset is not None


@NATIVE
def test_python_frames_are_merged(backend: str, read: Read) -> None:
    crash = read("python3", "/faults/inner.py", backend=backend)
    thread = crash.crashed_thread
    assert thread is not None
    said = [(frame.function, frame.file, frame.line) for frame in thread.python]
    place = "/faults/inner.py"
    assert said == [
        ("fall", place, 5),
        ("<listcomp>", place, 9),
        ("stumble", place, 9),
        ("<module>", place, 12),
    ]
    (number,) = {frame.native for frame in thread.python}
    assert number is not None
    assert (thread.native[number].function or "").startswith("_PyEval_EvalFrameDefault")
    assert crash.signature == "SIGSEGV touch_field > crash"
    assert crash.sources["python"] == "pystack"


@NATIVE
def test_the_stale_array_is_found_and_compared(backend: str, read: Read) -> None:
    environment = read(FAULTS, "stale", backend=backend).environment
    assert environment is not None
    assert environment.source == f"environ of {FAULTS}"
    values = {item.name: item.value for item in environment.variables}
    assert values["LANG"] == "C.UTF-8"
    assert (values["SECRET"], values["TOKEN_ADDED"]) == (None, None)
    assert environment.walked is not None
    assert [item.name for item in environment.walked.added] == ["SSL_CERT_FILE", "TOKEN_ADDED"]
    assert [item.name for item in environment.walked.removed] == ["REMOVED_SINCE"]
    assert environment.walked.overwritten == 1
    assert "hunter2" not in Environment.model_dump_json(environment)
    assert "secret-of-the-old" not in Environment.model_dump_json(environment)


@NATIVE
def test_an_array_that_was_freed_and_used_again_is_said(backend: str, read: Read) -> None:
    environment = read(FAULTS, "refilled", backend=backend).environment
    assert environment is not None
    assert environment.walked is not None
    assert "every word of it is 0x4141414141414141" in environment.walked.found
    assert (environment.walked.kept, environment.walked.overwritten) == (0, 64)


@NATIVE
def test_an_array_that_was_only_freed_has_its_entries(backend: str, read: Read) -> None:
    environment = read(FAULTS, "released", backend=backend).environment
    assert environment is not None
    assert environment.walked is not None
    assert (environment.walked.kept, environment.walked.overwritten) == (len(environment.variables) - 2, 2)
    assert not environment.walked.added
    assert not environment.walked.removed


def test_a_healthy_walk_finds_no_other_array(read: Read) -> None:
    environment = read(FAULTS, "segv", backend="gdb").environment
    assert environment is not None
    assert environment.walked is None


def test_files_come_from_a_folder_a_container_or_the_program_alone(
    core_of: Callable[..., Path], engine: Engine, image: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    core = str(core_of(FAULTS, "segv"))
    expected = analyze_core(AnalyzeRequest(core=core, image=image))
    container = engine.hold(image, labels={"crashmatrix": "test"})
    try:
        assert analyze_core(AnalyzeRequest(core=core, container=container)) == expected
        for member, content in engine.fetch(container, "/faults/faults"):
            (tmp_path / member.name).write_bytes(content.read())
    finally:
        engine.remove(container)
    alone = analyze_core(AnalyzeRequest(core=core, program=tmp_path / "faults"))
    assert alone.crash == expected.crash
    assert main(["analyze", core, "--exe", str(tmp_path / "faults")]) == 0
    assert "touch+0xc in faults" in capsys.readouterr().out


@pytest.mark.parametrize("backend", ["gdb", "elf", "auto"])
def test_without_the_program_its_libraries_frames_are_named_and_no_guess_is_unsaid(
    core_of: Callable[..., Path], engine: Engine, image: str, tmp_path: Path, backend: str
) -> None:
    core = str(core_of(FAULTS, "abrt"))
    libc = tmp_path / "usr/lib/x86_64-linux-gnu/libc.so.6"
    libc.parent.mkdir(parents=True)
    container = engine.hold(image, labels={"crashmatrix": "test"})
    try:
        for _, content in engine.fetch(container, "/usr/lib/x86_64-linux-gnu/libc.so.6"):
            libc.write_bytes(content.read())
    finally:
        engine.remove(container)
    backends = BACKENDS if backend == "auto" else (backend,)
    crash = analyze_core(AnalyzeRequest(core=core, sysroot=tmp_path, backends=backends))
    native = crash.threads[0].native
    assert [frame.function for frame in native][1:3] == ["raise", "abort"]  # by libc's own symbol table
    assert native[3].module == FAULTS
    assert list(crash.threads[0].registers)[:3] == ["rax", "rbx", "rcx"]
    said = "guesses" if backend == "gdb" else "scan"
    assert len(native) == 4 or any(said in warning for warning in crash.warnings)


@NATIVE
def test_a_plain_core_is_found_by_a_name_relative_to_ours(
    core_of: Callable[..., Path], image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    with plain_core(core_of(FAULTS, "segv")) as plain:
        shutil.copyfile(plain, tmp_path / "core")
    monkeypatch.chdir(tmp_path)
    crash = analyze_core(AnalyzeRequest(core="core", image=image, backends=(backend,)))
    assert crash.signature == "SIGSEGV touch > segv > main"


def test_a_match_of_coredumpctl_finds_the_container_while_that_is_there(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    with died(engine, image, tmp_path, FAULTS, "segv") as (_, hostname):
        request = AnalyzeRequest(core=f"COREDUMP_HOSTNAME={hostname}", backends=("elf",))
        crash = analyze_core(request)
        named = analyze_core(replace(request, image=image))
    assert crash.signature == named.signature == "SIGSEGV touch > segv > main"
    assert any("in which it crashed" in said for said in crash.warnings)
    assert not any("in which it crashed" in said for said in named.warnings)
    later = analyze_core(request)
    assert later.crash.function is None
    assert any("the engine has no container" in said and "--image" in said for said in later.warnings)


def test_another_program_is_refused_by_its_build_id(core_of: Callable[..., Path], image: str) -> None:
    other = shutil.which("env")
    assert other is not None
    request = AnalyzeRequest(core=str(core_of(FAULTS, "segv")), program=Path(other), image=image)
    crash = analyze_core(request)
    assert any("is not the file that crashed and is not used" in warning for warning in crash.warnings)
    assert crash.crash.function is None


@NATIVE
def test_a_cut_core_says_what_is_lost(backend: str, core_of: Callable[..., Path], tmp_path: Path) -> None:
    with plain_core(core_of(FAULTS, "segv")) as plain:
        whole = plain.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 3])
    crash = analyze_core(AnalyzeRequest(core=str(tmp_path / "cut"), backends=(backend,)))
    assert crash.truncated
    assert (crash.signal.name, crash.signal.fault_address) == ("SIGSEGV", "0x60")
    assert any("with the stacks of 1 of 1 threads" in warning for warning in crash.warnings)
