"""The commands that read a run or a core, from flags to the terminal; each returns an exit code."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator", "orchestrator.cli", "orchestrator.pipeline")

import argparse
import os
import sys
from pathlib import Path

from orchestrator import rundir
from orchestrator.cli import analysis, console, ending, output, progress, requests, tables
from orchestrator.errors import EXIT_FAILED, EXIT_HOST, EXIT_OK, InputError
from orchestrator.names import BACKENDS
from orchestrator.pipeline import (
    analyze,
    merge,
    night,
    projects,
    recorded,
    reporting,
    repro_folder,
    run,
    shell,
)


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
    console.say(f"wrote {into}; next: `sh {into / 'run.sh'}`")
    return EXIT_OK


def open_shell(arguments: argparse.Namespace) -> int:
    """`crashmatrix shell`: a shell where a cell ran."""
    if not sys.stdin.isatty():
        raise InputError("a shell needs a terminal", hint="call it from one, without redirecting its input")
    project = projects.Project.load(requests.project_folder(arguments))
    cell = recorded.recorded_cell(project, requests.run_of(arguments), arguments.cell)
    return shell.open_shell(cell, sys.stdin.fileno(), console.say)


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
    night.fetch_nights(arguments.artifact, arguments.nights, os.environ, console.say, brief=arguments.brief)
    return EXIT_OK


def keep_nights(arguments: argparse.Namespace) -> int:
    """`crashmatrix night keep`: leave what the next night needs, and tell whether this one is complete."""
    newest, complete = night.keep_nights(arguments.nights)
    console.say(
        f"{newest.name} is {'complete' if complete else 'not complete, so no later night begins from it'}"
    )
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        with Path(outputs).open("a", encoding="utf-8") as file:
            file.write(f"complete={str(complete).lower()}\nrun={newest}\n")
    return EXIT_OK


def track_causes(arguments: argparse.Namespace) -> int:
    """`crashmatrix night issues`: one issue for each cause."""
    night.track_causes(arguments.nights, os.environ, console.say)
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
