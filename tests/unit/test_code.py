"""Targets that are the user's own code: what starts them, and what a launcher hands to the supervisor."""

import pytest

from orchestrator.execute import TrialCommand
from orchestrator.model import Arch, Cell, Scenario, UserCode
from orchestrator.supervisor.run import parse
from orchestrator.supervisor.targets import COMMAND, COMMANDS, PYTEST, SCRIPT, WSGI, Target

CELL = Cell(
    scenario="repro", python="3.11", glibc="2.36", arch=Arch.X86_64, launcher="plain", probe="none"
)  # fmt: skip


def scenario(code: UserCode) -> Scenario:
    return Scenario(
        name="repro", title="t", story="", folder="/f", driver="", timeout=9, trials=1, probes=(), code=code
    )


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (Target(SCRIPT, "a b.py", ("-x", "--")), ["python3", "-X", "dev", "a b.py", "-x", "--"]),
        (Target(COMMAND, "celery", ("-A", "app")), ["celery", "-A", "app", "-X", "dev"]),
        (Target(PYTEST, "", ("tests/", "-x")), ["python3", "-X", "dev", "-m", "pytest", "tests/", "-x"]),
    ],
)
def test_a_target_without_a_server_has_one_command(target: Target, command: list[str]) -> None:
    assert COMMANDS[target.kind](target, "/unused", ["-X", "dev"]) == command


@pytest.mark.parametrize("arguments", [(), ("-x", "--", "--option=1", "--target", "a b", "é")])
def test_the_supervisor_reads_back_the_arguments_of_a_target(arguments: tuple[str, ...]) -> None:
    code = UserCode(kind=SCRIPT, file="repro.py", arguments=arguments)
    command = TrialCommand(cell=CELL, target=scenario(code).target("none"), timeout=9).single()
    read = parse(list(command[3:]))
    assert (read.target, tuple(read.argument)) == ([SCRIPT, "repro.py"], arguments)


def test_only_a_server_starts_an_application() -> None:
    assert WSGI not in COMMANDS
    assert scenario(UserCode(kind=WSGI, file="app:application")).target("none") == Target(
        WSGI, "app:application"
    )
