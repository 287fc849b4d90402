"""`nox -s bench -- fleet`: what a run on 200 hosts costs its own machine, cell by cell.

Three measurements: the bookkeeping alone (which host gets which cells, what is lost and runs again), the
whole of a run's side with its messages and files, and dask's own dispatch of orders that do nothing. Hosts
and their time are simulated, with durations as cells of the smoke profile have; the program's code is not.
"""

import asyncio
import heapq
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator import __version__
from orchestrator.adapters import cluster
from orchestrator.model import (
    Arch,
    Cell,
    CellResult,
    CoreFile,
    CoreState,
    Expectation,
    ImageKind,
    ImageSpec,
    Judgement,
    Outcome,
    OutcomeKind,
    PlannedCell,
    PlannedCells,
    PlannedTerms,
    Scenario,
    Trial,
    Verdict,
)  # fmt: skip
from orchestrator.pipeline.fleet.dispatch import Dispatcher, Group, Lease, Prepare
from orchestrator.pipeline.fleet.drive import Fleet
from orchestrator.pipeline.fleet.link import SLOTS, Arrived, FleetPlan, Seen
from orchestrator.pipeline.fleet.messages import (
    File,
    Look,
    Looked,
    Made,
    Make,
    Open,
    Opened,
    Ran,
    Run,
    pack,
    unpack_order,
)  # fmt: skip
from orchestrator.pipeline.fleet.taking import Taking
from orchestrator.pipeline.results import Results
from orchestrator.rundir import RunFolder, layout

HOSTS: Final = 200
WINDOW: Final = 32
"""Leases of a host with 16 slots."""
IMAGES: Final = 100
SECONDS: Final = (0.29, 0.31, 0.34, 0.36, 0.41, 0.55, 0.62, 0.71, 0.83, 1.4, 2.1, 3.2)
"""Durations of the 12 cells of the smoke profile, two at a time on two cores."""
LOST: Final = 20
"""Hosts that are lost in the middle, a tenth."""
SIZES: Final = (10_000, 100_000, 1_000_000)


def measure(repeat: int) -> int:
    """Print what each size costs; `repeat` is not used: each size is a repetition of the one before."""
    del repeat
    print("bookkeeping alone: dispatch, record, release; 200 hosts, 20 of them lost on the way")  # noqa: T201
    orders = {}
    for cells in SIZES:
        spent, virtual, orders[cells] = _bookkeeping(cells)
        _say(cells, spent, virtual)
    print("a run's side whole: orders packed, answers checked, results written")  # noqa: T201
    for cells in SIZES[:2]:
        _say(cells, *_whole(cells))
    print("dask.distributed, one worker in this process, orders that do nothing, 400 at a time")  # noqa: T201
    spent = _dask(10_000)
    for cells, count in orders.items():
        each = 1e-3 * spent / 10 * count / cells
        print(  # noqa: T201
            f"{cells:>9,} cells in {count:,} orders of {spent / 10:.1f} ms: {1e3 * each:.2f} ms a cell",
            flush=True,
        )
    return 0


def _say(cells: int, spent: float, virtual: float) -> None:
    each = f"{1e6 * spent / cells:7.1f} µs a cell"
    print(f"{cells:>9,} cells: {spent:8.2f} s, {each}, {virtual:8.0f} s of the hosts", flush=True)  # noqa: T201


def _bookkeeping(cells: int) -> tuple[float, float, int]:
    """Seconds of the processor, seconds of the hosts, and how many orders run cells."""
    dice = random.Random(1)  # noqa: S311 - repeatable, not secret
    groups = (
        Group(image=f"{number % IMAGES}", arch="x86_64", cells=(number,), seconds=60.0)
        for number in range(cells)
    )
    begin = time.process_time()
    dispatcher = Dispatcher(groups, cells)
    ends: list[tuple[float, int, str, Lease | Prepare]] = []
    numbers, now, lost, orders = iter(range(1 << 62)), 0.0, 0, 0

    def fill(host: str) -> None:
        nonlocal orders
        while (work := dispatcher.next(host)) is not None:
            orders += isinstance(work, Lease)
            busy = 20.0 if isinstance(work, Prepare) else sum(2 * dice.choice(SECONDS) for _ in work.groups)
            heapq.heappush(ends, (now + busy, next(numbers), host, work))

    for number in range(HOSTS):
        dispatcher.add_host(f"{number}", ["x86_64"], WINDOW)
        fill(f"{number}")
    while dispatcher.left:
        now, _, host, work = heapq.heappop(ends)
        if isinstance(work, Prepare):
            dispatcher.prepared(host, work.image)
        else:
            for cell in work.cells:
                dispatcher.record(cell)
            dispatcher.release(work)
        if lost < LOST and dispatcher.left < cells // 2:
            dispatcher.remove_host(f"{lost}")
            lost += 1
            for name in dispatcher.hosts:
                fill(name)
        fill(host)
    return time.process_time() - begin, now, orders


@dataclass(kw_only=True)
class _Hosts:
    """Simulated hosts: they answer with valid results, after the time that a cell takes."""

    sample: CellResult
    now: float = 0.0
    spent: float = 0.0
    """Processor time of the hosts' own side, which is not the run's."""
    _ends: list[tuple[float, int, bytes]] = field(default_factory=list)
    _number: int = 0
    _dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - repeatable

    def hosts(self) -> Mapping[str, Seen]:
        """All of them, always there."""
        resources = {SLOTS: WINDOW / 2, "x86_64": WINDOW / 2}
        return {
            f"{number}": Seen(name=f"host-{number}", resources=resources, heard=self.now)
            for number in range(HOSTS)
        }

    def ask(self, host: str, frame: bytes, resources: Mapping[str, float]) -> int:  # noqa: ARG002
        """Take an order; its answer is ready after a while."""
        begin = time.process_time()
        self._number += 1
        order, _ = unpack_order(frame)
        busy = (
            sum(2 * self._dice.choice(SECONDS) for _ in order.groups)
            if isinstance(order, Run)
            else 20.0
            if isinstance(order, Make)
            else 0.1
        )
        heapq.heappush(self._ends, (self.now + busy, self._number, self._answer(order)))
        self.spent += time.process_time() - begin
        return self._number

    def _answer(self, order: object) -> bytes:
        if isinstance(order, Look):
            return pack(Looked(version=__version__, arch="x86_64", arches=("x86_64",), engine=""))
        if isinstance(order, Open):
            return pack(Opened(slots=WINDOW // 2))
        if isinstance(order, Make):
            return pack(Made(image="sha256:0"))
        assert isinstance(order, Run)  # noqa: S101 - no other order is sent here
        files, data = [], []
        for planned in (item for group in order.groups for item in group):
            content = self.sample.model_copy(update={"cell": planned.cell}).model_dump_json().encode()
            for name, item in (
                (layout.result_file(planned.cell), content),
                (f"{layout.cell_folder(planned.cell)}/trial-1/stdout", b"ok\n"),
            ):
                files.append(File(name=name, size=len(item)))
                data.append(item)
        return pack(Ran(host="host", folder="/cache", files=tuple(files)), data)

    def forget(self, order: int) -> None:
        """Nothing is lost here."""

    def tell(self, host: str, token: str, what: str) -> None:
        """Nobody is told anything."""

    def answer(self, timeout: float) -> Arrived | None:
        """The next answer, and the time is then."""
        if not self._ends:
            self.now += timeout
            return None
        self.now, number, frame = heapq.heappop(self._ends)
        return Arrived(order=number, frame=frame)


class _Silent:
    """Progress that nobody watches."""

    def begin(self, images: int, cells: int) -> None:
        """Nothing."""

    def image_started(self, role: str) -> None:
        """Nothing."""

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        """Nothing."""

    def cell_started(self, cell: str) -> None:
        """Nothing."""

    def cell_ended(self, result: CellResult) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


def _whole(cells: int) -> tuple[float, float]:
    planned, specs = _planned(cells), {spec.key: spec for spec in _specs()}
    scenario = Scenario(
        name="repro", title="A cell", story="bench", folder="/nonexistent", driver="driver.py", timeout=60.0,
        trials=1, probes=(),
    )  # fmt: skip
    hosts = _Hosts(sample=_sample(planned[0]))
    token = "0" * 64
    opening = Open(token=token, scenarios=(), slots=1, memory=1 << 30, registry=None)
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
        begin = time.process_time()
        results = Results(
            run_name="bench", run_folder=RunFolder(Path(folder)), project=Path(folder),
            scenarios={"repro": scenario},
            specs=specs, host_arch=Arch.X86_64,
        )  # fmt: skip
        fleet = Fleet(
            link=hosts,
            plan=FleetPlan(token=token, cells=planned, specs=specs, arch="x86_64", opening=opening),
            dispatcher=Dispatcher(_groups(planned), len(planned)),
            taking=Taking(results=results),
            progress=_Silent(),
            silence=60.0,
            patience=120.0,
            clock=lambda: hosts.now,
        )
        fleet.execute()
        return time.process_time() - begin - hosts.spent, hosts.now


def _groups(planned: PlannedCells) -> Iterator[Group]:
    for number, item in enumerate(planned):
        yield Group(image=item.image, arch="x86_64", cells=(number,), seconds=item.timeout)


def _specs() -> list[ImageSpec]:
    return [
        ImageSpec(role="cell", kind=ImageKind.EMPTY, arch=Arch.X86_64, text="bench", key=f"{number:064x}")
        for number in range(IMAGES)
    ]


def _planned(cells: int) -> PlannedCells:
    grid = {
        "scenario": ("repro",), "python": ("3.11",), "glibc": ("2.36",), "arch": ("x86_64",),
        "launcher": ("plain",),
        "probe": ("none",), "case": tuple(f"{number}" for number in range(cells)),
    }  # fmt: skip
    expectation = Expectation(kind=OutcomeKind.EXIT, status=0, because="bench", where="bench")
    terms = [
        PlannedTerms(expectation=expectation, trials=1, timeout=60.0, image=f"{number:064x}")
        for number in range(IMAGES)
    ]
    return PlannedCells(
        [grid], terms, ((0, 0, 0, 0, 0, 0, 0, number, number % IMAGES) for number in range(cells))
    )


def _sample(planned: PlannedCell) -> CellResult:
    outcome = Outcome(
        kind=OutcomeKind.EXIT, status=0, seconds=0.3, started="2026-11-30T00:00:00+00:00", container="c" * 64,
        hostname="h", stdout="cells/x/trial-1/stdout", stderr="cells/x/trial-1/stderr",
    )  # fmt: skip
    return CellResult(
        run="bench", cell=Cell.from_axes(planned.cell.axes), image=planned.image,
        expectation=planned.expectation,
        judgement=Judgement(verdict=Verdict.PASS, reason="exit 0, as expected"),
        trials=(Trial(number=1, outcome=outcome, core=CoreFile(state=CoreState.NONE)),),
        started="2026-11-30T00:00:00+00:00", seconds=0.3, repeat="",
    )  # fmt: skip


def echo(frame: bytes) -> bytes:
    """An order that does nothing."""
    return frame


def _told(_token: str, _what: str) -> None:
    pass


def _dask(orders: int) -> float:
    """Seconds for so many orders, from `ask` to their answers, in windows."""
    return asyncio.run(_with_scheduler(orders))


async def _with_scheduler(orders: int) -> float:
    async with cluster.local(SLOTS, 400) as address:
        return await asyncio.to_thread(_ask_all, address, orders)


def _ask_all(address: str, orders: int) -> float:
    connection = cluster.Cluster.connect(address, 60.0, echo, _told)
    try:
        (worker,) = connection.workers()
        begin, out, done = time.perf_counter(), 0, 0
        while done < orders:
            while out - done < 400 and out < orders:
                connection.ask(worker, b"{}", {SLOTS: 1})
                out += 1
            done += connection.reply(60.0) is not None
        return time.perf_counter() - begin
    finally:
        connection.close()
