"""The commands: from flags to values, from results to the terminal; each returns an exit code."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.cli", "orchestrator.pipeline")

import argparse
import json
import os
import sys
from pathlib import Path

from orchestrator import host, matrix, rundir
from orchestrator.cli import (
    analysis,
    checking,
    console,
    ending,
    listing,
    output,
    progress,
    requests,
    start,
    tables,
)
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.errors import EXIT_FAILED, EXIT_HOST, EXIT_OK, InputError, Location
from orchestrator.invocation import MATRIX, command
from orchestrator.names import BACKENDS
from orchestrator.pipeline import (
    along_find,
    analyze,
    bisecting,
    building,
    check,
    merge,
    night,
    projects,
    recorded,
    reporting,
    repro_folder,
    run,
    shell,
)


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
    schemas = {name: _json(SCHEMAS[name]().model_json_schema()) for name in ("matrix", "scenario")}
    written = matrix.write_first_files(folder, scenario, schemas)
    _say(f"wrote {' and '.join(map(str, written))}")
    if not listed:
        _say(f"add {scenario.name} to the axis `scenario` of {folder / MATRIX}, which lists its scenarios")
    run_it, show_it = (command(name, project=folder) for name in ("run", "plan"))
    _say(f"next: `{run_it}`; `{show_it}` shows what that would run")
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
        finished = run.run_matrix(project, options, shown)
    tables.show_run(terminal, finished)
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
        valgrind=arguments.valgrind,
        tests=arguments.tests,
        source=requests.source_folder(arguments),
    )
    with progress.progress_for(terminal) as shown:
        finished = check.run_check(options, shown)
    if arguments.json:
        output.write_json([finished.checked.model_dump_json(indent=1), "\n"])
    else:
        checking.show_check(terminal, finished)
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


def report_run(arguments: argparse.Namespace) -> int:
    """`crashmatrix report`: render a run's report again."""
    folder = rundir.find_run(requests.reports_folder(arguments), arguments.run or "latest")
    terminal = console.open_console()
    data = reporting.write_reports(folder, requests.baseline(arguments), junit_files=arguments.junit_files)
    ending.show_end(terminal, data)
    return EXIT_OK


def write_repro(arguments: argparse.Namespace) -> int:
    """`crashmatrix repro`: write a cell as a folder of its own."""
    project = projects.Project.load(requests.project_folder(arguments))
    cell = recorded.recorded_cell(project, requests.run_of(arguments), arguments.cell)
    into = arguments.into or Path(requests.file_name(arguments.cell))
    repro_folder.write_repro(project, cell, into)
    _say(f"wrote {into}; next: `sh {into / 'run.sh'}`")
    return EXIT_OK


def open_shell(arguments: argparse.Namespace) -> int:
    """`crashmatrix shell`: a shell where a cell ran."""
    if not sys.stdin.isatty():
        raise InputError("a shell needs a terminal", hint="call it from one, without redirecting its input")
    project = projects.Project.load(requests.project_folder(arguments))
    cell = recorded.recorded_cell(project, requests.run_of(arguments), arguments.cell)
    return shell.open_shell(cell, sys.stdin.fileno(), _say)


def diff_runs(arguments: argparse.Namespace) -> int:
    """`crashmatrix diff`: show what changed from one run to another."""
    reports = requests.reports_folder(arguments)
    before, after = (rundir.find_run(reports, name) for name in (arguments.before, arguments.after))
    comparison = reporting.compare_runs(before, after)
    if arguments.json:
        output.write_json([comparison.model_dump_json(indent=1), "\n"])
    else:
        tables.show_comparison(console.open_console(), comparison)
    if not comparison.compared:
        return EXIT_HOST
    return EXIT_FAILED if comparison.changes else EXIT_OK


def merge_runs(arguments: argparse.Namespace) -> int:
    """`crashmatrix merge`: make one run of several."""
    terminal = console.open_console()
    options = merge.MergeOptions(
        into=arguments.into,
        reports=requests.reports_folder(arguments),
        due=tuple(arguments.due),
        junit_files=arguments.junit_files,
    )
    with progress.progress_for(terminal) as shown:
        data = merge.merge_runs(arguments.runs, options, shown.say)
    ending.show_end(terminal, data)
    return run.exit_code(data)


def fetch_nights(arguments: argparse.Namespace) -> int:
    """`crashmatrix night fetch`: bring the last complete night here."""
    night.fetch_nights(arguments.artifact, arguments.nights, os.environ, _say)
    return EXIT_OK


def keep_nights(arguments: argparse.Namespace) -> int:
    """`crashmatrix night keep`: leave what the next night needs, and tell whether this one is complete."""
    newest, complete = night.keep_nights(arguments.nights)
    _say(f"{newest.name} is {'complete' if complete else 'not complete, so no later night begins from it'}")
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        with Path(outputs).open("a", encoding="utf-8") as file:
            file.write(f"complete={str(complete).lower()}\nrun={newest}\n")
    return EXIT_OK


def track_causes(arguments: argparse.Namespace) -> int:
    """`crashmatrix night issues`: one issue for each cause."""
    night.track_causes(arguments.nights, os.environ, _say)
    return EXIT_OK


def analyze_core(arguments: argparse.Namespace) -> int:
    """`crashmatrix analyze`: read a core."""
    crash = analyze.analyze_core(
        analyze.AnalyzeRequest(
            core=arguments.core,
            program=arguments.exe,
            sysroot=arguments.sysroot,
            image=arguments.image,
            container=arguments.container,
            backends=tuple(arguments.backend or BACKENDS),
            debuginfod=arguments.debuginfod,
        )
    )
    if arguments.json:
        output.write_json([crash.model_dump_json(indent=1), "\n"])
    else:
        analysis.show_crash(console.open_console(), crash)
    return EXIT_OK


def check_host(arguments: argparse.Namespace) -> int:
    """`crashmatrix doctor`: show what this host can do."""
    capabilities = host.doctor(quick=arguments.quick)
    if arguments.json:
        _print_json([item.model_dump() for item in capabilities])
    else:
        tables.show_capabilities(console.open_console(), capabilities)
    return EXIT_HOST if any(item.blocks for item in capabilities) else EXIT_OK


def set_up_host(arguments: argparse.Namespace) -> int:
    """`crashmatrix setup`: change the host, after showing the changes."""
    if arguments.undo:
        host.undo(_say)
    else:
        host.setup(_say, browser=arguments.browser, dry_run=arguments.dry_run)
    return EXIT_OK


def lock_images(arguments: argparse.Namespace) -> int:
    """`crashmatrix images lock`: pin what the catalogue names."""
    place = building.lock_images(requests.project_folder(arguments), _say, tags=not arguments.downloads_only)
    _say(f"{place} is up to date")
    return EXIT_OK


def print_schema(arguments: argparse.Namespace) -> int:
    """`crashmatrix schema`: print a JSON schema."""
    _print_json(SCHEMAS[arguments.name]().model_json_schema())
    return EXIT_OK


def _say(text: str) -> None:
    console.open_console().print(text, highlight=False, markup=False, soft_wrap=True)


def _print_json(data: object) -> None:
    output.write_json([_json(data)])


def _json(data: object) -> str:
    return json.dumps(data, indent=1) + "\n"
