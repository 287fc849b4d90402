"""Targets that are the user's own code: what starts them, and what a launcher hands to the supervisor."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from orchestrator.execute import TrialCommand
from orchestrator.model import AXIS_VALUE, Arch, Cell, Scenario, UserCode, orders_as_version
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


def test_a_cell_without_a_probe_has_an_id_without_one() -> None:
    cell = CELL.model_copy(update={"own": (("grpcio", "1.70.0"), ("torch", "1!2.0+cu118"))})
    assert cell.id == "repro/py3.11-glibc2.36-x86_64-plain+grpcio=1.70.0+torch=1!2.0+cu118"
    assert cell.question == "repro+grpcio=1.70.0+torch=1!2.0+cu118"


VERSIONS = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", "1!"]),
    st.lists(st.integers(0, 2025), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts))),
    st.sampled_from(["", "a1", "b2", "rc3"]),
    st.sampled_from(["", ".post4"]),
    st.sampled_from(["", ".dev5"]),
    st.sampled_from(["", "+cu118", "+local.7.x"]),
)


@given(VERSIONS)
def test_an_axis_holds_every_version_of_a_package_in_its_canonical_form(text: str) -> None:
    canonical = str(Version(text))
    assert AXIS_VALUE.fullmatch(canonical)
    assert orders_as_version("grpcio", [canonical, "none"])


@pytest.mark.parametrize(
    "value", ["a+b", "a!b", "1.0+", "+1", "1.0+b=c", "1.0+b/c", "1" * 65, "1.0\n", "", "é"]
)
def test_nothing_but_a_version_brings_signs_into_an_id(value: str) -> None:
    assert not AXIS_VALUE.fullmatch(value)


@given(st.lists(st.tuples(st.sampled_from("ab"), VERSIONS), max_size=3, unique_by=lambda pair: pair[0]))
def test_an_id_reads_one_way_only(own: list[tuple[str, str]]) -> None:
    pairs = tuple((axis, str(Version(text))) for axis, text in own)
    cell = CELL.model_copy(update={"own": pairs})
    read = re.findall(r"\+([a-z][a-z0-9_]*)=((?:(?!\+[a-z][a-z0-9_]*=).)*)", cell.id)
    assert tuple(read) == pairs
