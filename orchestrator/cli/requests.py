"""From the flags of a command to the values that the stations take."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.pipeline")

import argparse
import re
import time
from pathlib import Path

from orchestrator import matrix, rundir
from orchestrator.adapters.suggest import nearest
from orchestrator.errors import ErrorList, InputError
from orchestrator.invocation import MATRIX, REPORTS, nearest_project
from orchestrator.model import STANDARD_AXES, Cover
from orchestrator.pipeline import due, planning, projects, schedule


def plan_chosen(arguments: argparse.Namespace, *, listing: bool = False) -> planning.PlannedRun:
    """The plan that the flags ask for, or only what a listing shows of it; raises InputError."""
    project = projects.Project.load(project_folder(arguments), offline=arguments.offline)
    return planning.make_plan(project, selection(arguments, project), listing=listing)


def project_folder(arguments: argparse.Namespace) -> Path:
    """The project's folder; raises InputError where none is named and the current folder is in none."""
    found = _given_or_nearest(arguments)
    if found is None:
        raise InputError(
            f"neither this folder nor one above it has a {MATRIX}",
            hint="make one with `crashmatrix init --script FILE` (see `crashmatrix init --help`), "
            "or name the project's folder with --project",
        )
    return found


def _given_or_nearest(arguments: argparse.Namespace) -> Path | None:
    given: Path | None = arguments.project
    return given or nearest_project(Path())


def selection(arguments: argparse.Namespace, project: projects.Project) -> matrix.Request:
    """Which cells the flags choose; raises InputError for axes that the project does not have."""
    axes = {axis: _flat(getattr(arguments, axis)) for axis in STANDARD_AXES if getattr(arguments, axis)}
    errors = ErrorList()
    for name, values in arguments.axis:
        if name not in project.matrix.vocabulary:
            what = f"--axis {name}={','.join(values)}: there is no axis {name!r}"
            errors.add(InputError(what, hint=nearest(name, project.matrix.vocabulary)))
        axes[name] = (*axes.get(name, ()), *values)
    errors.raise_all()
    return matrix.Request(
        profile=arguments.profile,
        cells=frozenset(arguments.cells) or None,
        axes=axes,
        expression=arguments.expression,
        cover=Cover(arguments.cover) if arguments.cover else None,
        only=_plan_of(arguments.only, "--only"),
        without=_plan_of(arguments.without, "--except"),
        shard=arguments.shard,
        budget=arguments.budget and arguments.budget[1],
        past=_past(arguments),
        trials=arguments.trials,
        timeout=arguments.timeout,
        offline=arguments.offline,
        allow_empty=arguments.allow_empty,
        build_missing=arguments.build_missing,
        lock=_lock(arguments),
    )


def environment(arguments: argparse.Namespace, project: projects.Project) -> matrix.Request:
    """The environments that a scenario may run in; raises InputError for axes that the project lacks."""
    unused: dict[str, object] = {
        "only": None,
        "without": None,
        "shard": None,
        "budget": None,
        "past": None,
        "cover": None,
        "lock": None,
        "allow_empty": False,
    }
    chosen: dict[str, object] = {"cells": [], "scenario": []}
    return selection(argparse.Namespace(**{**vars(arguments), **unused, **chosen}), project)


def along(arguments: argparse.Namespace) -> tuple[str, str | None]:
    """The axis of a bisection, and the values that are named; raises InputError for two axes."""
    axis, *values = arguments.along
    if len(values) > 1:
        raise InputError(
            f"--along takes an axis and its values, not {' '.join(arguments.along)!r}",
            hint="write A..B, or A,B,C in one word; put the scenario first",
        )
    return axis, values[0] if values else None


def run_of(arguments: argparse.Namespace) -> Path:
    """The folder of the run that `--run` names, or of the latest."""
    return rundir.find_run(reports_folder(arguments), arguments.run or "latest")


def file_name(cell: str) -> str:
    """A cell's id as the name of one file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", cell)


def deadline(arguments: argparse.Namespace) -> schedule.Deadline | None:
    """The time at which the run drains by itself."""
    if arguments.deadline is None:
        return None
    words, seconds = arguments.deadline
    return schedule.Deadline(words=words, at=time.monotonic() + seconds)


def _past(arguments: argparse.Namespace) -> Path | None:
    """The folder of earlier runs: for a budget this project's own, unless another is named.

    Shards must all know the same, so they know of none unless it is named.
    """
    if arguments.past or not arguments.budget or arguments.shard:
        return Path(arguments.past) if arguments.past else None
    own = Path(getattr(arguments, "reports", None) or project_folder(arguments) / REPORTS)
    return own if own.is_dir() else None


def _lock(arguments: argparse.Namespace) -> Path | None:
    """The folder of the run, or the lock's file, whose packages are to be installed again."""
    if arguments.lock is None or Path(arguments.lock).is_file():
        return Path(arguments.lock) if arguments.lock else None
    reports = getattr(arguments, "reports", None) or project_folder(arguments) / REPORTS
    return rundir.find_run(reports, arguments.lock)


def _plan_of(file: Path | None, flag: str) -> matrix.OtherPlan | None:
    """The cells of another plan; raises InputError if the file is no plan."""
    if file is None:
        return None
    plan = due.read_whole_plan(file, flag)
    return matrix.OtherPlan(file=file, cells=frozenset(item.cell.id for item in plan.cells))


def _flat(groups: list[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for group in groups for value in group))


def check_chosen_once(arguments: argparse.Namespace) -> None:
    """Refuse flags that would do nothing because an earlier run says which cells run, and how."""
    earlier = "--resume" if arguments.resume else "--rerun" if arguments.rerun else None
    asked = {f"--{axis}": getattr(arguments, axis) for axis in (*STANDARD_AXES, "axis", "profile")}
    asked |= {"-k": arguments.expression, "--cover": arguments.cover, "--cell": arguments.cells}
    asked |= {"--only": arguments.only, "--except": arguments.without}
    asked |= {"--budget": arguments.budget, "--past": arguments.past}
    if arguments.resume:
        asked |= {f"--{name}": getattr(arguments, name) for name in ("shard", "trials", "timeout", "lock")}
        asked |= {"--build-missing": arguments.build_missing}
    idle = [flag for flag, value in asked.items() if value]
    if earlier and idle:
        raise InputError(
            f"{earlier}: which cells run is an earlier run's choice, so {idle[0]} would do nothing",
            hint=f"leave out {' and '.join(idle)}",
        )


def reports_folder(arguments: argparse.Namespace) -> Path:
    """The folder that keeps the runs; outside of a project, reports/ of the current folder."""
    return Path(arguments.reports or (_given_or_nearest(arguments) or Path()) / REPORTS)


def source_folder(arguments: argparse.Namespace) -> Path | None:
    """The folder with a package's tests, where --source names one; raises InputError where it is none."""
    folder: Path | None = arguments.source
    if folder and not folder.is_dir():
        raise InputError(f"--source: there is no folder {folder}", hint="name the folder of a source tree")
    return folder.resolve() if folder else None


def baseline(arguments: argparse.Namespace) -> Path | None:
    """The folder of the run to compare with, where the flags name one; raises InputError."""
    return rundir.find_run(reports_folder(arguments), arguments.baseline) if arguments.baseline else None
