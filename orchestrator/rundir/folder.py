"""A run's folder on disk: each document is parsed once, and written atomically."""

import gc
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from orchestrator.adapters.files import remove_below, write_below
from orchestrator.errors import InputError, Location
from orchestrator.model import (
    Bisection,
    Causes,
    Cell,
    CellResult,
    Checked,
    Comparison,
    Explanations,
    History,
    PackageLock,
    Plan,
    PlannedCell,
    RunDigest,
)
from orchestrator.rundir import layout
from orchestrator.rundir.documents import read_document, read_lock
from orchestrator.rundir.records import CellRecord, RunData


@contextmanager
def _collector_paused() -> Generator[None]:
    """Have no garbage collection while values are made that all stay: it takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


Derived = TypeVar("Derived", Causes, Checked, Explanations, Comparison, History, RunDigest)


class RunFolder:
    """A run's folder, opened once a command; `path` is resolved.

    A document is parsed when it is first asked for and then kept. Results may be written by several threads.
    """

    def __init__(self, path: Path) -> None:
        """Open a folder; nothing is read yet, and it need not exist."""
        self.path = path.resolve()
        self._plan: Plan | None = None
        self._results: dict[str, CellResult | None] = {}
        self._locks: dict[str, PackageLock] = {}

    @property
    def plan(self) -> Plan:
        """The plan; raises InputError where there is none or it is damaged."""
        if self._plan is None:
            self._plan = read_document(self.path, layout.PLAN, Plan)
        if self._plan is None:
            raise InputError(
                f"there is no {layout.PLAN} in this folder, so it is no run",
                where=Location(file=str(self.path)),
                hint="name a folder under reports/",
            )
        return self._plan

    def lock(self, digest: str) -> PackageLock:
        """The packages of this digest; raises InputError where they are missing or damaged."""
        if digest not in self._locks:
            self._locks[digest] = read_lock(self.path, layout.lock_file(digest), digest)
        return self._locks[digest]

    @property
    def locks(self) -> dict[str, PackageLock]:
        """The packages of the plan's cells, and of what builds them, by digest."""
        digests = {lock for terms in self.plan.cells.terms for lock in (terms.lock, terms.tools) if lock}
        return {lock.digest: lock for digest in sorted(digests) for lock in self.lock(digest).with_tools}

    def write_locks(self, locks: Iterable[PackageLock]) -> None:
        """Write the packages of cells, each under its digest."""
        for lock in locks:
            write_below(self.path, layout.lock_file(lock.digest), lock.text)

    def load_results(self) -> RunData:
        """The plan and the results that exist; raises InputError where one is damaged or another cell's."""
        with _collector_paused():
            records = tuple(CellRecord(planned=item, result=self._result(item)) for item in self.plan.cells)
        return RunData(folder=self.path, plan=self.plan, records=records, checked=self._checked)

    def load(self) -> RunData:
        """All documents that reports are rendered from; raises InputError as `load_results` does."""
        data = self.load_results()
        explanations = self._derived(Explanations)
        causes = self._derived(Causes)
        return RunData(
            folder=self.path,
            plan=data.plan,
            records=data.records,
            checked=data.checked,
            explanations=explanations.explanations if explanations else (),
            causes=causes.causes if causes else (),
            comparison=self._derived(Comparison),
            history=self._derived(History),
        )

    @property
    def has_results(self) -> bool:
        """Whether the results of its cells are here: of an older night only the digest is kept."""
        return (self.path / layout.CELLS).is_dir()

    def fresh_digest(self) -> RunDigest | None:
        """The digest; None where there is none, it is damaged, or it is older than the plan.

        Where no results are here it is all that is known, however old an unpacked file may seem.
        """
        try:
            if not self.has_results or self._written(layout.DERIVED[RunDigest]) >= self._written(layout.PLAN):
                return self._derived(RunDigest)
        except (OSError, InputError):
            pass  # a run that was killed or is of an older version; its results say the same
        return None

    def write_plan(self, plan: Plan) -> None:
        """Write the plan."""
        write_below(self.path, layout.PLAN, plan.chunks())
        self._plan = plan

    def write_result(self, result: CellResult) -> None:
        """Write a cell's result; it is read again when results are next loaded."""
        write_below(self.path, layout.result_file(result.cell), result.model_dump_json(indent=1))
        self._results.pop(result.cell.id, None)

    def write(
        self, document: Bisection | Causes | Checked | Explanations | Comparison | History | RunDigest
    ) -> None:
        """Write a derived document under its name."""
        write_below(self.path, layout.DERIVED[type(document)], document.model_dump_json(indent=1))

    def remove_comparison(self) -> None:
        """Remove the comparison of an earlier report, if there is one."""
        remove_below(self.path, layout.DERIVED[Comparison], "an earlier comparison")

    def clear_cell(self, cell: Cell) -> None:
        """Remove what an earlier attempt left of a cell; what is written in its place then stays in the run.

        Raises HostError where a file cannot be removed, InputError where a link leads there.
        """
        self._results.pop(cell.id, None)
        remove_below(self.path, layout.cell_folder(cell), "evidence of an earlier attempt")

    def _result(self, planned: PlannedCell) -> CellResult | None:
        cell = planned.cell
        name = cell.id
        if name not in self._results:
            file = layout.result_of(name)
            result = read_document(self.path, file, CellResult)
            if result is not None and result.cell != cell:
                raise InputError(
                    f"this is the result of another cell, {result.cell.id}",
                    where=Location(file=str(self.path / file)),
                    hint="delete it and resume the run",
                )
            self._results[name] = result
        return self._results[name]

    def _derived(self, kind: type[Derived]) -> Derived | None:
        return read_document(self.path, layout.DERIVED[kind], kind)

    @property
    def _checked(self) -> Checked | None:
        """The findings of a check; None where damaged or another version's: the cells say the same."""
        try:
            return self._derived(Checked)
        except InputError:
            return None

    def _written(self, name: str) -> float:
        """When a file was last written, as a Unix time in seconds."""
        return (self.path / name).stat().st_mtime
