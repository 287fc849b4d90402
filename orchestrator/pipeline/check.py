"""The steps of a check: a project for the packages, its cells and findings, then the confirmation of hits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator import check, matrix, report
from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import write_atomically
from orchestrator.check import GATE, HAZARD, Environment, Hit, RequestedPackage
from orchestrator.errors import EXIT_FAILED, EXIT_HOST, EXIT_OK, InputError, NoCellError
from orchestrator.model import Cell, CellResult, Checked, SelectedCells
from orchestrator.pipeline import planning
from orchestrator.pipeline.confirm import BUGS, Confirmation, first_hits
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.run import Finished, RunOptions, run_matrix
from orchestrator.pipeline.suites import suites_of
from orchestrator.rundir import RunFolder
from orchestrator.scratch import scratch_folder

EVERYWHERE: Final = "full"
"""The profile of all environments."""
TABLE: Final = "check.md"
"""The file of a run with a row for each package and a column for each hazard."""


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """The request of a check: packages as the user wrote them, and their environments."""

    packages: tuple[str, ...]
    everywhere: bool
    """Whether all environments are tested, instead of those that cover all pairs and need nothing built."""
    expression: str | None
    reports: Path
    jobs: int
    offline: bool = False
    baseline: Path | None = None
    valgrind: bool = False
    """Whether valgrind watches import, use and exit too."""
    build_missing: bool = False
    """Whether what has no wheel for an environment is compiled from its source distribution."""
    tests: bool = False
    """Whether the packages' own tests run too."""
    source: Path | None = None
    """The folder with the tests of the one package; None: its own, or its source distribution."""
    again: int = 5
    """Further trials of each hit."""
    reduce: int = 8
    """The number of hits that are reduced, from the first on; the others are confirmed only."""


@dataclass(frozen=True, kw_only=True)
class FirstAnswer:
    """The battery's run and its findings, before any hit is repeated."""

    options: CheckOptions
    requested: tuple[RequestedPackage, ...]
    project: Project
    run: Finished
    checked: Checked
    hits: tuple[Hit, ...]
    """The crashes and hangs, one for each signature of a package."""

    @property
    def repeats(self) -> bool:
        """Whether its hits are repeated: not after a run that the user stopped."""
        return bool(self.hits and self.options.again and not self.run.stopped)


@dataclass(frozen=True, kw_only=True)
class FinishedCheck:
    """A finished check: its run, its findings, the new ones since the baseline, and the exit code."""

    run: Finished
    checked: Checked
    new: tuple[str, ...]
    """The ids of the cells that crash or hang, and did not in the baseline."""
    hits: tuple[Hit, ...]
    """The crashes and hangs, with the results of repeating them."""
    exit_code: int


def run_battery(options: CheckOptions, progress: Progress) -> FirstAnswer:
    """Run the battery; raises InputError for what the user must correct, HostError where nothing can run."""
    requested = check.requested_packages(options.packages)
    project = Project.load(_project_folder(requested, options, progress), offline=options.offline)
    finished = _run(project, options, progress)
    found = check.checked(finished.data, requested)
    hits = first_hits(found, finished.data)
    found = found.model_copy(update={"hits": tuple(hit.told() for hit in hits)})
    RunFolder(finished.folder).write(found)
    write_atomically(finished.folder / TABLE, check.markdown_table(found))
    return FirstAnswer(
        options=options,
        requested=tuple(requested),
        project=project,
        run=finished,
        checked=found,
        hits=hits,
    )


def confirmed(answer: FirstAnswer, progress: Progress, show: Callable[[Hit], None]) -> FinishedCheck:
    """Repeat and reduce the hits of a first answer, and show each as soon as that is done."""
    options, finished = answer.options, answer.run
    confirmation = Confirmation(
        project=answer.project,
        data=finished.data,
        again=options.again if answer.repeats else 0,
        reduce=options.reduce,
        jobs=options.jobs,
        say=progress.say,
    )
    hits = confirmation.confirmed(answer.hits, show)
    told = tuple(hit.told(f"{BUGS}/{hit.file}") for hit in hits)
    checked = answer.checked.model_copy(update={"hits": told})
    run = RunFolder(finished.folder)
    run.write(checked)
    report.write_overview(run.load())
    before = _hits_before(options.baseline, answer.requested)
    new = tuple(cell for hit in hits if hit.stands for cell in hit.cells if cell not in before)
    code = exit_code(checked, new)
    return FinishedCheck(run=finished, checked=checked, new=new, hits=hits, exit_code=code)


def _run(project: Project, options: CheckOptions, progress: Progress) -> Finished:
    """The run of the cells; raises InputError where no environment is left, with what check offers then."""
    try:
        request = _request(project, options)
        run = RunOptions(request=request, reports=options.reports, jobs=options.jobs, gate=ImportGate())
        return run_matrix(project, run, progress)
    except NoCellError as error:
        where = "change -k" if options.expression else "check another version"
        more = "" if options.everywhere else ", or add `--environments all`"
        raise InputError(error.what, where=error.where, hint=f"{where}{more}") from error
    except InputError as error:
        if error.where is None or not Path(error.where.file).is_relative_to(project.root):
            raise
        # A place in the check's own project, which the user did not write.
        raise InputError(error.what, hint=error.hint) from error


def _project_folder(requested: Sequence[RequestedPackage], options: CheckOptions, progress: Progress) -> Path:
    """The folder of the project that tests the packages."""
    with scratch_folder("tests", cache_folder("scratch")) as scratch:
        suites = (
            suites_of(requested, options.source, scratch, progress.say)
            if options.tests or options.source
            else {}
        )
        extras = check.Extras(valgrind=options.valgrind, suites=suites)
        return check.write_project(requested, matrix.whole_folder, extras)


class ImportGate:
    """Tests first whether a package can be imported and the process ends; if not, nothing else is tested."""

    def is_first(self, cell: Cell) -> bool:
        """Whether a cell is the import test."""
        return dict(cell.own).get(HAZARD) == GATE

    def closed(self, cell: Cell, results: Sequence[CellResult]) -> str | None:
        """Why a cell is not tested: the import's own error, or that it does not end."""
        mine = [item for item in results if _place(item.cell) == _place(cell) and self.is_first(item.cell)]
        for result in mine:
            if check.imports(result) is False:
                return f"{check.UNIMPORTED}{result.judgement.reason}"
        return None


def _place(cell: Cell) -> tuple[str, str, str, str]:
    """The package of a cell, and its environment without the launcher."""
    return check.base_name(cell.scenario), cell.python, cell.glibc, str(cell.arch)


def _request(project: Project, options: CheckOptions) -> matrix.Request:
    """The cells of a check: all that the user's expression leaves, or those that cover its pairs."""
    request = matrix.Request(
        profile=EVERYWHERE if options.everywhere else None,
        expression=options.expression,
        offline=options.offline,
        build_missing=options.build_missing,
    )
    if options.everywhere:
        return request
    cover = check.covering(_environments(planning.selected(project, request)))
    own = f"({options.expression}) and " if options.expression else ""
    return replace(request, expression=f"{own}({cover})")


def _environments(cells: Sequence[SelectedCells]) -> list[Environment]:
    """The environments of the selected cells, in their order, each with its launchers."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for item in cells:
        for python in item.axes["python"]:
            for glibc in item.axes["glibc"]:
                found.setdefault((python, glibc), {}).update(dict.fromkeys(item.axes["launcher"]))
    return [
        Environment(python=python, glibc=glibc, launchers=tuple(launchers))
        for (python, glibc), launchers in found.items()
    ]


def _hits_before(baseline: Path | None, requested: Sequence[RequestedPackage]) -> frozenset[str]:
    """The ids of the cells that crash or hang in an earlier check."""
    if baseline is None:
        return frozenset()
    before = check.checked(RunFolder(baseline).load_results(), requested)
    return frozenset(cell.cell for package in before.packages for cell in package.hits)


def exit_code(found: Checked, new: Sequence[str]) -> int:
    """1 for a new crash or hang; 3 where nothing of some package could be tested; else 0."""
    if new:
        return EXIT_FAILED
    untested = any(all(cell.result.is_blind for cell in package.cells) for package in found.packages)
    return EXIT_HOST if untested else EXIT_OK
