"""The commands that read a run or a core."""

from pathlib import Path
from typing import Final

from orchestrator.cli import record_commands
from orchestrator.cli.flags import add_baseline, add_cell, add_junit, add_project, add_reports
from orchestrator.cli.subcommand import Commands, Subparsers, add_command
from orchestrator.names import BACKENDS


def _report(subparsers: Subparsers) -> None:
    parser = add_command(subparsers, "report", "Render a run's report again from its results", "[RUN]")
    add_project(parser)
    add_reports(parser)
    parser.add_argument("run", nargs="?", metavar="RUN", help="name or folder of a run (default: the latest)")
    add_baseline(parser)
    add_junit(parser)
    parser.set_defaults(command=record_commands.report_run)


def _repro(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers, "repro", "Write a cell as a folder that runs without crashmatrix", "CELL"
    )
    add_cell(parser)
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="the new folder (default: one named after the cell)"
    )
    parser.set_defaults(command=record_commands.write_repro)


def _shell(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "shell",
        "Open a shell in the environment of a cell that ran, with gdb and its core",
        "CELL",
    )
    add_cell(parser)
    parser.set_defaults(command=record_commands.open_shell)


def _diff(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "diff",
        "Show what changed from one run to another",
        "BEFORE AFTER",
    )
    add_project(parser)
    add_reports(parser)
    parser.add_argument("before", metavar="BEFORE", help="name or folder of the earlier run")
    parser.add_argument("after", metavar="AFTER", help="name or folder of the later run, or `latest`")
    parser.add_argument("--json", action="store_true", help="print JSON (the format of comparison.json)")
    parser.set_defaults(command=record_commands.diff_runs)


def _merge(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers, "merge", "Merge several runs into one, such as the shards of a night", "RUN ..."
    )
    add_project(parser)
    add_reports(parser)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of the runs")
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="the merged run (default: in reports/, by date and profile)"
    )
    parser.add_argument(
        "--due",
        action="append",
        default=[],
        type=Path,
        metavar="PLAN",
        help="the cells that should have come, as `plan --json` prints them; "
        "exit code 3 where one is missing; repeatable",
    )
    add_junit(parser)
    parser.set_defaults(command=record_commands.merge_runs)


def _night(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "night",
        "In a job of GitHub Actions: begin from the night before, end for the next",
        "VERB",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    fetch = add_command(
        verbs, "fetch", "Bring the last complete night here, to merge this one beside it", "DIR"
    )
    fetch.add_argument("nights", type=Path, metavar="DIR", help="the new folder of the nights")
    fetch.add_argument("--artifact", default="night", metavar="NAME", help="its artifact (default: night)")
    fetch.add_argument(
        "--brief", action="store_true", help="only what plans go by: times, verdicts and causes, no results"
    )
    fetch.set_defaults(command=record_commands.fetch_nights)
    keep = add_command(
        verbs, "keep", "Leave of older nights what histories need, and say if this one is complete", "DIR"
    )
    keep.add_argument("nights", type=Path, metavar="DIR", help="the folder of the nights")
    keep.set_defaults(command=record_commands.keep_nights)
    issues = add_command(
        verbs, "issues", "Open, update and close an issue for each cause of this night", "DIR"
    )
    issues.add_argument("nights", type=Path, metavar="DIR", help="the folder of the nights")
    issues.set_defaults(command=record_commands.track_causes)


def _analyze(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "analyze",
        "Read a core file of this host or of a container",
        "CORE",
    )
    parser.add_argument("core", metavar="CORE", help="a core file, or a match of coredumpctl")
    parser.add_argument("--exe", type=Path, metavar="FILE", help="the program, where it is not at its path")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--sysroot", type=Path, metavar="DIR", help="take libraries from a copied root")
    group.add_argument("--image", metavar="IMAGE", help="take libraries from an image of the engine")
    group.add_argument("--container", metavar="ID", help="take libraries from a container")
    parser.add_argument(
        "--debuginfod",
        metavar="URL",
        help="ask this debuginfod server for debug files and programs that are missing, by build id",
    )
    parser.add_argument(
        "--backend",
        action="append",
        choices=BACKENDS,
        help="use this reader only; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print JSON (`crashmatrix schema crash`)")
    parser.set_defaults(command=record_commands.analyze_core)


COMMANDS: Final[Commands] = {
    "report": _report,
    "repro": _repro,
    "shell": _shell,
    "diff": _diff,
    "merge": _merge,
    "night": _night,
    "analyze": _analyze,
}
