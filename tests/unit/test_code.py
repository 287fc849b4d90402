"""Targets that are the user's own code: what starts them, and what a launcher hands to the supervisor."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from orchestrator.execute import TrialCommand
from orchestrator.model import AXIS_VALUE, Arch, Cell, Scenario, UserCode, orders_as_version
from orchestrator.supervisor.options import parse
from orchestrator.supervisor.targets import COMMAND, COMMANDS, PYTEST, PYTEST_START, SCRIPT, WSGI, Target
from tests.unit.supervised import Cell as Watched

CELL = Cell(
    scenario="repro", python="3.11", glibc="2.36", arch=Arch.X86_64, launcher="plain", probe="none"
)  # fmt: skip


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A cell's container without a container."""
    return Watched(tmp_path)


def scenario(code: UserCode) -> Scenario:
    return Scenario(
        name="repro", title="t", story="", folder="/f", driver="", timeout=9, trials=1, probes=(), code=code
    )


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (Target(SCRIPT, "a b.py", ("-x", "--")), ["python3", "-X", "dev", "a b.py", "-x", "--"]),
        (Target(COMMAND, "celery", ("-A", "app")), ["celery", "-A", "app", "-X", "dev"]),
        (Target(PYTEST, "", ("tests/", "-x")), ["python3", "-X", "dev", PYTEST_START, "tests/", "-x"]),
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


def test_the_command_by_hand_has_the_memory_of_the_cell() -> None:
    command = TrialCommand(
        cell=CELL, target=scenario(UserCode(kind=SCRIPT, file="repro.py")).target("none"), timeout=9
    )
    assert "--memory 1g " in command.by_hand("tag")
    assert "--memory 4g " in replace(command, memory=4 << 30).by_hand("tag")


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


WHERE = """\
import os, sys
print(os.getcwd(), sys.path[0], sys.argv, os.environ.get('MINE'), *sorted(os.listdir('.')))
"""


def test_a_script_starts_in_a_copy_of_its_project_as_plain_python_would(watched: Watched) -> None:
    scenario = watched.root / "scenario"
    (scenario / "in ner").mkdir()
    (scenario / "in ner" / "a.py").write_text(f"{WHERE}\nopen('new', 'w').close()")
    (scenario / "tool.sh").write_text("#!/bin/sh\nexit 6\n")
    (scenario / "tool.sh").chmod(0o755)
    more = ("--argument=x y", "--argument=--", "--env=MINE=a=b c")
    stdout, stderr = watched.start("plain", 20, *more, target=SCRIPT, file="in ner/a.py").communicate(
        timeout=30
    )
    copy = watched.work / "project"
    seen = f"{copy} {copy}/in ner ['in ner/a.py', 'x y', '--'] a=b c in ner tool.sh\n"
    assert (stdout.decode(), stderr, watched.exit["status"]) == (seen, b"", 0)
    assert not (scenario / "new").exists()
    assert (copy / "new").exists()


def test_a_command_is_found_by_path_or_in_the_project(watched: Watched) -> None:
    (watched.root / "scenario" / "tool.sh").write_text("#!/bin/sh\nexit $1\n")
    (watched.root / "scenario" / "tool.sh").chmod(0o755)
    watched.start("plain", 20, "--argument=6", target=COMMAND, file="./tool.sh").communicate(timeout=30)
    assert watched.exit["status"] == 6


@pytest.mark.parametrize(
    ("file", "status", "note"),
    [
        ("no-such-program", 127, "cannot start no-such-program: No such file or directory"),
        ("./data", 126, "cannot start ./data: Permission denied"),
    ],
)
def test_a_command_that_cannot_be_started_ends_as_a_shell_would_say(
    watched: Watched, file: str, status: int, note: str
) -> None:
    (watched.root / "scenario" / "data").write_text("")
    watched.start("plain", 20, target=COMMAND, file=file).communicate(timeout=30)
    assert (watched.exit["kind"], watched.exit["status"], watched.exit["notes"]) == ("exit", status, [note])


def test_every_trial_starts_in_a_fresh_copy(watched: Watched) -> None:
    (watched.root / "scenario" / "a.py").write_text(
        "import os; print(os.listdir('.')); open('new', 'w').close()"
    )
    more = ("--trials", "2", "--scratch", str(watched.work))
    stdout, _ = watched.start("plain", 20, *more, target=SCRIPT, file="a.py").communicate(timeout=30)
    assert stdout == b"['a.py']\n<MARK>['a.py']\n"
    assert [item["status"] for item in watched.report["trials"]] == [0, 0]


def test_an_instrument_writes_beside_the_report_from_a_copy_too(watched: Watched) -> None:
    (watched.root / "scenario" / "a.py").write_text("")
    wrap = '--wrap=sh -c \'echo seen > .crashmatrix/tool.txt; exec "$0" "$@"\''
    watched.start("plain", 20, wrap, target=SCRIPT, file="a.py").communicate(timeout=30)
    assert (watched.work / ".crashmatrix" / "tool.txt").read_text() == "seen\n"


def test_the_emulators_core_is_found_where_its_process_started(watched: Watched) -> None:
    (watched.root / "scenario" / "a.py").write_text(
        "import os; open(f'qemu_python_20260101-000000_{os.getpid()}.core', 'w').close()"
    )
    watched.start("plain", 20, "--emulated", target=SCRIPT, file="a.py").communicate(timeout=30)
    name = watched.exit["emulator_core"]
    assert name
    assert (watched.work / name).exists()


def test_a_program_has_a_home_that_it_can_write_to_and_a_user(watched: Watched) -> None:
    (watched.root / "scenario" / "a.py").write_text(
        "import getpass, pathlib; print(getpass.getuser()); (pathlib.Path.home() / '.cache').mkdir()"
    )
    stdout, stderr = watched.start("plain", 20, target=SCRIPT, file="a.py").communicate(timeout=30)
    assert (stdout, stderr) == (b"crashmatrix\n", b"")
    assert (watched.work / ".cache").is_dir()
    watched.driver("import os; print(os.environ['HOME'])")
    stdout, _ = watched.start("plain", 20, "--env=HOME=/own").communicate(timeout=30)
    assert stdout == b"/own\n"
