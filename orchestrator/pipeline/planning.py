"""From a project's folder and a request to a plan: every key is fixed before an engine is asked."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.pipeline")

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final

from orchestrator import images, instruments, packages, rundir
from orchestrator import matrix as planning
from orchestrator.errors import HostError, InputError, Location
from orchestrator.invocation import command
from orchestrator.matrix import Request
from orchestrator.model import (
    ABSENT,
    INSTRUMENT,
    MATRIX_ARCHES,
    Arch,
    Budget,
    CellPackages,
    CellTerms,
    Estimate,
    ImageSpec,
    NoWheel,
    PackageLock,
    PackageQuestion,
    Plan,
    PlannedCells,
    PlannedImage,
    PlannedTerms,
    ScenarioText,
    SelectedCells,
    Selection,
    orders_as_version,
    scenario_files,
)
from orchestrator.pipeline import identity, timed_rows, times
from orchestrator.pipeline.locking import Given, Packages, divided, given_again, of_run, resolve
from orchestrator.pipeline.plan_cells import ChosenRows, TermsOf, chosen_rows, planned_cells
from orchestrator.pipeline.plan_names import chosen_words, run_name, selection_words
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.requirements import Requirements, deciding_axes

WHOLE: Final = (1, 1)
"""The shard that is all of a plan."""
EMULATION_FACTOR: Final = 5
"""Factor of a trial's timeout under qemu-user: 10 s were seen where 0.4 s are usual."""


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A plan with the specifications of its images, parents before children."""

    plan: Plan
    specs: tuple[ImageSpec, ...]
    locks: Mapping[str, PackageLock]
    """The packages of its cells, by digest."""


def make_plan(project: Project, request: Request, *, listing: bool = False) -> PlannedRun:
    """Plan a run: cells, expectations, and the key of every image.

    A `listing` is for people to read: it renders no images, and has neither their keys nor an identity.
    """
    project, selection = select_cells(project, request)
    selection, installed = _resolve(project, selection, request)
    recipes = None if listing else images.Recipes(project.catalogue, project.root, host_arch())
    now = datetime.now(UTC)
    terms_of = _terms_of(project, recipes, installed, patient=request.timeout is None)
    rows = chosen_rows(selection, _image_axes(project), _keep(request))
    if rows.left_out and not rows.rows and not request.allow_empty:
        raise _all_elsewhere(request)
    rows, budget, estimate = _in_time(project, rows, request)
    cells = planned_cells(rows, terms_of)
    index, count = request.shard or WHOLE
    chosen = chosen_words(request, selection.profile)
    specs = recipes.specs if recipes else ()
    plan = Plan(
        run=run_name(now, selection.profile, request),
        created=now.isoformat(timespec="seconds"),
        profile=selection.profile,
        selection=selection_words(request, selection.profile),
        chosen=chosen,
        command=command("run", *chosen, project=project.root) if chosen else "",
        identity=None if listing else identity.run_identity(project.root),
        shard=f"{index}/{count}" if request.shard else None,
        cells=cells,
        scenarios=_in_words(project, cells),
        unavailable=selection.unavailable,
        covered=rows.covered,
        budgets=(budget,) if budget else (),
        estimate=estimate,
        excluded=selection.excluded[index - 1 :: count],
        deselected=selection.deselected
        + rows.left_out
        + (budget.left_out if budget else 0)
        + (rows.covered.selectable - rows.covered.cells if rows.covered else 0),
        images=tuple(_listed(spec) for spec in specs),
        ordered=tuple(
            axis for axis, values in project.matrix.vocabulary.items() if orders_as_version(axis, values)
        ),
    )
    return PlannedRun(plan=plan, specs=specs, locks=installed.locks)


def _in_time(
    project: Project, rows: ChosenRows, request: Request
) -> tuple[ChosenRows, Budget | None, Estimate | None]:
    """The rows that fit into the budget and belong to the shard, and how long they take."""
    if not (request.shard or request.budget or request.past):
        return rows, None, None
    past = times.Past.read(request.past) if request.past else times.NOTHING
    builds = times.Builds(
        scenarios=project.scenarios,
        made_of=lambda axes: project.catalogue.made_of(axes["python"], axes["glibc"], Arch(axes["arch"])),
        host=host_arch(),
        past=past,
    )
    timed, budget = timed_rows.TimedRows.of(rows, builds, past), None
    every: list[float] = []
    if request.budget:
        timed, budget = timed.within(request.budget, may_be_empty=request.allow_empty)
    if request.shard:
        index, count = request.shard
        parts = timed.shards(count)
        timed, every = parts[index - 1], [part.total for part in parts]
    return timed.rows, budget, timed.estimate(every)


def _in_words(project: Project, cells: PlannedCells) -> tuple[ScenarioText, ...]:
    """The scenarios that have cells, in the project's order."""
    planned = {name for grid in cells.grids for name in grid["scenario"]}
    return tuple(
        ScenarioText(
            name=name,
            title=scenario.title,
            question=scenario.question,
            file=next((file for file in scenario_files(name) if (project.root / file).is_file()), None),
        )
        for name, scenario in project.scenarios.items()
        if name in planned
    )


def selected(project: Project, request: Request) -> tuple[SelectedCells, ...]:
    """The cells that a request chooses, before anything is asked of an index or a registry."""
    catalogue = project.catalogue.model_copy(update={"host": host_arch()})
    return planning.select(project.matrix, catalogue, request).cells


def _resolve(project: Project, selection: Selection, request: Request) -> tuple[Selection, Packages]:
    """The selection without the cells whose packages have no wheels, and the packages of the others."""
    requirements = Requirements(
        catalogue=project.catalogue,
        root=project.root,
        build_missing=request.build_missing,
        offline=request.offline,
    )

    def ask(asked: Iterable[PackageQuestion]) -> Mapping[PackageQuestion, PackageLock | NoWheel]:
        places = requirements.places(project.scenarios.values())
        resolver = packages.Resolver(folder=project.root, offline=request.offline, places=places)
        return resolver.answers(asked)

    known = {}
    if request.lock:
        given = _given(request.lock, project)
        known = given_again(selection.cells, project.scenarios, requirements, given)
    installed = resolve(selection.cells, project.scenarios, requirements, ask, known)
    cells, excluded = divided(selection.cells, project.scenarios, installed)
    return planning.reduced(selection, project.matrix, cells, excluded, request), installed


def _given(place: Path, project: Project) -> Given:
    """The locks of `--lock`: a run's, each for the cells that had it, or one file's for all cells."""
    if place.is_dir():
        return of_run(rundir.RunFolder(place), project.scenarios)
    lock = rundir.read_lock(place.parent, place.name, None)
    return lambda _scenario, _axes: (lock, None)


def _keep(request: Request) -> Callable[[str], bool] | None:
    """Whether a cell of this id is chosen, by the plans that the request names."""
    only, without = request.only, request.without
    if only is None and without is None:
        return None
    return lambda name: (
        (only is None or name in only.cells) and (without is None or name not in without.cells)
    )


def _all_elsewhere(request: Request) -> InputError:
    flag, other = ("--only", request.only) if request.only else ("--except", request.without)
    what = "has none of these cells" if request.only else "has all of these cells"
    return InputError(
        f"{flag}: this plan {what}",
        where=Location(file=str(other.file)) if other else None,
        hint="choose others, or allow it with --allow-empty",
    )


def _image_axes(project: Project) -> Callable[[str], tuple[str, ...]]:
    """The axes that decide the image of a scenario's cells."""
    return lambda name: tuple(dict.fromkeys((*images.IMAGE_AXES, *deciding_axes(project.scenarios[name]))))


def select_cells(project: Project, request: Request) -> tuple[Project, Selection]:
    """Choose the cells; where a registry that they need does not answer, without those.

    A registry is asked only where a chosen cell's base has a pinned image there: planning is quick
    and silent otherwise. The project that comes back knows this host and those registries.
    """
    project = replace(project, catalogue=project.catalogue.model_copy(update={"host": host_arch()}))
    selection = planning.select(project.matrix, project.catalogue, request)
    if request.offline:
        return project, selection
    # A selection is that of all shards, or each would divide another list.
    environments = (
        pair for item in selection.cells for pair in product(item.axes["glibc"], item.axes["arch"])
    )
    silent = images.silent_registries(
        project.catalogue, ((glibc, Arch(arch)) for glibc, arch in environments)
    )
    if not silent:
        return project, selection
    catalogue = project.catalogue.model_copy(update={"silent": silent})
    project = replace(project, catalogue=catalogue)
    return project, planning.select(project.matrix, catalogue, request)


def _terms_of(
    project: Project, recipes: images.Recipes | None, installed: Packages, *, patient: bool
) -> TermsOf:
    """The terms of a cell with its image; `patient` gives emulated ones the time that emulation takes."""
    made_of, host = cache(project.catalogue.made_of), host_arch()

    def terms(axes: Mapping[str, str], selected: CellTerms) -> PlannedTerms:
        scenario, arch = project.scenarios[axes["scenario"]], Arch(axes["arch"])
        made, probe = made_of(axes["python"], axes["glibc"], arch), scenario.probe(axes["probe"])
        compiled_in = instruments.is_compiled_in(axes.get(INSTRUMENT, ABSENT))
        emulated, has = arch is not host, installed.of(scenario, axes, selected.options)
        has = has if isinstance(has, CellPackages) else None
        added = {
            "image": recipes.image_of(axes, scenario, has).key if recipes else "",
            "lock": has.tree.lock.digest if has else None,
            "built": tuple(item.filename for item in has.tree.lock.sdists) if has else (),
            "tools": has.source.tools.lock.digest if has and has.source else None,
            "made_of": made,
            "toolchain": probe.toolchain_for(made.interpreter, compiled_in=compiled_in)
            if probe and made
            else None,
            "emulated": emulated,
            "timeout": selected.timeout * (EMULATION_FACTOR if emulated and patient else 1),
        }
        return PlannedTerms.model_validate(dict(selected) | added)

    return terms


def host_arch() -> Arch:
    """The architecture that this machine runs without emulation."""
    machine = platform.machine()
    try:
        return Arch.from_machine(machine)
    except ValueError as error:
        raise HostError(
            f"nothing is known of {machine} machines", hint=f"use {' or '.join(MATRIX_ARCHES)}"
        ) from error


def _listed(spec: ImageSpec) -> PlannedImage:
    return PlannedImage(key=spec.key, tag=spec.tag, role=spec.role, arch=spec.arch, parents=spec.parents)
