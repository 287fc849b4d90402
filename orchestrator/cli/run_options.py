"""The commands that plan and run cells."""

import argparse
from pathlib import Path
from typing import Final

from orchestrator.cli import run_commands
from orchestrator.cli.flags import (
    add_baseline,
    add_build_missing,
    add_deadline,
    add_environment,
    add_jobs,
    add_junit,
    add_listing,
    add_out,
    add_project,
    add_registry,
    add_reports,
    add_scheduler,
    add_selection,
)
from orchestrator.cli.subcommand import Commands, Subparsers, add_command


def _init(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "init",
        "Write matrix.yaml and a scenario for your code",
        "(--script | --wsgi | --pytest | --command) ...",
    )
    add_project(parser, words="folder that becomes the project (default: this one)")
    what = parser.add_argument_group("what runs (one of these)").add_mutually_exclusive_group(required=True)
    what.add_argument("--script", type=Path, metavar="FILE", help="a Python file")
    what.add_argument("--wsgi", metavar="MODULE:OBJECT", help="a web application, for uWSGI and gunicorn")
    what.add_argument(
        "--pytest", nargs="*", metavar="PATH", help="a test suite (default: where pytest looks)"
    )
    what.add_argument(
        "--command",
        dest="command_line",
        nargs=argparse.REMAINDER,
        metavar="PROGRAM",
        help="any program; the rest of the line is its arguments",
    )
    needs = parser.add_argument_group("what it needs")
    needs.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME==V1,V2",
        help="each of these versions; NAME alone: the latest",
    )
    needs.add_argument(
        "-r", dest="requirements", type=Path, metavar="FILE", help="install these requirements"
    )
    needs.add_argument(
        "--require", action="append", default=[], metavar="REQ", help="install this requirement too"
    )
    needs.add_argument(
        "--source", type=Path, metavar="DIR", help="build and install the package of this folder"
    )
    parser.add_argument("--name", help="the scenario's name (default: from what runs)")
    parser.add_argument(
        "--arguments",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="ARG",
        help="the rest of the line, for the script or pytest",
    )
    parser.set_defaults(command=run_commands.start_project)


def _plan(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "plan", "List the cells that would run, and why others are excluded")
    add_selection(parser)
    add_listing(parser)
    parser.set_defaults(command=run_commands.show_plan)


def _render(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "render", "Write the Dockerfiles of the chosen cells, without building")
    add_selection(parser)
    add_out(parser)
    parser.set_defaults(command=run_commands.render_images)


def _build(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "build", "Build the images of the chosen cells, without running them")
    add_selection(parser)
    add_jobs(parser)
    add_registry(parser)
    add_out(parser)
    parser.set_defaults(command=run_commands.build_images)


def _run(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "run", "Run the chosen cells and write the report")
    add_selection(parser)
    group = parser.add_argument_group("how to run")
    add_listing(group)
    add_jobs(group)
    add_registry(group)
    add_scheduler(group)
    add_reports(parser)
    group.add_argument(
        "--fail-fast",
        action="store_true",
        help="stop after the first cell that is not as expected",
    )
    add_deadline(group)
    earlier = group.add_mutually_exclusive_group()
    earlier.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        metavar="RUN",
        help="continue a stopped run (default: the latest)",
    )
    earlier.add_argument(
        "--rerun",
        choices=["failed"],
        help="repeat what failed, had an error or did not run",
    )
    add_baseline(group)
    add_junit(group)
    parser.set_defaults(command=run_commands.run_cells)


def _check(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers, "check", "Test what interpreters and servers do to a package", "REQ|WHEEL|DIR ..."
    )
    parser.add_argument(
        "packages", nargs="+", metavar="REQ|WHEEL|DIR", help="a requirement, a wheel file or a source tree"
    )
    parser.add_argument(
        "--environments",
        choices=["default", "all"],
        default="default",
        help="all: also those that take long to build",
    )
    parser.add_argument(
        "-k", dest="expression", metavar="EXPR", help="only environments for which EXPR is true"
    )
    parser.add_argument(
        "--tests", action="store_true", help="run the package's own tests too, as its sdist or DIR has them"
    )
    parser.add_argument(
        "--source", metavar="DIR", type=Path, help="the source tree that has the tests (implies --tests)"
    )
    parser.add_argument("--valgrind", action="store_true", help="run import, use and exit under valgrind too")
    add_build_missing(parser)
    parser.add_argument(
        "--offline", action="store_true", help="use pinned and cached packages and images only"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_jobs(parser)
    add_reports(parser)
    add_baseline(parser)
    parser.set_defaults(command=run_commands.check_packages)


def _bisect(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "bisect",
        "Find between which two values of an axis the outcome flips",
        "SCENARIO --along AXIS [VALUES]",
    )
    parser.add_argument("name", metavar="SCENARIO", help="the scenario to run")
    parser.add_argument(
        "--along",
        nargs="+",
        required=True,
        metavar=("AXIS", "VALUES"),
        help="python, glibc, a package, or commits; VALUES: A..B or A,B",
    )
    add_environment(parser)
    group = parser.add_argument_group("how to run")
    add_jobs(group)
    add_reports(parser)
    group.add_argument("--json", action="store_true", help="print the answer as JSON, progress to stderr")
    parser.set_defaults(command=run_commands.bisect_axis)


COMMANDS: Final[Commands] = {
    "init": _init,
    "plan": _plan,
    "render": _render,
    "build": _build,
    "run": _run,
    "check": _check,
    "bisect": _bisect,
}
