"""A synthetic run of any size, with all that a night leaves: crashes, failures, history, explanations.

What each cell shows follows from a seed, so that two runs of one seed are the same.
"""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from orchestrator.model import (
    Arch,
    Cell,
    CellResult,
    Change,
    ChangeKind,
    Comparison,
    Crash,
    Explanation,
    Explanations,
    Finding,
    History,
    Judgement,
    NativeFrame,
    NotComparable,
    PastRun,
    Rate,
    Rule,
    Side,
    SignatureHistory,
    Subject,
    Thread,
    Trial,
    Verdict,
)
from tests.unit import run_factory as factory

SCENARIOS = ("tls-atexit", "daemon-thread", "finalize-signal", "putenv-system", "getenv-race")
RULE = 'glibc < "2.41" and launcher == "uwsgi"'
RUNS = tuple(f"202611{day:02}-020000-nightly" for day in range(14, 21))
FUNCTIONS = ("atexit_handler", "take_gil", "PyErr_Occurred", "__GI_getenv", "unwind_stop", "__GI_execve")


def cells(count: int) -> tuple[Cell, ...]:
    """The first cells of a matrix of seven axes, spread over all of it."""
    axes = (
        ("3.9", "3.11", "3.12", "3.13", "3.14"),
        ("2.17", "2.31", "2.36", "2.41", "2.43"),
        (Arch.X86_64, Arch.ARM64),
        ("plain", "uwsgi"),
        ("cpp", "rust"),
        tuple(f"v{number}" for number in range(10)),
    )
    every = [
        Cell(
            scenario=scenario,
            python=python,
            glibc=glibc,
            arch=arch,
            launcher=launcher,
            probe=probe,
            own=(("variant", variant),),
        )
        for scenario in SCENARIOS
        for python, glibc, arch, launcher, probe, variant in itertools.product(*axes)
    ]
    step = max(1, len(every) // count)
    return tuple(every[::step][:count])


def write_large(folder: Path, count: int, seed: int = 7) -> Path:
    """Write the folder of a run of so many cells; returns it."""
    rng = random.Random(seed)  # noqa: S311
    chosen = cells(count)
    changes = {cell.id: _change(rng.random(), index) for index, cell in enumerate(chosen)}
    output = "".join(
        f"{number:05} worker line of a program that says much\n" for number in range(60)
    ).encode()
    factory.write_run(
        folder,
        factory.RunSpec(cells=chosen, changes=changes, stdout=output, excluded=factory.smoke_excluded()),
    )
    write_context(folder, [cell.id for cell in chosen], rng)
    return folder


def write_context(folder: Path, ids: list[str], rng: random.Random) -> None:
    """Write what explains a run, compares it, and knows its past."""
    (folder / "explanations.json").write_text(
        Explanations(run=factory.RUN, explanations=tuple(_explanations())).model_dump_json(), encoding="utf-8"
    )
    series = {cell: "".join(rng.choices("pppppppfe", k=len(RUNS))) for cell in ids}
    (folder / "history.json").write_text(
        History(
            run=factory.RUN,
            runs=tuple(
                PastRun(run=run, created="2026-11-14T02:00:00+00:00") for run in (*RUNS[:-1], factory.RUN)
            ),
            cells=series,
            signatures=(
                SignatureHistory(
                    signature=_signature(0),
                    first_run=RUNS[2],
                    first_created="2026-11-16T02:00:00+00:00",
                    runs=5,
                ),
            ),
        ).model_dump_json(),
        encoding="utf-8",
    )
    (folder / "comparison.json").write_text(_comparison(ids).model_dump_json(), encoding="utf-8")


def _change(chance: float, index: int) -> factory.Change:
    verdict = Verdict.FAIL if chance < 0.03 else Verdict.ERROR if chance < 0.04 else Verdict.PASS
    crashed = chance < 0.03 or 0.2 < chance < 0.45
    if 0.04 <= chance < 0.045:
        return lambda _: None

    def change(result: CellResult) -> CellResult:
        # Two functions a scenario: with the errors and what did not run, twelve causes.
        kind = (2 * SCENARIOS.index(result.cell.scenario) + index % 2) % len(FUNCTIONS)
        trial = _trial(result, kind, index) if crashed else factory.quiet_trial(result.cell)
        seen = f"SIGSEGV in {FUNCTIONS[kind]}" if crashed else "exit 0"
        reasons = {
            Verdict.FAIL: f"saw {seen}; expected exit 0",
            Verdict.ERROR: "no image: the compile stage of its probe failed",
            Verdict.PASS: f"{seen}, as expected",
        }
        trials = () if verdict is Verdict.ERROR else (trial,)
        rate = Rate.of("crashed", int(crashed), 1) if trials else None
        judgement = Judgement(verdict=verdict, reason=reasons[verdict])
        return result.model_copy(update={"judgement": judgement, "trials": trials, "rate": rate})

    return change


def _trial(result: CellResult, kind: int, index: int) -> Trial:
    return factory.crashed_trial(result.cell).model_copy(update={"crash": _crash(kind, index)})


def _signature(kind: int) -> str:
    return f"SIGSEGV {FUNCTIONS[kind]}"


def _crash(kind: int, index: int) -> Crash:
    """A crash of one kind, at addresses that no other cell has."""
    base = factory.crash()
    thread = base.threads[0]
    slide = index * 0x1000

    def moved(frame: NativeFrame) -> NativeFrame:
        pc = hex(int(frame.pc, 16) + slide) if frame.pc else None
        function = (
            FUNCTIONS[kind] if frame.function and "atexit_handler" in frame.function else frame.function
        )
        return frame.model_copy(update={"pc": pc, "function": function})

    registers = {name: hex(int(value, 16) + slide) for name, value in thread.registers.items()}
    native = tuple(moved(frame) for frame in thread.native)
    crashed: Thread = thread.model_copy(update={"native": native, "registers": registers})
    site = base.crash.model_copy(
        update={"function": FUNCTIONS[kind], "pc": hex(int(base.crash.pc or "0", 16) + slide)}
    )
    return base.model_copy(
        update={
            "threads": (crashed, *base.threads[1:]),
            "crash": site,
            "signature": _signature(kind),
        }
    )


def _explanations() -> Iterator[Explanation]:
    yield Explanation(
        subject=Subject.FAILURE,
        name="getenv-race",
        scenarios=("getenv-race",),
        finding=Finding.RULE,
        rules=(Rule(expression=RULE, axes=("glibc", "launcher"), cost=2),),
        rules_count=1,
        shown=58,
        not_shown=1942,
        unknown=12,
        sentence=f"getenv-race fails exactly where {RULE}: 58 cells show it, 1,942 do not.",
        notes=("The boundary lies between glibc 2.36 and 2.41.",),
    )
    for kind in range(3):
        yield Explanation(
            subject=Subject.SIGNATURE,
            name=_signature(kind),
            scenarios=("tls-atexit",),
            finding=Finding.NO_RULE,
            shown=400,
            not_shown=1600,
            unknown=0,
            sentence=f"tls-atexit: {_signature(kind)} in 400 of 2,000 cells; no short rule describes them.",
        )
    yield Explanation(
        subject=Subject.OUTCOME,
        name="exit 0",
        scenarios=("tls-atexit",),
        finding=Finding.EVERYWHERE,
        shown=2000,
        not_shown=0,
        unknown=0,
        sentence="tls-atexit ends with exit 0 in all 2,000 cells that ran, so no axis makes a difference.",
    )


def _comparison(ids: list[str]) -> Comparison:
    good = Side(verdict=Verdict.PASS, outcomes=("exit 0",), signatures=())
    bad = Side(verdict=Verdict.FAIL, outcomes=("SIGSEGV",), signatures=(_signature(0),))
    new = tuple(
        Change(
            cell=cell,
            kind=ChangeKind.NEW,
            before=good,
            after=bad,
            sentence=f"passed, now {_signature(0)}",
            differences=("image",),
        )
        for cell in ids[: min(24, len(ids) // 4)]
    )
    fixed = Change(cell=ids[-1], kind=ChangeKind.FIXED, before=bad, after=good, sentence="failed, now exit 0")
    return Comparison(
        baseline=RUNS[-2],
        baseline_created="2026-11-19T02:00:00+00:00",
        run=factory.RUN,
        run_created="2026-11-20T06:00:01+00:00",
        compared=len(ids) - 3,
        changes=(*new, fixed),
        not_comparable=(NotComparable(reason="only in this run", count=3, cells=tuple(ids[1:4])),),
        sentence=f"Against {RUNS[-2]}: {len(new)} cells newly fail, 1 is fixed.",
    )
