"""Real processes that crash in real containers; their cores collected, their sysroots made, and read."""

import io
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.adapters.engine import ContainerSpec, Engine
from orchestrator.binary.core.corefile import open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.cores import ContainerSource, collect, image_source, image_sysroot
from orchestrator.crash import read_crash
from orchestrator.crash.stacks.limits import loose
from orchestrator.model import LABEL, CoreFile, CoreState, Crash, Outcome, OutcomeKind, Sysroot

LABELS = {LABEL: "test"}
PARENT = """\
import json, os, signal, sys
pid = os.spawnvp(os.P_NOWAIT, "python3", ["python3", "-c", sys.argv[1]])
status = os.waitpid(pid, 0)[1]
killed = os.WIFSIGNALED(status)
print(json.dumps({"pid": pid, "dumped": os.WCOREDUMP(status),
                  "signal": signal.Signals(os.WTERMSIG(status)).name if killed else None}))
"""
"""What the supervisor does: the true wait status comes from the parent inside the container."""
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
PYTHON = "/usr/bin/python3.11"
NULL = "import ctypes; ctypes.string_at(0)"
ABORT_IN_HANDLER = """\
import ctypes
libc = ctypes.CDLL(None)
libc.signal(11, libc.abort)
ctypes.string_at(0x60)
"""

RunChild = Callable[[str], Outcome]


@pytest.fixture
def run_child(engine: Engine, base_image: str) -> RunChild:
    """Run a Python program as the child of another in a locked-down container of its own."""

    def run(program: str) -> Outcome:
        hostname, started = f"cm-{uuid.uuid4().hex[:12]}", datetime.now(UTC)
        spec = ContainerSpec(
            image=base_image, command=("python3", "-c", PARENT, program), hostname=hostname,
            platform="linux/amd64", labels=LABELS,
        )  # fmt: skip
        written: list[bytes] = []
        container = ""
        try:
            container = engine.create(spec)
            engine.run(container, lambda name, data: written.append(data) if name == "stdout" else None)
        finally:
            if container:
                engine.remove(container)
            engine.remove_volume(hostname)
        ended = json.loads(b"".join(written))
        return Outcome(
            kind=OutcomeKind.SIGNAL if ended["signal"] else OutcomeKind.EXIT, signal=ended["signal"],
            core_dumped=ended["dumped"], pid=ended["pid"], seconds=0.0, started=started.isoformat(),
            container=container, hostname=hostname, stdout="stdout", stderr="stderr",
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def sysroots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sysroots")


def read(engine: Engine, image: str, core: Path, sysroots: Path) -> tuple[Crash, Sysroot]:
    with plain_core(core) as plain, open_core(plain) as opened:
        found, sysroot = image_sysroot(engine, image, opened, cache=sysroots, labels=LABELS)
        return read_crash(plain, found, sysroot), sysroot


def fault(crash: Crash) -> tuple[str, str | None, str | None]:
    return crash.signal.name, crash.signal.code, crash.signal.fault_address


def found(core: CoreFile, root: Path) -> Path:
    assert core.state is CoreState.FOUND, core.note
    assert core.path is not None
    return root / core.path


def test_a_null_pointer_is_collected_and_read(
    run_child: RunChild, engine: Engine, base_image: str, tmp_path: Path, sysroots: Path
) -> None:
    (tmp_path / "cell").mkdir()
    core = collect(run_child(NULL), folder=tmp_path / "cell", root=tmp_path)
    path = found(core, tmp_path)
    assert core.path == "cell/core.zst"
    assert core.bytes == path.stat().st_size
    assert (core.signal, core.truncated, core.note) == ("SIGSEGV", False, None)
    assert path.stat().st_mode & 0o777 == 0o600
    crash, sysroot = read(engine, base_image, path, sysroots)
    assert sysroot.problems == ()
    assert set(crash.warnings) <= set(loose())
    assert fault(crash) == ("SIGSEGV", "SEGV_MAPERR", "0x0")
    assert crash.signal.delivered is None
    assert crash.crash.module == LIBC
    thread = crash.crashed_thread
    assert thread is not None
    assert "_ctypes" in (thread.native[1].module or "")
    inside = {frame.function: frame for frame in thread.native if frame.module == PYTHON}
    assert inside["Py_BytesMain"].exact
    assert thread.native[-1].function == "_start"
    assert crash.signature.startswith("SIGSEGV ")
    assert all(module.build_id for module in crash.modules)


def test_a_handler_that_aborts_does_not_hide_the_fault(
    run_child: RunChild, engine: Engine, base_image: str, tmp_path: Path, sysroots: Path
) -> None:
    core = collect(run_child(ABORT_IN_HANDLER), folder=tmp_path, root=tmp_path)
    assert core.signal == "SIGABRT"
    crash, _ = read(engine, base_image, found(core, tmp_path), sysroots)
    assert fault(crash) == ("SIGSEGV", "SEGV_MAPERR", "0x60")
    assert crash.signal.delivered == "SIGABRT"
    thread = crash.crashed_thread
    assert thread is not None
    (trampoline,) = (number for number, frame in enumerate(thread.native) if frame.trampoline)
    assert any((frame.function or "").endswith("abort") for frame in thread.native[:trampoline])
    assert crash.crash.pc == thread.native[trampoline + 1].pc == thread.registers["rip"]


def test_faulthandlers_second_signal_does_not_hide_the_first(
    run_child: RunChild, engine: Engine, base_image: str, tmp_path: Path, sysroots: Path
) -> None:
    outcome = run_child(f"import faulthandler; faulthandler.enable(); {NULL}")
    core = collect(outcome, folder=tmp_path, root=tmp_path)
    crash, _ = read(engine, base_image, found(core, tmp_path), sysroots)
    assert fault(crash) == ("SIGSEGV", "SEGV_MAPERR", "0x0")


def test_crashes_of_the_same_second_are_kept_apart(run_child: RunChild, tmp_path: Path) -> None:
    moment = time.time() + 3
    programs = [
        f"import time; a = 'marker-{number}' * 3; time.sleep(max(0, {moment} - time.time())); {NULL}"
        for number in range(3)
    ]
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(run_child, programs))
    for number, outcome in enumerate(outcomes):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = found(collect(outcome, folder=folder, root=tmp_path), tmp_path)
        with plain_core(path) as plain:
            content = plain.read_bytes()
        present = {other for other in range(3) if f"marker-{other}".encode() in content}
        assert present == {number}


@pytest.mark.parametrize("program", ["pass", "import os; os.kill(os.getpid(), 9)"])
def test_what_dumps_no_core_has_none(program: str, run_child: RunChild, tmp_path: Path) -> None:
    core = collect(run_child(program), folder=tmp_path, root=tmp_path)
    assert core == CoreFile(state=CoreState.NONE)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        ("ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)", "PR_SET_DUMPABLE"),
        ("import resource; resource.setrlimit(resource.RLIMIT_CORE, (1, 1))", "RLIMIT_CORE is set to 1"),
    ],
)
def test_a_core_that_the_kernel_did_not_write_is_lost_with_the_reason(
    prepare: str, reason: str, run_child: RunChild, tmp_path: Path
) -> None:
    outcome = run_child(f"import ctypes; {prepare}; ctypes.string_at(0)")
    assert (outcome.signal, outcome.core_dumped) == ("SIGSEGV", False)
    clock = time.monotonic()
    core = collect(outcome, folder=tmp_path, root=tmp_path, deadline=600)
    assert core.state is CoreState.LOST
    assert reason in (core.note or "")
    assert time.monotonic() - clock < 300, "waited for a core that cannot come"


def test_a_core_that_never_arrives_is_lost_after_the_deadline(run_child: RunChild, tmp_path: Path) -> None:
    other = run_child(NULL).model_copy(update={"hostname": "cm-nobody"})
    core = collect(other, folder=tmp_path, root=tmp_path, deadline=0.3)
    assert core.state is CoreState.LOST
    assert "within 0.3 s" in (core.note or "")


def test_only_the_first_crash_of_an_image_asks_the_engine(
    run_child: RunChild, engine: Engine, base_image: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = found(collect(run_child(NULL), folder=tmp_path, root=tmp_path), tmp_path)
    first, _ = read(engine, base_image, path, tmp_path / "cache")
    monkeypatch.setattr(Engine, "hold", pytest.fail)
    again, _ = read(engine, base_image, path, tmp_path / "cache")
    assert again == first


def test_a_file_that_is_not_the_one_that_crashed_is_said(
    run_child: RunChild, engine: Engine, base_image: str, tmp_path: Path
) -> None:
    program = (
        "import shutil; shutil.copy('/usr/lib/x86_64-linux-gnu/libm.so.6', '/work/own.so'); "
        "import ctypes; ctypes.CDLL('/work/own.so'); ctypes.string_at(0)"
    )
    path = found(collect(run_child(program), folder=tmp_path, root=tmp_path), tmp_path)
    _, sysroot = read(engine, base_image, path, tmp_path / "cache")
    assert [problem.split(" ")[0] for problem in sysroot.problems] == ["/work/own.so"]
    root = Path(sysroot.path)
    libm = root / "usr/lib/x86_64-linux-gnu/libm.so.6"
    (root / LIBC[1:]).write_bytes(libm.read_bytes())
    crash, _ = read(engine, base_image, path, tmp_path / "cache")
    assert any(
        f"{LIBC} is not the file that crashed and is not used" in warning for warning in crash.warnings
    )


def test_a_cut_core_still_tells_the_signal(
    run_child: RunChild, engine: Engine, base_image: str, tmp_path: Path, sysroots: Path
) -> None:
    path = found(collect(run_child(NULL), folder=tmp_path, root=tmp_path), tmp_path)
    with plain_core(path) as plain:
        whole = plain.read_bytes()
    for size in (len(whole) // 3, 6000):
        (tmp_path / "cut").write_bytes(whole[:size])
        crash, _ = read(engine, base_image, tmp_path / "cut", sysroots)
        assert crash.truncated
        assert crash.signal.name == "SIGSEGV"
        assert crash.crash.pc is not None
        assert any("truncated" in warning for warning in crash.warnings)


@pytest.mark.parametrize(
    "name", [PYTHON, "/usr/bin/python3", LIBC, "/lib/x86_64-linux-gnu/libc.so.6", "/etc/os-release",
             "/lib64/ld-linux-x86-64.so.2", "/usr/lib", "/usr/lib/absent.so",
             "/etc/os-release/absent.so"],
)  # fmt: skip
def test_the_layers_of_an_image_and_the_engine_give_the_same_files(
    engine: Engine, base_image: str, name: str
) -> None:
    if not engine.layers(base_image):
        pytest.skip("this user cannot read where the engine keeps its layers")
    container = engine.hold(base_image, labels=LABELS)
    try:
        asked = io.BytesIO()
        there = ContainerSource(engine, container, "a container").copy(PurePosixPath(name), asked)
    finally:
        engine.remove(container)
    read = io.BytesIO()
    with image_source(lambda: engine, base_image, LABELS) as source:
        assert source.copy(PurePosixPath(name), read) is there
        assert not source.holds
    assert read.getvalue() == asked.getvalue()
