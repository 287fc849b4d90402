"""The commands: what each takes, its help and its defaults derive from here."""

import argparse
from pathlib import Path

from orchestrator import __version__
from orchestrator.cli import commands, completion, help_text
from orchestrator.cli.flags import (
    add_baseline,
    add_cell,
    add_deadline,
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


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="crashmatrix",
        usage="crashmatrix [--project DIR] COMMAND ...",
        description=help_text.PROGRAM,
        epilog=help_text.PROGRAM_END,
        formatter_class=help_text.Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crashmatrix {__version__}")
    add_project(parser, default=None)
    subparsers = parser.add_subparsers(required=True, title="commands", metavar="COMMAND")
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
    subparsers: "_Subparsers[argparse.ArgumentParser]", name: str, title: str, usage: str = ""
) -> argparse.ArgumentParser:
    """A command; `usage` is what follows its name besides options."""
    words = " ".join(part for part in ("crashmatrix", *(["images"] if name == "lock" else []), name) if part)
    parser = subparsers.add_parser(
        name,
        help=title,
        usage=f"{words} [options] {usage}".rstrip(),
        description=f"{title}.\n\n{help_text.EXAMPLES[name]}" if name in help_text.EXAMPLES else title,
        epilog=help_text.NOTES.get(name),
        allow_abbrev=False,
        formatter_class=help_text.Formatter,
    )
    help_text.add_help_all(parser, name)
    return parser


def _init(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
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
    parser.set_defaults(command=commands.start_project)


def _plan(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "plan", "List the cells that would run, and why others are excluded")
    add_selection(parser)
    add_listing(parser)
    parser.set_defaults(command=commands.show_plan)


def _render(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "render", "Write the Dockerfiles of the chosen cells, without building")
    add_selection(parser)
    add_out(parser)
    parser.set_defaults(command=commands.render_images)


def _build(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "build", "Build the images of the chosen cells, without running them")
    add_selection(parser)
    add_jobs(parser)
    add_out(parser)
    parser.set_defaults(command=commands.build_images)


def _run(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "run", "Run the chosen cells and write the report")
    add_selection(parser)
    group = parser.add_argument_group("how to run")
    add_listing(group)
    add_jobs(group)
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
    parser.set_defaults(command=commands.run_cells)


def _check(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
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
        "--offline", action="store_true", help="use pinned and cached packages and images only"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_jobs(parser)
    add_reports(parser)
    add_baseline(parser)
    parser.set_defaults(command=commands.check_packages)


def _bisect(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
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
    parser.set_defaults(command=commands.bisect_axis)


def _report(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "report", "Render a run's report again from its results", "[RUN]")
    add_project(parser)
    add_reports(parser)
    parser.add_argument("run", nargs="?", metavar="RUN", help="name or folder of a run (default: the latest)")
    add_baseline(parser)
    add_junit(parser)
    parser.set_defaults(command=commands.report_run)


def _repro(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "repro", "Write a cell as a folder that runs without crashmatrix", "CELL")
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
        "CELL",
    )
    add_cell(parser)
    parser.set_defaults(command=commands.open_shell)


def _diff(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
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
    parser.set_defaults(command=commands.diff_runs)


def _merge(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
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
    parser.set_defaults(command=commands.merge_runs)


def _analyze(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
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
        "--backend",
        action="append",
        choices=BACKENDS,
        help="use this reader only; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print JSON (`crashmatrix schema crash`)")
    parser.set_defaults(command=commands.analyze_core)


def _doctor(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "doctor", "Show what this host can do, and how to fix what is missing")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--quick", action="store_true", help="look only: build no image, run no container")
    parser.set_defaults(command=commands.check_host)


def _setup(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "setup", "Show, then install and start, what is missing on this host")
    parser.add_argument("--browser", action="store_true", help="also Chromium, for the browser tests")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
    parser.add_argument("--undo", action="store_true", help="restore core_pattern, stop what setup started")
    parser.set_defaults(command=commands.set_up_host)


def _images(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(
        subparsers, "images", "Maintain the pinned digests of what images are made from", "VERB"
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    lock = _command(verbs, "lock", "Pin what images/catalogue.yaml names, in images/lock.yaml")
    add_project(lock)
    lock.add_argument(
        "--downloads-only", action="store_true", help="do not resolve the tags of registry images"
    )
    lock.set_defaults(command=commands.lock_images)


def _schema(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "schema", "Print the JSON schema of a file", "NAME")
    parser.add_argument("name", choices=tuple(SCHEMAS), metavar="NAME", help=f"one of {', '.join(SCHEMAS)}")
    parser.set_defaults(command=commands.print_schema)


def _completion(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    parser = _command(subparsers, "completion", "Print the completion script for a shell", "SHELL")
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    parser.set_defaults(command=completion.print_completion)
