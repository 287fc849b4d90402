"""The schedule of a run, over a runner that needs no engine."""

import argparse
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from orchestrator.cli.arguments import duration
from orchestrator.errors import BuildError, CrashmatrixError, EngineError, EngineGoneError, NotStartedError
from orchestrator.model import Arch, CellResult, ImageKind, ImageSpec, Judgement, PlannedCell, Verdict
from orchestrator.pipeline.schedule import DRAIN, Deadline, OnReady, Schedule
from tests.unit.run_factory import expectation_of, result_of, smoke_cells

BROKEN = "0" * 64
KEY = "1" * 64
BASE = "2" * 64


@dataclass
class Runner:
    """Passes every cell, but for those whose id `fails` names: they raise its error."""

    fails: dict[str, Exception] = field(default_factory=dict)
    verdict: Verdict = Verdict.PASS
    alive: bool = True
    comes_back: bool = False
    together: int = 0
    """How many cells share a container."""
    until: int | None = None
    """How many of these run before one must be examined."""
    shared: list[int] = field(default_factory=list)
    may_be_killed: bool = False
    killed: threading.Event = field(default_factory=threading.Event)
    ran: list[tuple[str, str]] = field(default_factory=list)
    unobserved_cells: dict[str, Exception] = field(default_factory=dict)

    def run(self, planned: PlannedCell, image: str) -> CellResult:
        self.ran.append((planned.cell.id, image))
        if planned.cell.id in self.fails:
            raise self.fails[planned.cell.id]
        judgement = Judgement(verdict=self.verdict, reason="as told")
        return result_of(planned).model_copy(update={"judgement": judgement})

    def groups(self, cells: Iterable[PlannedCell]) -> Iterable[Sequence[PlannedCell]]:
        together = list(cells)
        size = self.together or 1
        return [together[start : start + size] for start in range(0, len(together), size)]

    def run_together(self, cells: Sequence[PlannedCell], image: str) -> Sequence[CellResult]:
        self.shared.append(len(cells))
        failing = [cell.cell.id for cell in cells if cell.cell.id in self.fails]
        if failing:
            raise self.fails[failing[0]]
        return [self.run(cell, image) for cell in cells[: self.until]]

    def unobserved(self, planned: PlannedCell, why: Exception, image: str | None = None) -> CellResult:
        self.unobserved_cells[planned.cell.id] = why
        judgement = Judgement(verdict=Verdict.ERROR, reason=str(why))
        return result_of(planned).model_copy(update={"judgement": judgement, "image_id": image})

    def kill(self) -> None:
        assert self.may_be_killed, "nothing interrupts these runs"
        self.killed.set()

    def answers(self) -> bool:
        return self.alive

    def returns(self, say: Callable[[str], None]) -> bool:
        say("waiting")
        self.alive = self.comes_back
        if self.alive:
            self.fails.clear()
        return self.alive


class Progress:
    """Keeps the verdicts."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}

    def begin(self, images: int, cells: int) -> None: ...

    def cell_started(self, cell: str) -> None: ...

    def cell_ended(self, result: CellResult) -> None:
        self.verdicts[result.cell.id] = result.judgement.verdict

    def image_started(self, role: str) -> None: ...

    def image_ended(self, role: str, seconds: float, error: str | None) -> None: ...

    def say(self, text: str) -> None: ...


def spec(key: str, *parents: str) -> ImageSpec:
    return ImageSpec(
        role="x", kind=ImageKind.DOCKERFILE, arch=Arch.X86_64, text="", files=(), parents=parents, key=key
    )


def planned(image: str = KEY) -> list[PlannedCell]:
    return [
        PlannedCell(cell=cell, expectation=expectation_of(cell), trials=1, timeout=30, image=image)
        for cell in smoke_cells()
    ]


def scheduled(
    runner: Runner,
    cells: list[PlannedCell],
    *,
    fail_fast: bool = False,
    deadline: Deadline | None = None,
    build: Callable[[list[ImageSpec], OnReady], object] | None = None,
) -> tuple[Schedule, Progress]:
    """Run cells on images that are there, one at a time."""

    def there(specs: list[ImageSpec], on_ready: OnReady) -> None:
        for item in specs:
            on_ready(item.key, f"sha256:{item.key}")

    progress = Progress()
    schedule = Schedule(
        runner=runner, build=build or there, progress=progress, jobs=1, fail_fast=fail_fast,
        stop=threading.Event(), deadline=deadline,
    )  # fmt: skip
    schedule.execute(cells, [spec(BASE), spec(KEY, BASE), spec(BROKEN)])
    return schedule, progress


def test_every_cell_runs_on_its_image_and_only_needed_images_are_built() -> None:
    runner, built = Runner(), list[str]()

    def build(specs: list[ImageSpec], on_ready: OnReady) -> None:
        for item in specs:
            built.append(item.key)
            on_ready(item.key, f"sha256:{item.key}")

    schedule, progress = scheduled(runner, planned(), build=build)
    assert built == [BASE, KEY]
    assert runner.ran == [(item.cell.id, f"sha256:{KEY}") for item in planned()]
    assert set(progress.verdicts.values()) == {Verdict.PASS}
    assert schedule.stopped is None


def test_a_cell_without_its_image_is_an_error_and_never_runs() -> None:
    def broken(specs: list[ImageSpec], on_ready: OnReady) -> None:
        for item in specs:
            on_ready(item.key, BuildError("image x could not be built", hint="read its log"))

    runner = Runner()
    _, progress = scheduled(runner, planned(BROKEN), build=broken)
    assert runner.ran == []
    assert set(progress.verdicts.values()) == {Verdict.ERROR}
    assert {str(why).partition(";")[0] for why in runner.unobserved_cells.values()} == {
        "image x could not be built"
    }


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR])
def test_fail_fast_starts_no_further_cell(verdict: Verdict) -> None:
    runner = Runner(verdict=verdict)
    schedule, progress = scheduled(runner, planned(), fail_fast=True)
    assert len(progress.verdicts) == 1
    assert schedule.stopped == f"--fail-fast: {runner.ran[0][0]} is {verdict}"
    everything, _ = scheduled(Runner(verdict=verdict), planned())
    assert everything.stopped is None


@pytest.mark.parametrize(
    ("error", "alive", "count"),
    [
        (EngineError("the volume is busy", hint="repeat the cell"), True, 12),
        (EngineError("no answer", hint="start the engine"), False, 1),
        (CrashmatrixError("anything", hint="else"), False, 12),
        (OSError(28, "No space left on device"), False, 12),
    ],
)
def test_an_error_of_the_host_is_the_cells_own_unless_the_engine_is_gone(
    error: Exception, alive: bool, count: int
) -> None:
    first = planned()[0].cell.id
    runner = Runner(fails={first: error}, alive=alive)
    schedule, progress = scheduled(runner, planned())
    assert progress.verdicts[first] is Verdict.ERROR
    assert len(progress.verdicts) == count
    assert (schedule.stopped is not None) == (count == 1)


def test_a_cell_that_an_engine_s_restart_interrupted_is_asked_again() -> None:
    first = planned()[0].cell.id
    gone = EngineError("it went away", hint="start the engine")
    runner = Runner(fails={first: gone}, alive=False, comes_back=True)
    schedule, progress = scheduled(runner, planned())
    assert schedule.stopped is None
    assert [name for name, _ in runner.ran].count(first) == 2
    assert set(progress.verdicts.values()) == {Verdict.PASS}
    assert runner.unobserved_cells == {}


def test_a_cell_whose_connection_broke_is_asked_again_where_the_engine_is_back_already() -> None:
    first = planned()[0].cell.id
    broken = EngineGoneError("it went away", hint="start the engine")
    runner = Runner(fails={first: broken}, comes_back=True)
    _, progress = scheduled(runner, planned())
    assert [name for name, _ in runner.ran].count(first) == 2
    assert set(progress.verdicts.values()) == {Verdict.PASS}


def test_an_engine_that_goes_away_each_time_is_not_asked_without_end() -> None:
    class Flapping(Runner):
        def returns(self, say: Callable[[str], None]) -> bool:
            say("waiting")
            return True

    first = planned()[0].cell.id
    runner = Flapping(fails={first: EngineError("it went away", hint="start the engine")}, alive=False)
    _, progress = scheduled(runner, planned())
    assert [name for name, _ in runner.ran].count(first) == 3
    assert progress.verdicts[first] is Verdict.ERROR


def test_cells_that_share_a_container_run_together_until_one_must_be_examined() -> None:
    runner = Runner(together=4, until=3)
    _, progress = scheduled(runner, planned())
    assert runner.shared[0] == 4
    assert [name for name, _ in runner.ran] == [item.cell.id for item in planned()]
    assert set(progress.verdicts) == {item.cell.id for item in planned()}


def test_where_a_shared_container_fails_each_of_its_cells_is_asked_by_itself() -> None:
    cells = planned()
    broken = cells[1].cell.id
    runner = Runner(together=len(cells), fails={broken: EngineError("it failed", hint="again")})
    _, progress = scheduled(runner, cells)
    assert [name for name, _ in runner.ran] == [item.cell.id for item in cells]
    assert {name for name, verdict in progress.verdicts.items() if verdict is Verdict.ERROR} == {broken}
    assert set(runner.unobserved_cells) == {broken}


@pytest.mark.parametrize("together", [0, 4])
def test_at_a_deadline_no_cell_starts_and_those_that_ended_keep_their_verdicts(together: int) -> None:
    """The clock is the number of cells that ran."""
    runner = Runner(together=together)
    deadline = Deadline(words="90m", at=4, clock=lambda: len(runner.ran))
    schedule, progress = scheduled(runner, planned(), deadline=deadline)
    assert len(runner.ran) == len(progress.verdicts) == 4
    assert schedule.stopped == "--deadline 90m is over"
    assert schedule.stop.is_set(), "builds go on"


def test_a_cell_that_outlasts_the_drain_is_killed() -> None:
    """The clock passes the deadline and the drain once the first cell runs: a kill alone ends it."""

    class Endless(Runner):
        def run(self, planned: PlannedCell, image: str) -> CellResult:
            self.ran.append((planned.cell.id, image))
            assert self.killed.wait(60)
            return super().run(planned, image)

    runner = Endless(may_be_killed=True)
    deadline = Deadline(words="1s", at=1, clock=lambda: (1 + DRAIN) * len(runner.ran))
    schedule, progress = scheduled(runner, planned(), deadline=deadline)
    assert schedule.killed
    assert len(progress.verdicts) == 1


def test_a_deadline_that_is_not_reached_changes_nothing() -> None:
    runner = Runner()
    schedule, _ = scheduled(runner, planned(), deadline=Deadline(words="1h", at=100, clock=lambda: 0))
    assert len(runner.ran) == 12
    assert schedule.stopped is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("45m", 2700), ("1h30m", 5400), ("90s", 90), ("24h", 86400), ("1h1m1s", 3661)]
)
def test_a_duration_is_hours_minutes_and_seconds(text: str, seconds: float) -> None:
    assert duration(text) == (text, seconds)


@pytest.mark.parametrize("text", ["", "45", "0m", "25h", "m", "1m1h", "-1m", "1.5h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="45m or 1h30m"):
        duration(text)


def test_cells_that_may_take_longest_start_first() -> None:
    """Those that may take equally long stay in the plan's order."""
    cells = planned()
    runner = Runner()
    longer, more = cells[-1].model_copy(update={"timeout": 90}), cells[2].model_copy(update={"trials": 50})
    scheduled(runner, [*cells[:2], more, *cells[3:-1], longer])
    ran = [cell for cell, _ in runner.ran]
    usual = [cell.cell.id for cell in (*cells[:2], *cells[3:-1])]
    assert ran == [more.cell.id, longer.cell.id, *usual]


def test_a_cell_that_a_stop_keeps_from_starting_has_no_result() -> None:
    cells = planned()
    runner = Runner(fails={cells[0].cell.id: NotStartedError("the run was stopped", hint="resume it")})
    _, progress = scheduled(runner, cells)
    assert cells[0].cell.id not in progress.verdicts
    assert not runner.unobserved_cells
