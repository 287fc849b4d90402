"""The commands: what each takes, its help and its defaults derive from here."""

import argparse
from pathlib import Path
from typing import Final

from orchestrator import __version__
from orchestrator.cli import commands, completion
from orchestrator.cli.flags import (
    add_baseline,
    add_cell,
    add_environment,
    add_jobs,
    add_junit,
    add_listing,
    add_out,
    add_project,
    add_reports,
    add_selection,
)
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.names import BACKENDS, SHELLS

PROGRAM_EPILOG: Final = """\
The first time on a machine:  crashmatrix setup
In the folder of your code:   crashmatrix init --script FILE, then crashmatrix run
For a core that you have:     crashmatrix analyze CORE

`crashmatrix COMMAND --help` says more of each."""
AXES_EPILOG: Final = """\
A cell is one scenario in one environment: a Python on a C library, by a launcher, with a version of each
package that is an axis. Without flags, the cells of the default profile are chosen.

Axis flags may be repeated and take comma-separated values: --glibc 2.31,2.36. They replace what the
profile says of that axis. An expression narrows further:
  -k 'glibc < "2.41" and launcher == "uwsgi"'
  -k 'probe in ("cpp", "rust") and not python >= "3.13"'

Exit codes: 0 all as expected; 1 some cell failed; 2 the input is wrong; 3 the host or engine failed."""
INIT_EPILOG: Final = """\
Nothing is asked, nothing is overwritten. Versions need no operator but ==; what must be newer or older than
something goes to --require.

  crashmatrix init --script repro.py --package grpcio==1.70.0,1.71.2
  crashmatrix init --wsgi app:application -r requirements.txt
  crashmatrix init --pytest tests/ --source . --arguments -x -k 'not slow'
  crashmatrix init --require celery --command celery -A app worker

Then `crashmatrix run` runs it in every environment."""
CHECK_EPILOG: Final = """\
Nothing has to be written: the import names come from the package's own metadata. Without --environments all,
those environments are asked that need nothing compiled first, so few that each pair of a hazard and a Python,
a C library or a server is still asked.

  crashmatrix check grpcio==1.71.2
  crashmatrix check dist/package-1.0-cp311-abi3-linux_x86_64.whl
  crashmatrix check .
  crashmatrix check numpy pandas lxml --json
  crashmatrix check orjson -k 'python == "3.13" and launcher == "plain"'

Exit codes: 0 no crash and no hang; 1 some (with --baseline: some that was not there); 2 the input is wrong;
3 the host or engine failed, or a package could be asked nothing."""
BISECT_EPILOG: Final = """\
Both ends of the axis are asked first, with enough trials to tell a race from none; then halves. At most
log2(N) + 3 environments are made for N values.

  crashmatrix bisect repro --along grpcio                      versions between those that repro lists
  crashmatrix bisect repro --along grpcio 1.60..1.71           releases that the index has in this range
  crashmatrix bisect repro --along python --glibc 2.41
  crashmatrix bisect repro --along commits v1.2..main          commits of the package of `source: .`

A package may also be one that another requires. Values that cannot be had are skipped, with the reason.

Exit codes: 0 the outcome flips once; 1 it does not, or more than once, or at random; 2 the input is wrong;
3 the host or the engine failed, or too few values could be asked."""
REPRO_EPILOG: Final = """\
The folder has a Dockerfile, what runs, the exact packages with their hashes, a README.md with the stack, and
run.sh, which builds and runs it by Docker alone. Its image is a public one where the cell's C library and
Python come from one; else what no public image has lies in the folder as a tar.

  crashmatrix repro repro/py3.11-glibc2.36-x86_64-plain+orjson=3.9.14
  sh repro-py3.11-glibc2.36-x86_64-plain-orjson-3.9.14/run.sh"""
ANALYZE_EPILOG: Final = """\
Libraries and debug files are taken from this host unless one of --sysroot, --image, --container says
where else, or a match of coredumpctl names a container that is still there; a file with another build id
than the one that crashed is never used. Values of the environment are shown only for names that hold no
secrets.

  crashmatrix analyze core.1234.zst --image registry/app:1.2
  crashmatrix analyze 1234 --container web-1
  crashmatrix analyze COREDUMP_EXE=/usr/bin/python3.11 --json

Exit codes: 0 the core was read, even if only in part; 2 the file is no core; 3 the host or engine failed."""

COMPLETION_EPILOG: Final = """\
One line installs it, for every new shell:

  echo 'eval "$(crashmatrix completion bash)"' >> ~/.bashrc
  echo 'eval "$(crashmatrix completion zsh)"' >> ~/.zshrc
  crashmatrix completion fish > ~/.config/fish/completions/crashmatrix.fish"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="crashmatrix",
        description="Run code in every environment of a matrix, and explain where it crashes and why.",
        epilog=PROGRAM_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crashmatrix {__version__}")
    add_project(parser, default=None)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _init,
        _plan,
        _render,
        _build,
        _run,
        _check,
        _bisect,
        _report,
        _repro,
        _shell,
        _diff,
        _merge,
        _analyze,
        _doctor,
        _setup,
        _images,
        _schema,
        _completion,
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


def _init(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "init", "Write matrix.yaml and a scenario for code that you have", INIT_EPILOG
    )
    add_project(parser, words="folder that becomes the project (default: this one)")
    what = parser.add_argument_group("what runs (one of these)").add_mutually_exclusive_group(required=True)
    what.add_argument("--script", type=Path, metavar="FILE", help="a Python file")
    what.add_argument("--wsgi", metavar="MODULE:OBJECT", help="a web application, under uWSGI and gunicorn")
    what.add_argument(
        "--pytest", nargs="*", metavar="PATH", help="a test suite (default: where pytest looks)"
    )
    what.add_argument(
        "--command",
        dest="command_line",
        nargs=argparse.REMAINDER,
        metavar="PROGRAM",
        help="any program of the environment; the rest of the line is its arguments",
    )
    needs = parser.add_argument_group("what it needs")
    needs.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME==V1,V2",
        help="run with each of these versions of a package; NAME alone: the latest; repeatable",
    )
    needs.add_argument(
        "-r", dest="requirements", type=Path, metavar="FILE", help="install these requirements"
    )
    needs.add_argument(
        "--require", action="append", default=[], metavar="REQ", help="install this too; repeatable"
    )
    needs.add_argument(
        "--source", type=Path, metavar="DIR", help="build and install the package in this folder (mostly .)"
    )
    parser.add_argument("--name", help="the scenario's name (default: from what runs)")
    parser.add_argument(
        "--arguments",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="ARG",
        help="arguments of the script or of pytest: the rest of the line",
    )
    parser.set_defaults(command=commands.start_project)


def _plan(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "plan", "Show which cells would run, which are excluded, and why", AXES_EPILOG
    )
    add_selection(parser)
    add_listing(parser)
    parser.set_defaults(command=commands.show_plan)


def _render(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "render", "Write the Dockerfiles of the chosen cells, build nothing", AXES_EPILOG
    )
    add_selection(parser)
    add_out(parser)
    parser.set_defaults(command=commands.render_images)


def _build(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "build", "Build the images of the chosen cells, run nothing", AXES_EPILOG)
    add_selection(parser)
    add_jobs(parser)
    add_out(parser)
    parser.set_defaults(command=commands.build_images)


def _run(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "run", "Run the chosen cells and write the report", AXES_EPILOG)
    add_selection(parser)
    add_listing(parser)
    group = parser.add_argument_group("how to run")
    add_jobs(group)
    add_reports(parser)
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
        help="continue a run that was stopped (default: the latest)",
    )
    earlier.add_argument(
        "--rerun",
        choices=["failed"],
        help="run again what failed, could not be seen or did not start in the latest run",
    )
    add_baseline(group)
    add_junit(group)
    parser.set_defaults(command=commands.run_cells)


def _check(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "check", "Ask a package what servers and interpreters do to it", CHECK_EPILOG
    )
    parser.add_argument(
        "packages", nargs="+", metavar="REQ|WHEEL|DIR", help="a requirement, a wheel file or a source tree"
    )
    parser.add_argument(
        "--environments",
        choices=["default", "all"],
        default="default",
        help="all: every environment that there is, also those that take long to build",
    )
    parser.add_argument("-k", dest="expression", metavar="EXPR", help="ask only where EXPR is true")
    parser.add_argument("--offline", action="store_true", help="ask no index of packages and no registry")
    parser.add_argument("--json", action="store_true", help="what was found as JSON, for programs")
    add_jobs(parser)
    add_reports(parser)
    add_baseline(parser)
    parser.set_defaults(command=commands.check_packages)


def _bisect(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "bisect", "Find between which two values of an axis an outcome flips", BISECT_EPILOG
    )
    parser.add_argument("name", metavar="SCENARIO", help="the scenario that is asked")
    parser.add_argument(
        "--along",
        nargs="+",
        required=True,
        metavar=("AXIS", "VALUES"),
        help="python, glibc, a package, another axis of versions, or commits; VALUES is A..B or A,B,C",
    )
    add_environment(parser)
    group = parser.add_argument_group("how to run")
    add_jobs(group)
    add_reports(parser)
    group.add_argument("--json", action="store_true", help="print the answer as JSON, and progress to stderr")
    parser.set_defaults(command=commands.bisect_axis)


def _report(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "report", "Render a run's report again from its results on disk")
    add_project(parser)
    add_reports(parser)
    parser.add_argument("run", nargs="?", metavar="RUN", help="name or folder of a run (default: the latest)")
    add_baseline(parser)
    add_junit(parser)
    parser.set_defaults(command=commands.report_run)


def _repro(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "repro", "Write a cell as a folder that runs without crashmatrix", REPRO_EPILOG
    )
    add_cell(parser)
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="the new folder (default: one named after the cell)"
    )
    parser.set_defaults(command=commands.write_repro)


def _shell(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers,
        "shell",
        "Open a shell in the environment of a cell that ran, with gdb and its core",
        "The shell has the cell's image, variables, limits and network, and a copy of what runs. Its exit\n"
        "status is that of this command.",
    )
    add_cell(parser)
    parser.set_defaults(command=commands.open_shell)


def _diff(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers,
        "diff",
        "Show what changed from one run to another",
        "Exit codes: 0 nothing changed; 1 some cell did; 2 the input is wrong; 3 no cell can be compared.",
    )
    add_project(parser)
    add_reports(parser)
    parser.add_argument("before", metavar="BEFORE", help="name or folder of the earlier run")
    parser.add_argument("after", metavar="AFTER", help="name or folder of the later run, or `latest`")
    parser.add_argument("--json", action="store_true", help="as JSON (the format of comparison.json)")
    parser.set_defaults(command=commands.diff_runs)


def _merge(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "merge", "Make one run of several, such as the shards of a night")
    add_project(parser)
    add_reports(parser)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of the runs")
    parser.add_argument("--into", type=Path, metavar="DIR", help="the merged run (default: reports/merged)")
    add_junit(parser)
    parser.set_defaults(command=commands.merge_runs)


def _analyze(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers,
        "analyze",
        "Read a core file of any process, of this host or of a container",
        ANALYZE_EPILOG,
    )
    parser.add_argument(
        "core", metavar="CORE", help="a core file, also compressed, or a match of coredumpctl"
    )
    parser.add_argument("--exe", type=Path, metavar="FILE", help="the program, if it is not at its path")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--sysroot", type=Path, metavar="DIR", help="take its files from a copied root")
    group.add_argument("--image", metavar="IMAGE", help="take its files from an image that the engine has")
    group.add_argument("--container", metavar="ID", help="take its files from a container, running or not")
    parser.add_argument(
        "--backend",
        action="append",
        choices=BACKENDS,
        help="use only these; repeatable (default: the best that are installed)",
    )
    parser.add_argument(
        "--json", action="store_true", help="as JSON (`crashmatrix schema crash` describes it)"
    )
    parser.set_defaults(command=commands.analyze_core)


def _doctor(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "doctor", "Say what this host can do, and how to fix what is missing")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--quick", action="store_true", help="look only: build no image, run no container")
    parser.set_defaults(command=commands.check_host)


def _setup(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "setup", "Install and start what is missing on this host, after saying what that is"
    )
    parser.add_argument("--browser", action="store_true", help="also Chromium, for the browser tests")
    parser.add_argument("--dry-run", action="store_true", help="show what would be changed, change nothing")
    parser.add_argument(
        "--undo", action="store_true", help="put core_pattern back and stop what setup started; packages stay"
    )
    parser.set_defaults(command=commands.set_up_host)


def _images(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "images", "Maintain the pins of what images are made from")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    lock = _command(verbs, "lock", "Pin what images/catalogue.yaml names by digest, in images/lock.yaml")
    add_project(lock)
    lock.add_argument(
        "--downloads-only", action="store_true", help="do not resolve the tags of registry images"
    )
    lock.set_defaults(command=commands.lock_images)


def _schema(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "schema", "Print the JSON schema of a file that others read or write")
    parser.add_argument("name", choices=tuple(SCHEMAS), help="which file")
    parser.set_defaults(command=commands.print_schema)


def _completion(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "completion", "Print the script that has a shell complete crashmatrix", COMPLETION_EPILOG
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    parser.set_defaults(command=completion.print_completion)
