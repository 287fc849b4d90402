"""The flags that several commands take, each declared once."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from orchestrator.cli.arguments import (
    duration,
    own_axis,
    positive,
    repository,
    scheduler,
    seconds,
    shard,
    values,
)
from orchestrator.names import COVERS

AXIS_HELP: Final = {
    "arch": "x86_64, arm64",
    "python": "CPython version, as in the matrix: 3.11",
    "glibc": "C library version: 2.36",
    "launcher": "what starts the process, such as plain or uwsgi",
    "probe": "what a scenario with probes loads: cpp, rust",
    "scenario": "what is run: a file or folder under scenarios/, without .yaml",
}
"""The standard axes (model.STANDARD_AXES), each of which is a flag."""
MOST_JOBS: Final = 16
"""Cores that can arrive at once: MaxConnections of systemd-coredump.socket; more are lost."""


def add_project(
    parser: argparse.ArgumentParser,
    default: str | None = argparse.SUPPRESS,
    words: str = "folder with matrix.yaml (default: the nearest, upwards)",
) -> None:
    """Which project; it may stand before the command, and behind it."""
    parser.add_argument(
        "--project",
        type=Path,
        default=default,
        metavar="DIR",
        help=words,
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Which cells are chosen, how they are looked up, and what replaces their scenarios' numbers."""
    add_project(parser)
    group = parser.add_argument_group("which cells")
    _add_axes(group, AXIS_HELP)
    _add_narrowing(group)
    group.add_argument(
        "--cell",
        action="append",
        default=[],
        metavar="ID",
        dest="cells",
        help="this cell alone, whatever the profile; repeatable",
    )
    group.add_argument(
        "--cover",
        choices=COVERS,
        metavar="HOW",
        help="few cells: pairwise, 3-wise, or all",
    )
    group.add_argument(
        "--only", type=Path, metavar="PLAN", help="of these cells, those in PLAN (from `plan --json`)"
    )
    group.add_argument("--except", type=Path, metavar="PLAN", dest="without", help="those not in PLAN")
    group.add_argument("--shard", metavar="I/N", type=shard, help="the I-th of N parts of the selection")
    group.add_argument(
        "--budget",
        metavar="TIME",
        type=duration,
        help="of these cells, those that fit into TIME (45m): failed last, new, a cover, oldest",
    )
    group.add_argument(
        "--past",
        metavar="DIR",
        type=Path,
        help="earlier runs, for the times and verdicts by which shards and budgets go",
    )
    group.add_argument(
        "--allow-empty",
        action="store_true",
        help="an empty selection is no error (for nightly jobs)",
    )
    _add_offline(group)
    group.add_argument(
        "--lock",
        metavar="RUN",
        help="install the packages of this run or lock file again",
    )
    add_build_missing(group)
    _add_trials(group)


def add_build_missing(parser: argparse._ActionsContainer) -> None:
    """What becomes of a package that has no wheel for an environment."""
    parser.add_argument(
        "--build-missing",
        action="store_true",
        help="compile a package that has no wheel from its source distribution",
    )


def add_cell(parser: argparse.ArgumentParser) -> None:
    """One cell of a run."""
    add_project(parser)
    add_reports(parser)
    parser.add_argument("cell", metavar="CELL", help="the id of a cell")
    parser.add_argument("--run", metavar="RUN", help="the run that it ran in (default: the latest)")


def add_environment(parser: argparse.ArgumentParser) -> None:
    """The environment of a scenario, and values that replace its numbers."""
    add_project(parser)
    group = parser.add_argument_group("which environment (default: the one that has most of the values)")
    _add_axes(group, {axis: words for axis, words in AXIS_HELP.items() if axis != "scenario"})
    _add_narrowing(group)
    _add_offline(group)
    add_build_missing(group)
    _add_trials(group)


def _add_narrowing(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-k", dest="expression", metavar="EXPR", help="only cells for which EXPR is true")
    group.add_argument(
        "--profile", metavar="NAME", help="a profile of matrix.yaml (default: default_profile)"
    )


def _add_offline(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--offline",
        action="store_true",
        help="use pinned and cached images and packages only",
    )


def _add_trials(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--trials", type=positive, metavar="N", help="trials of each cell, instead of its scenario's"
    )
    group.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="time limit of one trial, instead of its scenario's",
    )


def _add_axes(group: argparse._ArgumentGroup, axes: Mapping[str, str]) -> None:
    for axis, words in axes.items():
        group.add_argument(f"--{axis}", action="append", default=[], metavar="VALUE", type=values, help=words)
    group.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=own_axis,
        help="any other axis, such as a package: grpcio=1.70.0",
    )


def add_listing(parser: argparse._ActionsContainer) -> None:
    """Whether cells are only listed."""
    parser.add_argument(
        "--list", action="store_true", help="list the chosen and the excluded cells, run nothing"
    )
    parser.add_argument(
        "--json", action="store_true", help="with --list: print JSON (the format of plan.json)"
    )


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Where runs are."""
    parser.add_argument(
        "--reports", type=Path, metavar="DIR", help="folder of the runs (default: reports/ of the project)"
    )


def add_baseline(parser: argparse._ActionsContainer) -> None:
    """The baseline of a comparison."""
    parser.add_argument(
        "--baseline",
        metavar="RUN",
        help="compare with RUN (default: the newest that saw a cell)",
    )


def add_junit(parser: argparse._ActionsContainer) -> None:
    """Which flavour of junit.xml is written."""
    parser.add_argument(
        "--junit-files",
        action="store_true",
        help="file and line in junit.xml: GitLab, GitHub, not Jenkins",
    )


def add_jobs(parser: argparse._ActionsContainer) -> None:
    """The number of parallel jobs."""
    parser.add_argument(
        "--jobs",
        type=positive,
        default=min(MOST_JOBS, max(2, os.cpu_count() or 2)),
        metavar="N",
        help="images and cells at a time (default: %(default)s)",
    )


def add_registry(parser: argparse._ActionsContainer) -> None:
    """Where images come from and go to, besides this machine's engine."""
    parser.add_argument(
        "--registry",
        type=repository,
        metavar="HOST/REPO",
        help="pull images from there, push those that are built",
    )


def add_scheduler(parser: argparse._ActionsContainer) -> None:
    """Which hosts run the cells, in place of this machine's engine."""
    parser.add_argument(
        "--scheduler",
        type=scheduler,
        metavar="ADDRESS",
        help="run on the hosts of this dask scheduler (`crashmatrix worker`)",
    )
    parser.add_argument(
        "--cores",
        action="store_true",
        help="with --scheduler: bring cores here too, which hold memory of the hosts' cells",
    )


def add_deadline(parser: argparse._ActionsContainer) -> None:
    """When a run ends by itself."""
    parser.add_argument(
        "--deadline",
        type=duration,
        metavar="TIME",
        help="after TIME (100m, 1h30m) start no more cells and report",
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """Where recipes and logs go."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/images"),
        metavar="DIR",
        help="Dockerfiles and logs (default: %(default)s)",
    )
