"""Every flag, declared once; what a command takes, its help and its defaults derive from here."""

import argparse
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from orchestrator import __version__
from orchestrator.cli.arguments import own_axis, positive, seconds, shard, values
from orchestrator.crash import BACKENDS
from orchestrator.model import STANDARD_AXES

AXIS_HELP: Final = {
    "arch": "x86_64, arm64",
    "python": "CPython version, as in the matrix: 3.11",
    "glibc": "C library version: 2.36",
    "launcher": "what starts the process: plain, uwsgi",
    "probe": "language of the native extension: cpp, rust",
    "scenario": "crash question: a folder under scenarios/",
}
MOST_JOBS: Final = 16
"""So many cores can arrive at once: MaxConnections of systemd-coredump.socket, beyond which they are lost."""
AXES_EPILOG: Final = """\
Axis flags may be repeated and take comma-separated values: --glibc 2.31,2.36. They replace what the
profile says of that axis. An expression narrows further:
  -k 'glibc < "2.41" and launcher == "uwsgi"'
  -k 'probe in ("cpp", "rust") and not python >= "3.13"'

Exit codes: 0 all as expected; 1 some cell failed; 2 the input is wrong; 3 the host or engine failed."""
ANALYZE_EPILOG: Final = """\
Libraries and debug files are taken from this host unless one of --sysroot, --image, --container says
where else, or a match of coredumpctl names a container that is still there; a file with another build id
than the one that crashed is never used. Values of the environment are shown only for names that hold no
secrets.

  crashmatrix analyze core.1234.zst --image registry/app:1.2
  crashmatrix analyze 1234 --container web-1
  crashmatrix analyze COREDUMP_EXE=/usr/bin/python3.11 --json

Exit codes: 0 the core was read, even if only in part; 2 the file is no core; 3 the host or engine failed."""


SCHEMAS: Final = (
    "comparison", "crash", "digest", "explanations", "history", "matrix", "plan", "result", "scenario",
)  # fmt: skip
"""What `schema` can print."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="crashmatrix",
        description="Ask one native crash question in every cell of a matrix of environments.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crashmatrix {__version__}")
    parser.add_argument(
        "--project",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder with matrix.yaml, scenarios/ and images/ (default: this one)",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _plan,
        _render,
        _build,
        _run,
        _report,
        _diff,
        _merge,
        _analyze,
        _doctor,
        _setup,
        _images,
        _schema,
    ):
        add(subparsers)
    return parser


_Subparsers = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def _command(
    subparsers: "_Subparsers[argparse.ArgumentParser]", name: str, title: str, epilog: str | None = None
) -> argparse.ArgumentParser:
    return subparsers.add_parser(
        name,
        help=title,
        description=title,
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which cells")
    for axis in sorted(STANDARD_AXES, key=list(AXIS_HELP).index):
        group.add_argument(
            f"--{axis}", action="append", default=[], metavar="VALUE", type=values, help=AXIS_HELP[axis]
        )
    group.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=own_axis,
        help="the same for an axis of your own, or of a scenario's",
    )
    group.add_argument("-k", dest="expression", metavar="EXPR", help="keep the cells that EXPR is true of")
    group.add_argument(
        "--profile", metavar="NAME", help="profile of matrix.yaml (default: its default_profile)"
    )
    group.add_argument(
        "--cell",
        action="append",
        default=[],
        metavar="ID",
        dest="cells",
        help="exactly this cell, whatever the profile; repeatable",
    )
    group.add_argument("--shard", metavar="I/N", type=shard, help="the I-th of N parts of the selection")
    group.add_argument(
        "--allow-empty",
        action="store_true",
        help="where every chosen cell is excluded, report the reasons instead of refusing (for nightly jobs)",
    )
    group.add_argument(
        "--offline",
        action="store_true",
        help="ask no image registry whether it answers; what is pinned of them is taken to be here",
    )
    group.add_argument(
        "--trials", type=positive, metavar="N", help="trials a cell, instead of its scenario's number"
    )
    group.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="time limit of one trial, instead of its scenario's",
    )


def _add_listing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--list", action="store_true", help="list the chosen and the excluded cells, run nothing"
    )
    parser.add_argument("--json", action="store_true", help="with --list: as JSON (the format of plan.json)")


def _add_reports(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reports", type=Path, metavar="DIR", help="where runs are kept (default: reports/)")


def _plan(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "plan", "Show which cells would run, which are excluded, and why", AXES_EPILOG
    )
    _add_selection(parser)
    _add_listing(parser)
    parser.set_defaults(command=_late("plan"))


def _render(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "render", "Write the Dockerfiles of the chosen cells, build nothing", AXES_EPILOG
    )
    _add_selection(parser)
    _add_out(parser)
    parser.set_defaults(command=_late("render"))


def _build(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "build", "Build the images of the chosen cells, run nothing", AXES_EPILOG)
    _add_selection(parser)
    _add_jobs(parser)
    _add_out(parser)
    parser.set_defaults(command=_late("build"))


def _run(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "run", "Run the chosen cells and write the report", AXES_EPILOG)
    _add_selection(parser)
    _add_listing(parser)
    group = parser.add_argument_group("how to run")
    _add_jobs(group)
    _add_reports(parser)
    group.add_argument(
        "--fail-fast",
        action="store_true",
        help="after the first cell that is not as expected, let running cells finish and stop",
    )
    earlier = group.add_mutually_exclusive_group()
    earlier.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        metavar="RUN",
        help="go on with a run that was stopped (default: the latest)",
    )
    earlier.add_argument(
        "--rerun",
        choices=["failed"],
        help="run again what failed, could not be seen or did not start in the latest run",
    )
    _add_baseline(group)
    parser.set_defaults(command=_late("run"))


def _report(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "report", "Render a run's report again from its results on disk")
    _add_reports(parser)
    parser.add_argument("run", nargs="?", metavar="RUN", help="name or folder of a run (default: the latest)")
    _add_baseline(parser)
    parser.set_defaults(command=_late("report"))


def _diff(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers,
        "diff",
        "Say what changed from one run to another",
        "Exit codes: 0 nothing changed; 1 some cell did; 2 the input is wrong; 3 no cell can be compared.",
    )
    _add_reports(parser)
    parser.add_argument("before", metavar="BEFORE", help="name or folder of the earlier run")
    parser.add_argument("after", metavar="AFTER", help="name or folder of the later run, or `latest`")
    parser.add_argument("--json", action="store_true", help="as JSON (the format of comparison.json)")
    parser.set_defaults(command=_late("diff"))


def _add_baseline(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--baseline",
        metavar="RUN",
        help="compare with this run (default: the newest earlier one that asked for the same cells)",
    )


def _merge(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "merge", "Make one run of several, such as the shards of a night")
    _add_reports(parser)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of the runs")
    parser.add_argument("--into", type=Path, metavar="DIR", help="the merged run (default: reports/merged)")
    parser.set_defaults(command=_late("merge"))


def _analyze(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers,
        "analyze",
        "Say what a core file tells, of any process, here or in a container",
        ANALYZE_EPILOG,
    )
    parser.add_argument(
        "core", metavar="CORE", help="a core file, also compressed, or a match of coredumpctl"
    )
    parser.add_argument("--exe", type=Path, metavar="FILE", help="the program, where it is not at its path")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--sysroot", type=Path, metavar="DIR", help="take its files from a copied root")
    group.add_argument("--image", metavar="IMAGE", help="take its files from an image that the engine has")
    group.add_argument("--container", metavar="ID", help="take its files from a container, running or not")
    parser.add_argument(
        "--backend",
        action="append",
        choices=BACKENDS,
        help="use only these; repeatable (default: the best that are there)",
    )
    parser.add_argument(
        "--json", action="store_true", help="as JSON (`crashmatrix schema crash` describes it)"
    )
    parser.set_defaults(command=_late("analyze"))


def _doctor(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "doctor", "Say what this host can do, and the mend for what it lacks")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=_late("doctor"))


def _setup(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "setup", "Install and start what this host lacks, having said what that is")
    parser.add_argument("--browser", action="store_true", help="also Chromium, for the browser tests")
    parser.add_argument("--dry-run", action="store_true", help="say what would be changed, change nothing")
    parser.add_argument(
        "--undo", action="store_true", help="put core_pattern back and stop what setup started; packages stay"
    )
    parser.set_defaults(command=_late("setup"))


def _images(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "images", "Look after what images are made from")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    lock = _command(verbs, "lock", "Pin what images/catalogue.yaml names by digest, in images/lock.yaml")
    lock.add_argument(
        "--downloads-only", action="store_true", help="ask no registry what the tags of its images stand for"
    )
    lock.set_defaults(command=_late("lock_images"))


def _schema(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "schema", "Print the JSON schema of a file that others read or write")
    parser.add_argument("name", choices=SCHEMAS, help="which file")
    parser.set_defaults(command=_late("schema"))


def _add_jobs(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--jobs",
        type=positive,
        default=min(MOST_JOBS, max(2, os.cpu_count() or 2)),
        metavar="N",
        help="images and cells at a time (default: %(default)s)",
    )


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/images"),
        metavar="DIR",
        help="where Dockerfiles and logs go (default: %(default)s)",
    )


def _late(name: str) -> Callable[[argparse.Namespace], int]:
    """A command that is imported once it is run: most of a short one's time would go into the others."""

    def run(arguments: argparse.Namespace) -> int:
        module = import_module(f"orchestrator.cli.{name if name == 'analyze' else 'commands'}")
        return int(getattr(module, name)(arguments))

    return run
