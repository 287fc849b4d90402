"""Which cells share a cause, and since which run each cause is there."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from orchestrator import causes
from orchestrator.causes.plain import plain
from orchestrator.matrix.expectations import DEFAULT
from orchestrator.model import (
    Cause,
    CauseKind,
    Causes,
    CauseState,
    CellResult,
    CoreFile,
    CoreState,
    Expectation,
    FailedImage,
    Finding,
    Judgement,
    Obstacle,
    OutcomeKind,
    RunDigest,
    Thread,
    Trial,
    Unobserved,
    Verdict,
    Wait,
)
from orchestrator.pipeline.reporting import write_reports
from orchestrator.rundir import RunFolder
from tests.unit import run_factory as factory
from tests.unit.run_factory import Change, RunSpec

UWSGI = [factory.cell(pair, "uwsgi", "rust") for pair in range(3)]
PLAIN = [factory.cell(pair, "plain", "rust") for pair in range(3)]
CRASHING = [factory.cell(pair, "uwsgi", "cpp") for pair in range(3)]
BY_REASON = (
    "image cell-tls-atexit-{} needs one that failed: image probe-tls-atexit-rust could not be built in "
    "Step 4/8 : RUN mkdir /out  && rustc --edition 2021 --crate-…: error[E0308]: mismatched types; the whole "
    "log: /srv/{}/reports/x/images/probe-tls-atexit-rust-c38652b46fe17ece/build.log"
)


def told(folder: Path, changes: dict[str, Change], run: str = factory.RUN) -> tuple[Cause, ...]:
    """The causes of a run with these changes to one in which all is as expected."""
    factory.write_run(folder / run, RunSpec(changes=changes, run=run))
    return write_reports(folder / run).causes


def ended(status: int, reason: str, wrong: tuple[str, ...] = (), **outcome: object) -> Change:
    """A failure of a process that exits so."""

    def change(result: CellResult) -> CellResult:
        seen = factory.outcome(result.cell, OutcomeKind.EXIT, status=status, **outcome)
        trial = Trial(number=1, outcome=seen, core=CoreFile(state=CoreState.NONE))
        judgement = Judgement(verdict=Verdict.FAIL, reason=reason, wrong=wrong)
        return result.model_copy(update={"judgement": judgement, "trials": (trial,)})

    return change


def crashed(reason: str = "saw SIGSEGV in atexit_handler; expected exit 0") -> Change:
    """A crash that was not expected."""

    def change(result: CellResult) -> CellResult:
        judgement = Judgement(verdict=Verdict.FAIL, reason=reason)
        return result.model_copy(
            update={"judgement": judgement, "trials": (factory.crashed_trial(result.cell),)}
        )

    return change


def unobserved(reason: str, obstacle: Obstacle | None = None, image: FailedImage | None = None) -> Change:
    """A cell of which there is no trial."""
    stated = Unobserved(obstacle=obstacle, image=image) if obstacle else None
    judgement = Judgement(verdict=Verdict.ERROR, reason=reason)
    return lambda result: result.model_copy(
        update={"judgement": judgement, "unobserved": stated, "trials": ()}
    )


def same(cells: Iterable[object], change: Change) -> dict[str, Change]:
    return {cell.id: change for cell in cells}  # type: ignore[attr-defined]


def test_a_signature_is_one_cause_whichever_clean_exit_was_expected(tmp_path: Path) -> None:
    changes = same(UWSGI[:2], crashed("saw SIGSEGV in atexit_handler; expected exit 30"))
    changes |= same(PLAIN[:2], crashed())
    (cause,) = told(tmp_path, changes)
    assert (cause.kind, cause.verdict, cause.count, cause.of) == (CauseKind.CRASH, Verdict.FAIL, 4, 12)
    assert cause.title == cause.signature == "SIGSEGV (anonymous namespace)::atexit_handler"
    assert cause.expected == "a clean exit"
    assert cause.where is not None
    assert cause.where.rules == ('glibc < "2.41" and probe == "rust"', 'python < "3.13" and probe == "rust"')
    assert cause.place is not None
    assert (cause.place.file, cause.place.line) == ("scenarios/tls-atexit/scenario.yaml", 12)


def test_numbers_paths_and_trial_counts_do_not_part_causes(tmp_path: Path) -> None:
    texts = ("ValueError: 3 of /srv/a/x.py", "ValueError: 17 of /home/b/x.py", "ValueError: 0x7f of /x.py")
    changes = {
        cell.id: ended(
            1, f"saw exit 1: {text}; expected exit 0 ({n} of 9 trials)", ("expected exit 0",), exception=text
        )
        for n, (cell, text) in enumerate(zip(PLAIN, texts, strict=True), start=1)
    }
    (cause,) = told(tmp_path, changes)
    assert (cause.kind, cause.count) == (CauseKind.ENDING, 3)
    assert cause.title == "ValueError: 3 of /srv/a/x.py; expected exit 0"
    assert plain(texts[0]) == plain(texts[1]) == "ValueError: N of x.py"


def test_another_exception_and_another_missing_message_are_other_causes(tmp_path: Path) -> None:
    wrong = ("no output matches /alive/",)
    found = told(
        tmp_path,
        same(PLAIN[:1], ended(1, "saw exit 1: KeyError: 'a'; x", wrong, exception="KeyError: 'a'"))
        | same(PLAIN[1:2], ended(1, "saw exit 1: OSError: b; x", wrong, exception="OSError: b"))
        | same(PLAIN[2:], ended(0, "saw exit 0; no output matches /alive/", wrong)),
    )
    assert [cause.kind for cause in found] == [CauseKind.ENDING] * 3
    assert len({cause.id for cause in found}) == 3
    assert found[2].title == "a clean exit; no output matches /alive/"


def test_a_missing_crash_is_one_cause_under_every_launcher(tmp_path: Path) -> None:
    reason = (
        "saw exit 30; expected SIGSEGV with atexit_handler > Py_FinalizeEx "
        "(0 of 6 trials as expected: rate under 39 % with 95 % confidence)"
    )
    (cause,) = told(
        tmp_path, same(CRASHING, ended(30, reason, ("expected SIGSEGV",), last_line="[pid: 8] 5"))
    )
    assert (cause.kind, cause.count) == (CauseKind.MISSING, 3)
    assert cause.title == "a clean exit; SIGSEGV in atexit_handler did not happen"
    assert cause.where is not None
    assert cause.where.rules == ('launcher == "uwsgi" and probe == "cpp"',)


def hung(result: CellResult) -> CellResult:
    """A deadlock of a lock and the GIL."""
    locked = Wait(text="waits in pthread_mutex_lock for a mutex, held by thread 8", what="a mutex", thread=8)
    gil = Wait(text="waits in pthread_cond_timedwait for the GIL, called by take_gil", what="the GIL")
    threads = (Thread(tid=7, crashed=True, waits=locked), Thread(tid=8, crashed=False, waits=gil))
    core = factory.crash().model_copy(
        update={"hang": True, "threads": threads, "main": 7, "signature": "hang pthread_mutex_lock > f"}
    )
    seen = factory.outcome(result.cell, OutcomeKind.HANG, signal="SIGABRT")
    trial = factory.crashed_trial(result.cell).model_copy(update={"outcome": seen, "crash": core})
    judgement = Judgement(verdict=Verdict.FAIL, reason="saw hang; expected exit 0")
    return result.model_copy(update={"judgement": judgement, "trials": (trial,)})


def test_a_hang_is_told_by_who_waits_for_what(tmp_path: Path) -> None:
    (cause,) = told(tmp_path, same(PLAIN[:1], hung))
    assert cause.kind is CauseKind.HANG
    assert cause.title == "the main thread waits for a mutex held by thread 8; that waits for the GIL"
    assert cause.where is not None
    assert cause.where.finding is Finding.ONE_CELL
    assert cause.where.text == f"only {PLAIN[0].environment}"


def test_the_one_cell_of_a_cause_is_named_with_the_values_of_its_own_axes(tmp_path: Path) -> None:
    """In the same environment all others may be well: its hazard, or its version of a package, decides."""
    cells = [factory.cell(1, "plain", hazard=name, defer="none") for name in ("exit", "fork", "reimport")]
    spec = RunSpec(changes=same(cells[2:], hung), cells=tuple(cells))
    (cause,) = write_reports(factory.write_run(tmp_path / factory.RUN, spec)).causes
    assert cause.where is not None
    assert cause.where.text == f"only {cells[0].environment}+hazard=reimport"


@pytest.mark.parametrize("stated", [True, False])
def test_an_image_that_did_not_build_is_one_cause_however_many_cells_it_took(
    tmp_path: Path, stated: bool
) -> None:
    image = FailedImage(
        role="probe-tls-atexit-rust",
        step="Step 4/8 : RUN mkdir /out  && rustc --edition 2021 --crate-…",
        error="error[E0308]: mismatched types",
        log="images/probe-tls-atexit-rust-c38652b46fe17ece/build.log",
    )
    changes = {
        cell.id: unobserved(
            BY_REASON.format(number, number), Obstacle.IMAGE if stated else None, image if stated else None
        )
        for number, cell in enumerate([*UWSGI, *PLAIN])
    }
    (cause,) = told(tmp_path, changes)
    assert (cause.kind, cause.verdict, cause.count) == (CauseKind.BUILD, Verdict.ERROR, 6)
    assert cause.image == image
    assert cause.title == "image probe-tls-atexit-rust did not build: error[E0308]: mismatched types"
    assert cause.where is not None
    assert cause.where.text == 'probe == "rust"'
    assert cause.command.endswith("-k 'probe == \"rust\"'")


def test_a_lost_engine_is_one_cause_whatever_each_cell_says_of_it(tmp_path: Path) -> None:
    changes = same(PLAIN, unobserved("the engine went away; start it", Obstacle.ENGINE))
    changes |= same(UWSGI, unobserved("connection reset by peer; start it", Obstacle.ENGINE))
    changes |= same(CRASHING[:1], unobserved("[Errno 28] No space left on device", Obstacle.HOST))
    engine, host = told(tmp_path, changes)
    assert (engine.kind, engine.count, engine.where) == (CauseKind.ENGINE, 6, None)
    assert [cell.id for cell in (*PLAIN, *UWSGI) if f"--cell {cell.id}" not in engine.command] == []
    assert (host.kind, host.title) == (CauseKind.HOST, "[Errno 28] No space left on device")


def test_lost_cores_and_cells_that_did_not_run_are_causes_of_their_own(tmp_path: Path) -> None:
    lost = factory.crashed_trial(CRASHING[0]).model_copy(
        update={"crash": None, "core": CoreFile(state=CoreState.LOST, note="no journal entry within 20 s")}
    )
    changes = {
        CRASHING[0].id: factory.judged(Verdict.ERROR, "SIGABRT, but its core was lost: no", trials=(lost,)),
        CRASHING[1].id: factory.judged(Verdict.ERROR, "stopped after 1 of 3 trials"),
        PLAIN[0].id: lambda _: None,
    }
    evidence, stopped = told(tmp_path, changes)
    assert evidence.kind is CauseKind.EVIDENCE
    assert evidence.title == "core lost: no journal entry within 20 s"
    assert (stopped.kind, stopped.verdict, stopped.count) == (CauseKind.NOT_RUN, None, 2)


def test_a_title_is_short_and_on_one_line_whatever_a_program_wrote(tmp_path: Path) -> None:
    text = "ValueError: " + "a long\n\x1b[31mstory " * 400
    (cause,) = told(tmp_path, same(PLAIN, ended(1, f"saw exit 1: {text}; x", ("x",), exception=text)))
    assert len(cause.title) < 100
    assert cause.title.isprintable()
    assert len(cause.detail) <= 2_000


def test_the_worst_come_first_and_of_equal_ones_the_new(tmp_path: Path) -> None:
    told(tmp_path, same(PLAIN[:1], crashed()), "20261118-000000-smoke")
    changes = same(PLAIN[:1], crashed()) | same(PLAIN[1:2], hung) | same(PLAIN[2:], unobserved("x"))
    found = told(tmp_path, changes)
    assert [(cause.kind, cause.state) for cause in found] == [
        (CauseKind.HANG, CauseState.NEW),
        (CauseKind.CRASH, CauseState.KNOWN),
        (CauseKind.HOST, CauseState.NEW),
    ]
    assert found[1].since == "20261118-000000-smoke"


def dates(
    *runs: tuple[str, dict[str, Change]], folder: Path
) -> dict[str, tuple[CauseState | None, str | None]]:
    """State and run of each cause of the last of these runs, by its kind."""
    for name, changes in runs:
        found = told(folder, changes, name)
    return {cause.kind: (cause.state, cause.since) for cause in found}


@pytest.fixture
def between() -> Callable[[CellResult], None]:
    return lambda _: None


def test_a_cause_is_known_since_the_first_run_that_shows_it_without_a_gap(
    tmp_path: Path, between: Change
) -> None:
    broken, stopped = same(PLAIN, crashed()), same(PLAIN, between)
    found = dates(
        ("20261101-0", broken), ("20261102-0", {}), ("20261103-0", broken),
        ("20261104-0", stopped), ("20261105-0", broken), folder=tmp_path,
    )  # fmt: skip
    assert found == {CauseKind.CRASH: (CauseState.KNOWN, "20261103-0")}


def test_a_cause_is_fixed_where_all_its_cells_were_seen_again(tmp_path: Path, between: Change) -> None:
    broken = same(PLAIN, crashed())
    assert dates(("20261101-0", broken), ("20261102-0", {}), folder=tmp_path) == {
        CauseKind.CRASH: (CauseState.FIXED, "20261101-0")
    }
    assert dates(("20261103-0", {}), folder=tmp_path) == {}
    assert dates(("20261104-0", broken), ("20261105-0", same(PLAIN[:1], between)), folder=tmp_path) == {
        CauseKind.NOT_RUN: (CauseState.NEW, None)
    }


def test_a_cause_whose_cells_no_run_saw_may_be_old(tmp_path: Path, between: Change) -> None:
    everything = [*PLAIN, *UWSGI, *CRASHING, *(factory.cell(pair, "plain") for pair in range(3))]
    found = dates(
        ("20261101-0", same(everything, between)), ("20261102-0", same(PLAIN, crashed())), folder=tmp_path
    )
    assert found[CauseKind.CRASH] == (CauseState.FIRST, None)


def test_a_digest_of_an_older_version_is_made_again(tmp_path: Path) -> None:
    told(tmp_path, same(PLAIN, crashed()), "20261101-0")
    digest = tmp_path / "20261101-0" / "digest.json"
    old = RunDigest.model_validate_json(digest.read_text()).model_copy(update={"causes": None})
    digest.write_text(old.model_dump_json(exclude={"causes"}))
    (cause,) = told(tmp_path, same(PLAIN, crashed()), "20261102-0")
    assert (cause.state, cause.since) == (CauseState.KNOWN, "20261101-0")


def test_causes_are_read_again_from_the_folder(tmp_path: Path) -> None:
    made = told(tmp_path, same(PLAIN, crashed()))
    data = RunFolder(tmp_path / factory.RUN).load()
    assert data.causes == made
    assert data.cause_of[PLAIN[1].id] == made[0]
    document = (tmp_path / factory.RUN / "causes.json").read_text()
    assert Causes.model_validate_json(document).causes == made


def test_a_cell_that_is_as_expected_has_no_cause(tmp_path: Path) -> None:
    assert told(tmp_path, {}) == ()
    plan = RunFolder(tmp_path / factory.RUN).plan
    (nothing,) = causes.find_causes((item.cell, None) for item in plan.cells)
    assert nothing.kind is CauseKind.NOT_RUN


def test_the_default_expectation_parts_by_what_happened(tmp_path: Path) -> None:
    default = Expectation(kind=OutcomeKind.EXIT, status=0, because="", is_default=True)

    def fails(result: CellResult) -> CellResult:
        changed = ended(1, "ImportError: libx.so.1", exception="ImportError: libx.so.1")(result)
        assert changed is not None
        return changed.model_copy(update={"expectation": default})

    (cause,) = told(tmp_path, same(PLAIN, fails))
    assert (cause.title, cause.expected) == ("ImportError: libx.so.1", "a clean exit")


START = "exit status 127: cannot start x"


@pytest.mark.parametrize(
    ("status", "said", "reason", "seen"),
    [
        (127, {"notes": ("cannot start x",)}, START, START),
        (22, {"answers": ("GET /: none",), "exception": "ImportError: x"}, "GET /: none", "ImportError: x"),
        (0, {"answers": ("GET /: 500",), "exception": "KeyError: x"}, "GET /: 500: KeyError", "GET /: 500"),
    ],
)
def test_a_cause_of_the_users_code_says_why_it_ended_so(
    tmp_path: Path, status: int, said: dict[str, object], reason: str, seen: str
) -> None:
    def change(result: CellResult) -> CellResult | None:
        stated = result.model_copy(update={"expectation": DEFAULT.of(0)})
        return ended(status, reason, (), **said)(stated)

    (cause,) = told(tmp_path, {PLAIN[0].id: change})
    assert cause.title == seen
