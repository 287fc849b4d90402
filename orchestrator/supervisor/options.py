"""The supervisor's command line."""

from __future__ import annotations

import argparse
import json
import os

from orchestrator.supervisor import identity
from orchestrator.supervisor.paths import MARK_VARIABLE
from orchestrator.supervisor.plan import read_plan
from orchestrator.supervisor.targets import COMMANDS, WSGI


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run tested processes and report how each exited.")
    parser.add_argument("--report", required=True, metavar="FILE", help="a new file to write")
    parser.add_argument(
        "--user", type=identity.user_and_group, metavar="UID:GID", help="as whom root runs tested processes"
    )
    parser.add_argument("--launcher", required=True, help="what starts the target")
    parser.add_argument(
        "--target", nargs=2, required=True, metavar=("KIND", "FILE"), help="a file of the scenario's folder"
    )
    parser.add_argument("--argument", action="append", default=[], help="an argument of the target itself")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of the tested process's alone",
    )
    parser.add_argument(
        "--timeout", type=float, required=True, help="seconds from a tested process's start to its end"
    )
    parser.add_argument("--wrap", default="", help="words to put before the command, quoted as for a shell")
    parser.add_argument("--option", action="append", default=[], help="an option of the launcher's program")
    parser.add_argument("--serving", default="", help="an application's requests, and what ends its workers")
    parser.add_argument("--trials", type=int, default=1, help="how many, one after the other")
    parser.add_argument(
        "--variant", action="append", default=[], type=json.loads, metavar="JSON",
        help="what a trial has beside all that: variables (env), options and arguments; one for each trial",
    )  # fmt: skip
    parser.add_argument("--while", dest="wanted", default="exit", help="go on while an exit is this: exit:0")
    parser.add_argument("--scratch", action="append", default=[], help="a folder to empty between two trials")
    parser.add_argument("--emulated", action="store_true", help="this runs under qemu-user, which is slow")
    options = parser.parse_args(arguments)
    if options.target[0] not in (*COMMANDS, WSGI):
        parser.error(f"--target: no kind of target is called {options.target[0]!r}")
    options.mark = os.environ.pop(MARK_VARIABLE, "")
    options.argument, options.option = words(options.argument), words(options.option)
    options.serving = read_plan(options.serving) if options.target[0] == WSGI else None
    return options


def varied(options: argparse.Namespace, number: int) -> argparse.Namespace:
    """The command line of the trial of this number, from 0 on: with its own variant, if it has one."""
    if number >= len(options.variant):
        return options
    own = options.variant[number]
    env = [f"{name}={value}" for name, value in own.get("env", {}).items()]
    more = {
        "env": [*options.env, *env],
        "option": [*options.option, *own.get("options", [])],
        "argument": [*options.argument, *own.get("arguments", [])],
    }
    return argparse.Namespace(**{**vars(options), **more})


def words(values: list[object]) -> list[str]:
    """The values of a repeated option; argparse before 3.13 reads the value `--` as an empty list."""
    return ["--" if value == [] else str(value) for value in values]
