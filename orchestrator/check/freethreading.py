"""What a package does on free-threaded interpreters, beside the same cells with the GIL."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from orchestrator.check.bugreport import Hit
from orchestrator.model import FREE_THREADED, CheckedCell, CheckedPackage, HazardResult, Rate, Value


class ThreadClass(StrEnum):
    """What a package does without the GIL, worst first."""

    CRASHES = "crashes"
    DEADLOCKS = "deadlocks"
    INTERMITTENT = "intermittent"
    """It crashes or hangs in some trials."""
    FALLS_BACK = "falls back to the GIL"
    """An extension without Py_mod_gil: CPython enables the GIL again, and warns of it."""
    COMPATIBLE = "compatible"


class FreeThreaded(Value):
    """A package in a free-threaded environment."""

    environment: str
    kind: ThreadClass
    hazards: tuple[str, ...] = ()
    """The hazards that crash or hang."""
    rate: Rate | None = None
    """How often the first of them does, where it was repeated."""
    with_gil: tuple[str, ...] | None = None
    """Which of these hazards crash or hang in the same environment with the GIL; None: it was not tested."""


def free_threaded(package: CheckedPackage, hits: Iterable[Hit]) -> tuple[FreeThreaded, ...]:
    """The class of a package in each free-threaded environment that imports it or is brought down by it."""
    mine = [hit for hit in hits if hit.package == package.name and hit.stands]
    return tuple(_classified(package, place, mine) for place in _places(package, mine))


def _places(package: CheckedPackage, hits: Iterable[Hit]) -> Iterator[str]:
    """The free-threaded environments, without the launcher, where the package was imported or has a hit.

    One that crashes or hangs during its import never tells whether the GIL is on.
    """
    known = {cell for hit in hits for cell in hit.cells}
    reached = [cell for cell in package.cells if cell.gil or (cell.result.is_hit and cell.cell in known)]
    for place in dict.fromkeys(map(_place, reached)):
        if place.partition("-")[0].endswith(FREE_THREADED):
            yield place


def _place(cell: CheckedCell) -> str:
    return cell.environment.rpartition("-")[0]


def _classified(package: CheckedPackage, place: str, hits: Sequence[Hit]) -> FreeThreaded:
    here = [cell for cell in package.cells if _place(cell) == place]
    known = {cell for hit in hits for cell in hit.cells}
    bad = [cell for cell in here if cell.result.is_hit and cell.cell in known]
    rates = [rate for hit in hits if (rate := _rate(hit, {cell.cell for cell in bad}))]
    rate = min(rates, key=lambda item: item.share, default=None)
    return FreeThreaded(
        environment=place,
        kind=_kind(here, bad, rate),
        hazards=tuple(dict.fromkeys(cell.hazard for cell in bad)),
        rate=rate,
        with_gil=_with_gil(package, place, {cell.hazard for cell in bad}),
    )


def _kind(here: Sequence[CheckedCell], bad: Sequence[CheckedCell], rate: Rate | None) -> ThreadClass:
    if bad:
        if rate and rate.count < rate.trials:
            return ThreadClass.INTERMITTENT
        hangs = all(cell.result is HazardResult.HANGS for cell in bad)
        return ThreadClass.DEADLOCKS if hangs else ThreadClass.CRASHES
    on = any(cell.gil == "on" for cell in here)
    return ThreadClass.FALLS_BACK if on else ThreadClass.COMPATIBLE


def _rate(hit: Hit, cells: set[str]) -> Rate | None:
    """How often a hit of these cells came again; None where its repeated cell is another's."""
    if not hit.trials or hit.cells[0] not in cells:
        return None
    return Rate.of("crashed" if hit.crashed else "hung", hit.again, hit.trials)


def _with_gil(package: CheckedPackage, place: str, hazards: set[str]) -> tuple[str, ...] | None:
    python, _, rest = place.partition("-")
    twin = f"{python.removesuffix(FREE_THREADED)}-{rest}"
    cells = [cell for cell in package.cells if _place(cell) == twin]
    if not cells:
        return None
    bad = dict.fromkeys(cell.hazard for cell in cells if cell.result.is_hit)
    return tuple(name for name in bad if name in hazards)
