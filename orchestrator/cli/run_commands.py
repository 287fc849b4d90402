"""The commands that plan and run cells, from flags to the terminal; each returns an exit code."""

from __future__ import annotations

__lazy_modules__ = (
    "orchestrator",
    "orchestrator.cli",
    "orchestrator.pipeline",
    "orchestrator.pipeline.fleet",
)

import argparse
from pathlib import Path

from orchestrator import matrix, rundir
from orchestrator.cli import checking, console, listing, output, progress, requests, start, tables
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.errors import EXIT_HOST, EXIT_OK, InputError, Location
from orchestrator.invocation import MATRIX, command
from orchestrator.pipeline import along_find, bisecting, building, check, projects, run
from orchestrator.pipeline.fleet import running


def show_plan(arguments: argparse.Namespace) -> int:
    """`crashmatrix plan`: show the cells."""
    if arguments.json:
        output.write_json(requests.plan_chosen(arguments).plan.chunks())
    else:
        output.write_lines(listing.lines(requests.plan_chosen(arguments, listing=True).plan))
    return EXIT_OK


def start_project(arguments: argparse.Namespace) -> int:
    """`crashmatrix init`: write a project's first files."""
    folder = arguments.project or Path()
    if not folder.is_dir():
        raise InputError("the folder does not exist", where=Location(file=str(folder)), hint="make it first")
    scenario = start.new_scenario(arguments, folder)
    listed = not (folder / MATRIX).exists() or matrix.is_listed(folder, scenario.name)
    schemas = {name: output.document(SCHEMAS[name]().model_json_schema()) for name in ("matrix", "scenario")}
    written = matrix.write_first_files(folder, scenario, schemas)
    console.say(f"wrote {' and '.join(map(str, written))}")
    if not listed:
        console.say(
            f"add {scenario.name} to the axis `scenario` of {folder / MATRIX}, which lists its scenarios"
        )
    run_it, show_it = (command(name, project=folder) for name in ("run", "plan"))
    console.say(f"next: `{run_it}`; `{show_it}` shows what that would run")
    return EXIT_OK


def render_images(arguments: argparse.Namespace) -> int:
    """`crashmatrix render`: write Dockerfiles."""
    folders = building.render_images(requests.plan_chosen(arguments), arguments.out)
    console.open_console().print(f"{len(folders)} images rendered under {arguments.out}", highlight=False)
    return EXIT_OK


def build_images(arguments: argparse.Namespace) -> int:
    """`crashmatrix build`: build images only."""
    with progress.progress_for(console.open_console()) as shown:
        planned = requests.plan_chosen(arguments)
        failed = building.build_images(planned, arguments.out, arguments.jobs, shown, arguments.registry)
    return EXIT_HOST if failed else EXIT_OK


def run_cells(arguments: argparse.Namespace) -> int:
    """`crashmatrix run`: run the cells and report."""
    if arguments.list or arguments.json:
        return show_plan(arguments)
    requests.check_chosen_once(arguments)
    project = projects.Project.load(requests.project_folder(arguments), offline=arguments.offline)
    reports = requests.reports_folder(arguments)
    latest = rundir.latest_run(reports) if arguments.rerun else None
    options = run.RunOptions(
        request=requests.selection(arguments, project),
        reports=reports,
        jobs=arguments.jobs,
        fail_fast=arguments.fail_fast,
        deadline=requests.deadline(arguments),
        resume=rundir.find_run(reports, arguments.resume) if arguments.resume else None,
        rerun=latest,
        baseline=requests.baseline(arguments),
        registry=arguments.registry,
        junit_files=arguments.junit_files,
    )
    terminal = console.open_console()
    with progress.progress_for(terminal) as shown:
        if arguments.scheduler:
            fleet = running.FleetOptions(scheduler=arguments.scheduler, cores=arguments.cores)
            finished = running.run_fleet(project, options, fleet, shown)
        else:
            finished = run.run_matrix(project, options, shown)
    tables.show_run(terminal, finished, project.root)
    return finished.exit_code


def check_packages(arguments: argparse.Namespace) -> int:
    """`crashmatrix check`: run the lifecycle battery on packages."""
    terminal = console.open_console(stderr=arguments.json)
    options = check.CheckOptions(
        packages=tuple(arguments.packages),
        everywhere=arguments.environments == "all",
        expression=arguments.expression,
        reports=requests.reports_folder(arguments),
        jobs=arguments.jobs,
        offline=arguments.offline,
        baseline=requests.baseline(arguments),
        build_missing=arguments.build_missing,
        valgrind=arguments.valgrind,
        tests=arguments.tests,
        source=requests.source_folder(arguments),
    )
    with progress.progress_for(terminal) as shown:
        answer = check.run_battery(options, shown)
    if not arguments.json:
        checking.show_answer(terminal, answer)
    with progress.progress_for(terminal) as shown:
        finished = check.confirmed(
            answer, shown, lambda hit: checking.show_hit(terminal, answer.run.folder, hit)
        )
    checking.show_classes(terminal, finished)
    if arguments.json:
        output.write_json([finished.checked.model_dump_json(indent=1), "\n"])
    return finished.exit_code


def bisect_axis(arguments: argparse.Namespace) -> int:
    """`crashmatrix bisect`: find where an outcome flips along an axis."""
    project = projects.Project.load(requests.project_folder(arguments), offline=arguments.offline)
    axis, values = requests.along(arguments)
    request = requests.environment(arguments, project)
    along = along_find.find_along(project, request, arguments.name, axis, values)
    terminal = console.open_console(stderr=arguments.json)
    built = ("--build-missing",) if arguments.build_missing else ()
    options = bisecting.BisectOptions(
        request=request,
        reports=requests.reports_folder(arguments),
        jobs=arguments.jobs,
        words=" ".join(["bisect", arguments.name, "--along", *arguments.along, *built]),
        repeat=lambda cell: command(
            "bisect", cell.scenario, *built, "--along", axis, cell.axes[along.axis], project=project.root
        ),
    )
    terminal.print(f"{len(along.values)} values of {along.axis} in {along.environment}", markup=False)
    with progress.progress_for(terminal) as shown:
        found = bisecting.bisect_axis(along, options, shown)
    if arguments.json:
        output.write_json([found.bisection.model_dump_json(indent=1), "\n"])
    else:
        tables.show_bisection(terminal, found)
    return found.exit_code
