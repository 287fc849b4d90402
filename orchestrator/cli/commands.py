"""What each command does: flags to a request, stations' answers to the terminal."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from orchestrator import host, pipeline
from orchestrator.adapters.yamlfile import nearest
from orchestrator.cli import tables
from orchestrator.cli.console import open_console
from orchestrator.cli.progress import progress_for
from orchestrator.errors import EXIT_FAILED, EXIT_HOST, EXIT_OK, InputError
from orchestrator.matrix import Request
from orchestrator.matrix.matrix_file import MatrixFile
from orchestrator.matrix.scenario_file import ScenarioFile
from orchestrator.model import (
    STANDARD_AXES,
    CellResult,
    Comparison,
    Crash,
    Explanations,
    History,
    Plan,
    RunDigest,
)
from orchestrator.pipeline import Project, RunOptions
from orchestrator.rundir import find_run, latest_run

SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "matrix": MatrixFile.model_json_schema,
    "scenario": ScenarioFile.model_json_schema,
    "plan": Plan.model_json_schema,
    "result": CellResult.model_json_schema,
    "crash": Crash.model_json_schema,
    "explanations": Explanations.model_json_schema,
    "comparison": Comparison.model_json_schema,
    "digest": RunDigest.model_json_schema,
    "history": History.model_json_schema,
}


def plan(arguments: argparse.Namespace) -> int:
    """`crashmatrix plan`: show the cells."""
    _list(_planned(arguments), as_json=arguments.json)
    return EXIT_OK


def render(arguments: argparse.Namespace) -> int:
    """`crashmatrix render`: write Dockerfiles."""
    planned = _planned(arguments)
    folders = pipeline.render_images(planned, arguments.out)
    open_console().print(f"{len(folders)} images rendered under {arguments.out}", highlight=False)
    return EXIT_OK


def build(arguments: argparse.Namespace) -> int:
    """`crashmatrix build`: build images only."""
    with progress_for(open_console()) as progress:
        failed = pipeline.build_images(_planned(arguments), arguments.out, arguments.jobs, progress)
    return EXIT_HOST if failed else EXIT_OK


def run(arguments: argparse.Namespace) -> int:
    """`crashmatrix run`: run the cells and report."""
    if arguments.list or arguments.json:
        return plan(arguments)
    _check_chosen_once(arguments)
    project = Project.load(arguments.project)
    reports = _reports(arguments)
    latest = latest_run(reports) if arguments.rerun else None
    options = RunOptions(
        request=_request(arguments, project),
        reports=reports,
        jobs=arguments.jobs,
        fail_fast=arguments.fail_fast,
        resume=find_run(reports, arguments.resume) if arguments.resume else None,
        rerun=latest,
        baseline=_baseline(arguments, reports),
    )
    console = open_console()
    with progress_for(console) as progress:
        finished = pipeline.run_matrix(project, options, progress)
    tables.show_run(console, finished)
    return finished.exit_code


def _check_chosen_once(arguments: argparse.Namespace) -> None:
    """Refuse flags that would do nothing, since an earlier run says which cells run, and how."""
    earlier = "--resume" if arguments.resume else "--rerun" if arguments.rerun else None
    asked = {f"--{axis}": getattr(arguments, axis) for axis in (*STANDARD_AXES, "axis", "profile")}
    asked |= {"-k": arguments.expression, "--cell": arguments.cells}
    if arguments.resume:
        asked |= {f"--{name}": getattr(arguments, name) for name in ("shard", "trials", "timeout")}
    idle = [flag for flag, value in asked.items() if value]
    if earlier and idle:
        raise InputError(
            f"{earlier}: which cells run is an earlier run's choice, so {idle[0]} would do nothing",
            hint=f"leave out {' and '.join(idle)}",
        )


def report(arguments: argparse.Namespace) -> int:
    """`crashmatrix report`: render again."""
    folder = find_run(_reports(arguments), arguments.run or "latest")
    console = open_console()
    data = pipeline.write_reports(folder, _baseline(arguments, _reports(arguments)))
    tables.show_findings(console, data)
    tables.show_places(console, folder)
    return EXIT_OK


def diff(arguments: argparse.Namespace) -> int:
    """`crashmatrix diff`: what changed from one run to another."""
    reports = _reports(arguments)
    before, after = (find_run(reports, name) for name in (arguments.before, arguments.after))
    comparison = pipeline.compare_runs(before, after)
    if arguments.json:
        sys.stdout.write(comparison.model_dump_json(indent=1) + "\n")
    else:
        tables.show_comparison(open_console(), comparison)
    if not comparison.compared:
        return EXIT_HOST
    return EXIT_FAILED if comparison.changes else EXIT_OK


def merge(arguments: argparse.Namespace) -> int:
    """`crashmatrix merge`: one run of many."""
    console = open_console()
    into = arguments.into or _reports(arguments) / "merged"
    with progress_for(console) as progress:
        data = pipeline.merge_runs(arguments.runs, into, progress.say)
    tables.show_findings(console, data)
    tables.show_places(console, into)
    return pipeline.exit_code(data)


def doctor(arguments: argparse.Namespace) -> int:
    """`crashmatrix doctor`: what this host can do."""
    capabilities = host.doctor()
    if arguments.json:
        _print_json([item.model_dump() for item in capabilities])
    else:
        tables.show_capabilities(open_console(), capabilities)
    return EXIT_HOST if any(item.blocks for item in capabilities) else EXIT_OK


def setup(arguments: argparse.Namespace) -> int:
    """`crashmatrix setup`: change the host, having said how."""
    console = open_console()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    if arguments.undo:
        host.undo(say)
    else:
        host.setup(say, browser=arguments.browser, dry_run=arguments.dry_run)
    return EXIT_OK


def lock_images(arguments: argparse.Namespace) -> int:
    """`crashmatrix images lock`: pin what the catalogue names."""
    console = open_console()
    place = pipeline.lock_images(
        arguments.project,
        lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
        tags=not arguments.downloads_only,
    )
    console.print(f"{place} is up to date", markup=False, soft_wrap=True)
    return EXIT_OK


def schema(arguments: argparse.Namespace) -> int:
    """`crashmatrix schema`: print a JSON schema."""
    _print_json(SCHEMAS[arguments.name]())
    return EXIT_OK


def _print_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, indent=1) + "\n")


def _reports(arguments: argparse.Namespace) -> Path:
    return Path(arguments.reports or arguments.project / "reports")


def _baseline(arguments: argparse.Namespace, reports: Path) -> Path | None:
    return find_run(reports, arguments.baseline) if arguments.baseline else None


def _planned(arguments: argparse.Namespace) -> pipeline.PlannedRun:
    project = Project.load(arguments.project)
    return pipeline.make_plan(project, _request(arguments, project))


def _request(arguments: argparse.Namespace, project: Project) -> Request:
    axes = {axis: _flat(getattr(arguments, axis)) for axis in STANDARD_AXES if getattr(arguments, axis)}
    for name, values in arguments.axis:
        if name not in project.matrix.vocabulary:
            hint = nearest(name, project.matrix.vocabulary)
            raise InputError(f"--axis: there is no axis {name!r}", hint=hint)
        axes[name] = (*axes.get(name, ()), *values)
    return Request(
        profile=arguments.profile,
        cells=frozenset(arguments.cells) or None,
        axes=axes,
        expression=arguments.expression,
        shard=arguments.shard,
        trials=arguments.trials,
        timeout=arguments.timeout,
        offline=arguments.offline,
        allow_empty=arguments.allow_empty,
    )


def _flat(groups: list[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for group in groups for value in group))


def _list(planned: pipeline.PlannedRun, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.writelines(planned.plan.chunks())
    else:
        tables.show_plan(open_console(), planned.plan)
