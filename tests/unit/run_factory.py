"""Run folders made from the model's types: realistic in shape, for tests of what is rendered from them.

The crashes follow the published backtrace of uwsgi-tls-segfault; a real run is in tests/data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator import causes, report
from orchestrator.compare import digest
from orchestrator.model import (
    Arch,
    Cell,
    CellResult,
    CoreFile,
    CoreState,
    Crash,
    CrashSite,
    Excerpt,
    ExcludedCells,
    Expectation,
    FailedImage,
    Judgement,
    Module,
    NativeFrame,
    Obstacle,
    Outcome,
    OutcomeKind,
    Plan,
    PlannedCell,
    PlannedCells,
    PlannedImage,
    PythonFrame,
    SignalInfo,
    Thread,
    Trial,
    Unobserved,
    Verdict,
    Wait,
)
from orchestrator.rundir import RunData, RunFolder

RUN = "20261120-060000-smoke"
STARTED = "2026-11-20T06:00:03.120+00:00"
PAIRS = (("3.9", "2.31"), ("3.11", "2.36"), ("3.13", "2.41"))
KEY = "4f1c0e9a7b2d63588c11aa90e2b7f3d4" * 2
UWSGI, LIBC = "/opt/crashmatrix/bin/uwsgi", "/usr/lib/x86_64-linux-gnu/libc.so.6"
PROBE = "/opt/crashmatrix/scenario/tls_atexit_cpp.abi3.so"

CRASHES = Expectation(
    kind=OutcomeKind.SIGNAL,
    signal="SIGSEGV",
    frames=("atexit_handler", "Py_FinalizeEx", "uwsgi_plugins_atexit"),
    because="glibc runs __call_tls_dtors first in exit(), and uWSGI finalizes Python after it, from atexit",
    source="stories 1: uwsgi-tls-segfault",
    where="scenarios/tls-atexit/scenario.yaml:21",
)
SURVIVES = Expectation(
    kind=OutcomeKind.EXIT,
    status=0,
    because="plain Python finalizes before exit(), while thread-local storage is alive",
    where="scenarios/tls-atexit/scenario.yaml:12",
)
Change = Callable[[CellResult], CellResult | None]


@dataclass(kw_only=True)
class RunSpec:
    """What differs from a run in which all is as expected; `changes` is by the cell's id."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    stdout: bytes = b"probe loaded\nrequest served\n"
    stderr: bytes = b"*** Starting uWSGI 2.0.31 (64bit) ***\n!!! segmentation fault !!!\n"
    cells: tuple[Cell, ...] = ()
    excluded: tuple[ExcludedCells, ...] = ()
    run: str = RUN
    crashes: Expectation = CRASHES
    """What is expected of the cells that crash."""


def cell(pair: int = 1, launcher: str = "uwsgi", probe: str = "cpp", **own: str) -> Cell:
    """A cell of story 1 on one of the three pairs of python and glibc."""
    python, glibc = PAIRS[pair]
    return Cell(
        scenario="tls-atexit",
        python=python,
        glibc=glibc,
        arch=Arch.X86_64,
        launcher=launcher,
        probe=probe,
        own=tuple(own.items()),
    )


def smoke_cells() -> tuple[Cell, ...]:
    """The twelve cells of the smoke profile."""
    return tuple(
        cell(pair, launcher, probe)
        for pair in range(3)
        for launcher in ("plain", "uwsgi")
        for probe in ("cpp", "rust")
    )


def smoke_excluded() -> tuple[ExcludedCells, ...]:
    """The cells whose python no base of that glibc brings."""
    return tuple(
        ExcludedCells(
            axes={
                "scenario": ("tls-atexit",),
                "python": tuple(python for python, _ in PAIRS if python != own),
                "glibc": (glibc,),
                "arch": ("x86_64",),
                "launcher": ("plain", "uwsgi"),
                "probe": ("cpp", "rust"),
            },
            reason=f"the base with glibc {glibc} brings CPython {own}",
            where="images/catalogue.yaml",
        )
        for own, glibc in PAIRS
    )


def write_run(folder: Path, spec: RunSpec | None = None) -> Path:
    """Write plan.json, results, output and a Dockerfile; returns the folder."""
    spec = spec or RunSpec(excluded=smoke_excluded())
    cells = spec.cells or smoke_cells()
    planned = [
        PlannedCell(
            cell=item,
            expectation=spec.crashes if crashes(item) else SURVIVES,
            trials=3,
            timeout=60,
            image=KEY,
        )
        for item in cells
    ]
    plan = Plan(
        run=spec.run,
        created="2026-11-20T06:00:01+00:00",
        profile="smoke",
        selection="--profile smoke",
        engine="docker 20.10.24",
        cells=PlannedCells.of(planned),
        excluded=spec.excluded,
        deselected=36,
        images=(
            PlannedImage(key=KEY, tag=f"crashmatrix/cell:{KEY[:16]}", role="cell", arch="x86_64", parents=()),
        ),
    )
    _put(folder / "plan.json", plan.model_dump_json(indent=1).encode())
    _put(folder / "images" / f"cell-{KEY[:16]}" / "Dockerfile", b"FROM crashmatrix/python:0123456789abcdef\n")
    for item in planned:
        change = spec.changes.get(item.cell.id)
        result = change(result_of(item)) if change else result_of(item)
        if result is None:
            continue
        place = folder / "cells" / item.cell.id
        _put(place / "result.json", result.model_dump_json(indent=1).encode())
        for trial in result.trials:
            _put(folder / trial.outcome.stdout, spec.stdout)
            _put(folder / trial.outcome.stderr, spec.stderr)
    return folder


def load(folder: Path) -> RunData:
    """Read a run's folder."""
    return RunFolder(folder).load()


def render(folder: Path) -> RunData:
    """Read a run's folder and render its reports from what it holds; causes are found where it has none."""
    data = load(folder)
    if not data.causes:
        groups = causes.find_causes(data.planned_results)
        told = causes.dated(causes.tell_causes(data.plan, groups, {}), digest(data), ())
        data = replace(data, causes=told)
    report.write(data)
    return data


def expectation_of(item: Cell) -> Expectation:
    """Story 1: only C++ under uWSGI crashes."""
    return CRASHES if crashes(item) else SURVIVES


def crashes(item: Cell) -> bool:
    """Whether this cell's story ends in a crash."""
    return item.launcher == "uwsgi" and item.probe == "cpp"


def result_of(planned: PlannedCell) -> CellResult:
    """The result of a cell that was as expected."""
    item = planned.cell
    trial = crashed_trial(item) if crashes(item) else quiet_trial(item)
    seen = "SIGSEGV atexit_handler" if trial.crash else "exit 0"
    return CellResult(
        run=RUN,
        cell=item,
        image=KEY,
        image_id="sha256:9be6c0a1",
        expectation=planned.expectation,
        judgement=Judgement(verdict=Verdict.PASS, reason=f"{seen}, as expected"),
        trials=(trial,),
        started=STARTED,
        seconds=1.734,
        repeat=f"nox -s matrix -- --cell {item.id}",
        by_hand=f"docker run --rm --init --network none crashmatrix/cell:{KEY[:16]} python3 supervisor.py",
    )


def outcome(item: Cell, kind: OutcomeKind = OutcomeKind.EXIT, **more: object) -> Outcome:
    """An outcome with the paths that execute gives."""
    place = f"cells/{item.id}/trial-1"
    values = {
        "kind": kind,
        "seconds": 1.21,
        "started": STARTED,
        "container": "c" * 64,
        "hostname": "cm-0123456789ab",
        "stdout": f"{place}/stdout.txt",
        "stderr": f"{place}/stderr.txt",
        "versions": {"python": f"{item.python}.2", "glibc": item.glibc},
    }
    return Outcome.model_validate(values | more)


def quiet_trial(item: Cell) -> Trial:
    """A trial that ended with exit 0."""
    return Trial(number=1, outcome=outcome(item, status=0, pid=7), core=CoreFile(state=CoreState.NONE))


def crashed_trial(item: Cell) -> Trial:
    """A trial whose uWSGI worker crashed, with its core."""
    seen = outcome(item, OutcomeKind.SIGNAL, signal="SIGABRT", core_dumped=True, pid=7)
    core = CoreFile(
        state=CoreState.FOUND, path=f"cells/{item.id}/trial-1/core.zst", bytes=1_482_332, signal="SIGABRT"
    )
    return Trial(number=1, outcome=seen, core=core, crash=crash(item.python))


def crash(python: str = "3.11") -> Crash:
    """Story 1's crash: uWSGI's handler above, the original fault below the trampoline."""
    libpython = f"/usr/lib/x86_64-linux-gnu/libpython{python}.so.1.0"
    frames = (
        _frame("__pthread_kill_implementation", LIBC, 0x10F, "./nptl/pthread_kill.c", 44),
        _frame("raise", LIBC, 0x12, "../sysdeps/posix/raise.c", 26),
        _frame("abort", LIBC, 0xD3, "./stdlib/abort.c", 79),
        _frame("uwsgi_segfault", UWSGI, 0x2D),
        NativeFrame(function=None, module=None, trampoline=True),
        _frame("(anonymous namespace)::atexit_handler", PROBE, 0x1C, "probe.cpp", 41, pc="0x7f3b2c1f41ac"),
        NativeFrame(
            function="atexit_callfuncs", module=libpython, offset=0x8A, pc="0x7f3b2d2a118a", exact=False
        ),
        _frame("Py_FinalizeEx", libpython, 0x6C),
        _frame("uwsgi_python_atexit", UWSGI, 0x9E),
        _frame("uwsgi_plugins_atexit", UWSGI, 0x47),
        _frame("__run_exit_handlers", LIBC, 0x1F0, "./stdlib/exit.c", 113),
        _frame("exit", LIBC, 0x1A, "./stdlib/exit.c", 143),
        _frame("end_me", UWSGI, 0x0E),
        _frame("epoll_wait", LIBC, 0x4E, "../sysdeps/unix/sysv/linux/epoll_wait.c", 30),
        _frame("event_queue_wait", UWSGI, 0x33),
        _frame("wsgi_req_accept", UWSGI, 0x110),
        _frame("simple_loop_run", UWSGI, 0xB4),
        _frame("uwsgi_worker_run", UWSGI, 0x1E8),
        _frame("_start", UWSGI, 0x21),
    )
    registers = {
        name: f"{0x7FFC0000 + index * 0x1238:#018x}"
        for index, name in enumerate(
            (
                "rax",
                "rbx",
                "rcx",
                "rdx",
                "rsi",
                "rdi",
                "rbp",
                "rsp",
                "r8",
                "r9",
                "r10",
                "r11",
                "r12",
                "rip",
                "eflags",
            )
        )
    }
    idle = Thread(
        tid=9, crashed=False, native=(_frame("poll", LIBC, 0x4F), _frame("logger_loop", UWSGI, 0x90))
    )
    return Crash(
        arch="x86_64",
        truncated=False,
        signal=SignalInfo(
            number=11, name="SIGSEGV", code="SEGV_MAPERR", fault_address="0x0", delivered="SIGABRT"
        ),
        crash=CrashSite(
            pc="0x7f3b2c1f41ac",
            function="(anonymous namespace)::atexit_handler",
            offset=0x1C,
            exact=True,
            module=PROBE,
            build_id="6b1f3c",
        ),
        threads=(
            Thread(
                tid=7,
                crashed=True,
                registers=registers,
                native=frames,
                python=(PythonFrame(function="_run_exitfuncs", file="/usr/lib/python3/atexit.py", line=18),),
            ),
            idle,
        ),
        modules=(
            Module(path=UWSGI, build_id="a0b1c2", base="0x55d0c0000000"),
            Module(path=PROBE, build_id="6b1f3c", base="0x7f3b2c1f3000"),
            Module(path=LIBC, build_id="51657f", base="0x7f3b2ce00000"),
        ),
        signature="SIGSEGV (anonymous namespace)::atexit_handler",
        signature_note="1 telling, then the interpreter (libpython)",
        backends={"gdb": "13.1", "pystack": "1.7.2"},
    )


def hung_trial(item: Cell) -> Trial:
    """A trial whose main thread waits for a mutex that another thread has, and that for the GIL."""
    read = crash(item.python)
    main = Wait(text="waits in lock for a mutex, held by thread 9, called by <f>", what="a mutex", thread=9)
    other = Wait(text="waits in futex for the GIL, held by thread 7", what="the GIL", thread=7)
    threads = tuple(
        thread.model_copy(update={"waits": waits})
        for thread, waits in zip(read.threads, (main, other), strict=True)
    )
    update = {
        "hang": True,
        "main": 7,
        "threads": threads,
        "signal": SignalInfo(number=6, name="SIGABRT", code="SI_USER"),
        "signature": "hang pthread_mutex_lock > f",
    }
    seen = outcome(item, OutcomeKind.HANG, signal="SIGABRT", core_dumped=True, pid=7)
    return Trial(
        number=1, outcome=seen, core=CoreFile(state=CoreState.FOUND), crash=read.model_copy(update=update)
    )


def troubled_run(folder: Path) -> Path:
    """A run with a hang, a failed build, and a crash without one of its expected frames."""
    hang, unbuilt, wrong = cell(0), cell(1, probe="rust"), cell(1)
    image = FailedImage(
        role="probe-tls-atexit-rust",
        step="Step 4/8 : RUN mkdir /out && rustc …",
        error="error[E0425]: cannot find value `y` in this scope",
        lines=("error[E0425]: cannot find value `y` in this scope", " --> tlsprobe.rs:9:5"),
        log=f"images/cell-{KEY[:16]}/build.log",
    )
    trial = crashed_trial(wrong)
    lines = Excerpt(file="probe.cpp", line=41, first=40, lines=("{", "++*session->uses;", "}"))
    found = trial.crash and trial.crash.model_copy(update={"excerpts": (lines,)})
    changes: dict[str, Change] = {
        hang.id: judged(Verdict.FAIL, "saw hang; expected SIGSEGV", trials=(hung_trial(hang),)),
        unbuilt.id: judged(
            Verdict.ERROR,
            f"image {image.role} could not be built",
            trials=(),
            unobserved=Unobserved(obstacle=Obstacle.IMAGE, image=image),
        ),
        wrong.id: judged(
            Verdict.FAIL,
            "saw SIGSEGV atexit_handler; not on the stack: nowhere",
            trials=(trial.model_copy(update={"crash": found}),),
        ),
    }
    frames = ("atexit_handler", "nowhere", "uwsgi_plugins_atexit")
    crashes = CRASHES.model_copy(
        update={"frames": frames, "source": "https://docs.python.org/3/library/atexit.html"}
    )
    write_run(folder, RunSpec(changes=changes, cells=(hang, unbuilt, wrong), crashes=crashes))
    _put(folder / (image.log or ""), b"Step 4/8\nerror[E0425]\n")
    return folder


def judged(verdict: Verdict, reason: str, **more: object) -> Change:
    """A change to another verdict, and to other fields of the result."""
    return lambda result: result.model_copy(
        update={"judgement": Judgement(verdict=verdict, reason=reason), **more}
    )


def bad_run(folder: Path) -> Path:
    """A run with each thing that goes wrong: a failure, a lost and a cut core, a missing cell."""
    wrong, lost, cut, near = cell(0, "uwsgi", "rust"), cell(0), cell(1), cell(2)
    read = crash("3.13")
    vague = read.model_copy(
        update={
            "crash": read.crash.model_copy(update={"exact": False}),
            "backends": {"gdb": "13.1", "pystack": None},
            "warnings": ("pystack: no such program",),
            "signature": "SIGSEGV python:Py_FinalizeEx > uwsgi_plugins_atexit",
        }
    )
    died = crashed_trial(lost)
    changes: dict[str, Change] = {
        wrong.id: judged(
            Verdict.FAIL, "saw SIGSEGV atexit_handler; expected exit 0", trials=(crashed_trial(wrong),)
        ),
        lost.id: judged(
            Verdict.ERROR,
            "SIGABRT, but its core was lost: no journal entry within 20 s",
            trials=(
                died.model_copy(
                    update={
                        "crash": None,
                        "core": CoreFile(state=CoreState.LOST, note="no journal entry within 20 s"),
                    }
                ),
            ),
        ),
        cut.id: judged(
            Verdict.PASS,
            "SIGSEGV atexit_handler, as expected",
            trials=(
                crashed_trial(cut).model_copy(
                    update={
                        "core": CoreFile(state=CoreState.FOUND, path="cells/core", bytes=4096, truncated=True)
                    }
                ),
            ),
        ),
        near.id: judged(
            Verdict.PASS,
            "SIGSEGV atexit_handler, as expected",
            trials=(
                Trial(
                    number=1,
                    outcome=outcome(near, OutcomeKind.SIGNAL, signal="SIGABRT", emulated=True),
                    core=crashed_trial(near).core,
                    crash=vague,
                ),
            ),
        ),
        cell(2, "plain", "rust").id: lambda _: None,
    }
    return write_run(folder, RunSpec(changes=changes, excluded=smoke_excluded()))


def _frame(
    function: str,
    module: str,
    offset: int,
    file: str | None = None,
    line: int | None = None,
    *,
    pc: str | None = None,
) -> NativeFrame:
    return NativeFrame(
        function=function,
        module=module,
        offset=offset,
        file=file,
        line=line,
        exact=True,
        pc=pc or f"{0x7F3B2D000000 + offset * 64:#x}",
    )


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
