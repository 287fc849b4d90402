"""The plan of an earlier run, with the specifications of its images made anew."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator",)

from orchestrator import images, packages, rundir
from orchestrator.errors import InputError, Location
from orchestrator.model import CellPackages, NoWheel, PackageLock, PackageQuestion, PlannedCell, Scenario
from orchestrator.pipeline.planning import PlannedRun, host_arch
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.requirements import Requirements


def plan_again(project: Project, run: rundir.RunFolder) -> PlannedRun:
    """The plan of an earlier run, with its images' specifications made anew.

    Raises InputError if the project has changed so that a cell would run on another image, because its
    results would then not belong to one run.
    """
    path, plan = run.path / rundir.layout.PLAN, run.plan
    requirements = Requirements(catalogue=project.catalogue, root=project.root)
    recipes = images.Recipes(project.catalogue, project.root, host_arch())
    for item in plan.cells:
        scenario = project.scenarios.get(item.cell.scenario)
        if scenario is None:
            raise InputError(
                f"there is no scenario {item.cell.scenario!r} any more",
                hint="start a new run",
                where=Location(file=str(path)),
            )
        again = recipes.image_of(item.cell.axes, scenario, _locked(item, scenario, requirements, run))
        if again.key != item.image:
            raise InputError(
                f"the image of {item.cell.id} has changed since that run",
                hint="start a new run",
                where=Location(file=str(path)),
            )
    return PlannedRun(plan=plan, specs=recipes.specs, locks=run.locks)


def _locked(
    item: PlannedCell, scenario: Scenario, requirements: Requirements, run: rundir.RunFolder
) -> CellPackages | None:
    """The packages that a cell of an earlier run had."""
    wants = requirements.of(scenario, item.cell.axes, item.options)
    if wants is None or item.lock is None:
        return None

    def lock_of(question: PackageQuestion) -> PackageLock | NoWheel:
        digest = item.lock if question == wants.runs else item.tools
        return packages.placed(run.lock(digest), question) if digest else NoWheel(reason="no lock")

    found = requirements.installed(scenario, wants, lock_of)
    return found if isinstance(found, CellPackages) else None
