"""What `check` writes, chooses and reads, without an engine."""

import ast
import importlib.metadata
import importlib.util
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orchestrator import check, matrix
from orchestrator.check import Environment
from orchestrator.check.findings import refusal
from orchestrator.check.hazard import BATTERY, Group
from orchestrator.cli import checking
from orchestrator.cli.progress import Lines
from orchestrator.errors import HostError, InputError, Location
from orchestrator.matrix.expression import CellContext, parse
from orchestrator.model import (
    Arch,
    CellResult,
    Checked,
    CheckedCell,
    CheckedPackage,
    HazardResult,
    Judgement,
    OutcomeKind,
    PlannedCell,
    Scenario,
    Verdict,
)
from orchestrator.packages import archive
from orchestrator.pipeline.check import CheckOptions, ImportGate, exit_code, run_battery
from orchestrator.pipeline.planning import selected
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.sharing import groups
from tests.unit.index_server import IndexServer
from tests.unit.run_factory import CRASHES, SURVIVES, cell, crash, quiet_trial, result_of


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"battery_{name}", BATTERY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


START = _module("start")


class Distribution(importlib.metadata.Distribution):
    """A distribution whose metadata lie in a mapping."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = {"METADATA": "Metadata-Version: 2.1\nName: made\nVersion: 1\n", **texts}

    def read_text(self, filename: str) -> str | None:
        return self.texts.get(filename)

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        return Path(path)


def _described(*files: str, top_level: str = "") -> dict[str, Any]:
    texts = {"RECORD": "".join(f"{name},,\n" for name in files)}
    described: dict[str, Any] = START.describe(
        Distribution(texts | ({"top_level.txt": top_level} if top_level else {}))
    )
    return described


@pytest.mark.parametrize(
    ("files", "top_level", "names"),
    [
        (("a/__init__.py", "a/_native.cpython-311-x86_64-linux-gnu.so"), "", ["a"]),
        (("one.py", "_two.abi3.so", "made-1.dist-info/METADATA"), "", ["one"]),
        (("_only.abi3.so",), "_only\n", ["_only"]),
        (("google/protobuf/__init__.py", "google/_upb/_message.abi3.so"), "", ["google.protobuf"]),
        (("a/__init__.py", "b/__init__.py", "tests/__init__.py"), "a\nb\ntests\n", ["a", "b"]),
        (("a/__init__.py", "../../../bin/tool", "a.libs/libx.so.1"), "", ["a"]),
        (("a/__init__.py",), "gone\n", ["a"]),
        (("made-1.dist-info/METADATA", "data/table.csv"), "", []),
        (("made/__init__.py", "_made.abi3.so", "made_driver/__init__.py"), "", ["made"]),
    ],
)
def test_import_names_come_from_the_distributions_own_metadata(
    files: tuple[str, ...], top_level: str, names: list[str]
) -> None:
    assert _described(*files, top_level=top_level)["names"] == names


def test_native_modules_are_told_from_pure_ones() -> None:
    described = _described(
        "a/__init__.py", "a/b.py", "a/_c.abi3.so", "a/_c.py", "a/tests/test_b.py", "a/__main__.py"
    )
    assert described["extensions"] == ["a._c"]
    assert described["modules"] == ["a", "a._c", "a.b"]


@pytest.mark.parametrize(
    "name", ["my-data", "x;print(1)", "a\\d", "\x1b[31mred", "..", "/abs", "class", "\u202eabc", "x #"]
)
def test_a_name_that_no_import_statement_can_have_is_not_imported(name: str) -> None:
    files = [
        f"{name}/__init__.py",
        f"{name}/more/__init__.py",
        f"{name}.py",
        f"{name}/_c.so",
        "good/__init__.py",
    ]
    described = _described(*files, top_level=f"{name}\ngood\n")
    assert (described["names"], described["modules"], described["extensions"]) == (["good"], ["good"], [])
    script = START.fill("try:\n    pass  # import\n", described, str(BATTERY))
    assert script == "try:\n    import good\n"


@pytest.mark.parametrize("hazard", check.hazards(), ids=lambda item: item.name)
def test_a_hazard_has_a_question_a_source_and_a_script_that_is_python_once_it_is_filled(
    hazard: check.Hazard,
) -> None:
    assert hazard.question.endswith("?")
    assert len(hazard.question.split(". ")) == 1
    assert hazard.source.startswith("https://")
    facts = {"names": ["one", "two.three"], "modules": ["one", "one.sub"], "extensions": ["one._c"]}
    text = START.fill((BATTERY / f"{hazard.file}.py").read_text(), facts, str(BATTERY))
    tree = ast.parse(text)
    asked = ast.unparse(tree)
    assert "import two.three" in asked or "'two.three'" in asked or "'one.sub'" in asked
    assert "include" not in asked
    assert "= []" not in asked.replace("made = []", "")


def test_each_script_of_the_battery_is_some_hazards() -> None:
    own = {"start", "app", "suite", "use", "wait"}
    assert {path.stem for path in BATTERY.glob("*.py")} - own == {item.file for item in check.hazards()}
    names = [item.name for item in check.hazards()]
    assert len(set(names)) == len(names)
    assert names[0] == check.GATE


VERSIONS = st.sampled_from(["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
GLIBCS = st.sampled_from(["2.31", "2.36", "2.41", "2.43"])
SERVERS = st.lists(st.sampled_from(["uwsgi", "gunicorn"]), unique=True).map(lambda names: ("plain", *names))
PLACES = st.lists(
    st.builds(Environment, python=VERSIONS, glibc=GLIBCS, launchers=SERVERS),
    min_size=1,
    max_size=12,
    unique_by=lambda one: (one.python, one.glibc),
)


def _context(**axes: str) -> CellContext:
    return CellContext(axes=axes, host=Arch.X86_64)


@given(PLACES)
def test_the_default_environments_cover_each_pair_of_a_hazard_with_python_and_glibc(
    places: list[Environment],
) -> None:
    served = [item.name for item in check.hazards() if item.group is not Group.PLAIN]
    words = {
        "python": ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14"),
        "glibc": ("2.31", "2.36", "2.41", "2.43"),
        "launcher": ("plain", "uwsgi", "gunicorn"),
        "hazard": tuple(item.name for item in check.hazards()),
    }
    when = parse(check.covering(places), words, Location(file="-k"))
    chosen = [
        (one, launcher, hazard)
        for one, launcher, hazard in product(places, words["launcher"], words["hazard"])
        if launcher in one.launchers
        and (launcher == "plain") == (hazard not in served)
        and when.matches(_context(python=one.python, glibc=one.glibc, launcher=launcher, hazard=hazard))
    ]
    for hazard in words["hazard"]:
        if hazard not in served:
            asked = [one for one, _, name in chosen if name == hazard]
            assert {one.python for one in asked} == {one.python for one in places}
            assert {one.glibc for one in asked} == {one.glibc for one in places}
    for one in {one for one, _, _ in chosen}:
        servers = [name for name in one.launchers if name != "plain"]
        for hazard in served:
            assert len([1 for place, _, name in chosen if (place, name) == (one, hazard)]) == bool(servers)


def test_a_check_makes_a_project_that_loads_and_keeps_its_name_where_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path))
    requested = check.requested_packages(["orjson==3.10.0", "made-up"])
    folder = check.write_project(requested, matrix.whole_folder)
    assert folder == check.write_project(requested, matrix.whole_folder)
    assert folder != check.write_project(requested[:1], matrix.whole_folder)
    project = Project.load(folder)
    names = ["made-up", "made-up.reloaded", "made-up.served", "orjson", "orjson.reloaded", "orjson.served"]
    assert sorted(project.scenarios) == names
    assert all(item.title and item.trials == 1 for item in project.scenarios.values())
    cells = selected(project, matrix.Request())
    served = [cell.axes["launcher"] for cell in cells if cell.axes["scenario"] == ("orjson.served",)]
    assert {name for names in served for name in names} == {"uwsgi", "gunicorn"}
    starts = json.loads((folder / "hazards.json").read_text())
    assert starts["malloc-debug"] == {
        "script": "use-exit",
        "env": {"PYTHONMALLOC": "debug"},
        "options": [],
        "inside": False,
    }


def test_a_source_tree_and_a_wheel_are_copied_into_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "pyproject.toml").write_text('[project]\nname = "My.Tree"\nversion = "1"\n')
    (tree / "src" / "a.c").write_text("int a;\n")
    wheel = tmp_path / "one-2.0-py3-none-any.whl"
    wheel.write_bytes(b"PK\5\6" + bytes(18))
    requested = check.requested_packages([str(tree), str(wheel)])
    assert [(item.name, item.distribution) for item in requested] == [("my-tree", "."), ("one", "one")]
    folder = check.write_project(requested, matrix.whole_folder)
    assert (folder / "sources" / "my-tree" / "src" / "a.c").read_text() == "int a;\n"
    project = Project.load(folder)
    code = project.scenarios["one"].code
    assert code is not None
    assert code.requires == (str(folder / "wheels" / wheel.name),)
    (tree / "src" / "a.c").write_text("int b;\n")
    assert folder != check.write_project(requested, matrix.whole_folder)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["no such thing!"], "is no requirement, no wheel file and no folder"),
        (["gone-1.0-py3-none-any.whl"], "there is no such wheel"),
        (["grpcio", "grpcio>=2"], "grpcio is named twice"),
        (["."], "no pyproject.toml and no setup.py"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_what_to_write(
    texts: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        check.requested_packages(texts)


def test_two_versions_of_a_package_are_requested_apart() -> None:
    names = [
        item.name for item in check.requested_packages(["grpcio==1.70.0", "grpcio==1.71.2", "grpcio==1.70.0"])
    ]
    assert names == ["grpcio-1.70.0", "grpcio-1.71.2"]


def _shared(cells: list[PlannedCell], most: int | None, jobs: int = 2) -> list[list[str]]:
    scenario = Scenario(
        name="tls-atexit", title="", story="", folder="", driver="d.py", timeout=1, trials=1,
        trials_per_container=most, probes=(),
    )  # fmt: skip
    found = groups(cells, {"tls-atexit": scenario}, Arch.X86_64, jobs)
    return [[item.cell.id for item in group] for group in found]


def test_cells_share_a_container_where_their_scenario_allows_it_and_they_differ_in_its_own_axes_alone() -> (
    None
):
    cells = [
        PlannedCell(cell=one, expectation=SURVIVES, trials=trials, timeout=30, image="1" * 64)
        for pair, own, trials in ((1, "a", 1), (1, "b", 1), (2, "a", 1), (1, "c", 2), (1, "d", 1))
        for one in [cell(pair, "plain", own=own)]
    ]
    names = [item.cell.id for item in cells]
    assert _shared(cells, 1) == [[name] for name in names]
    assert _shared(cells, 2) == [[names[3]], [names[0], names[1]], [names[4]], [names[2]]]
    crash = [item.model_copy(update={"expectation": CRASHES}) for item in cells]
    assert _shared(crash, 2) == [[name] for name in names]


def test_cells_share_a_container_unbidden_while_no_job_is_idle() -> None:
    def like(number: int, timeout: float = 10, launcher: str = "plain", **values: object) -> PlannedCell:
        told = {"expectation": SURVIVES, "trials": 1, "timeout": timeout, "image": "1" * 64, **values}
        return PlannedCell.model_validate({"cell": cell(1, launcher, own=str(number)), **told})

    def sizes(cells: list[PlannedCell], jobs: int) -> list[int]:
        return [len(group) for group in _shared(cells, None, jobs)]

    assert sizes([like(number) for number in range(40)], 2) == [16, 16, 8]
    assert sizes([like(number) for number in range(40)], 8) == [5] * 8
    assert sizes([like(number) for number in range(3)], 4) == [1, 1, 1]
    assert sizes([like(number, timeout=60) for number in range(20)], 2) == [5, 5, 5, 5]
    assert sizes([like(number, timeout=301) for number in range(2)], 1) == [1, 1]
    assert sizes([like(number, network=True) for number in range(2)], 1) == [1, 1]
    assert sizes([like(number, launcher="uwsgi") for number in range(2)], 1) == [1, 1]
    hangs = SURVIVES.model_copy(update={"kind": OutcomeKind.HANG, "status": None})
    assert sizes([like(number, expectation=hangs) for number in range(2)], 1) == [1, 1]
    assert [len(group) for group in _shared([like(0), like(1)], 1, 1)] == [1, 1]


SCRIPT = """\
import os
import sys

NAMES = ['one', 'two', 'three']

def use(names):
    for name in names:
        if name == 'two':
            print(name)
    return names

try:
    kept = use(NAMES)
finally:
    os.getpid()
"""


def _still(*needed: str) -> Callable[[Sequence[str]], int | None]:
    """Whether a script has all of these words, and can be compiled."""

    def still(texts: Sequence[str]) -> int | None:
        for text in texts:
            compile(text, "script.py", "exec")
        return next((place for place, text in enumerate(texts) if all(word in text for word in needed)), None)

    return still


def test_a_script_is_reduced_to_what_it_needs_and_stays_python() -> None:
    assert check.reduced(SCRIPT, _still("import sys"), 50) == "import sys\n"
    assert check.reduced(SCRIPT, _still("'two'", "NAMES ="), 50) == "NAMES = ['two']\n"
    assert check.reduced(SCRIPT, _still("print(name)"), 50).split("\n")[0] == "def use(names):"
    assert check.reduced(SCRIPT, _still("gone"), 50) == SCRIPT
    assert check.reduced(SCRIPT, _still("import sys"), 0) == SCRIPT
    assert check.statements(SCRIPT) == 11


@given(st.lists(st.sampled_from(["os", "sys", "'one'", "'three'", "def use", "kept", "getpid"]), unique=True))
def test_a_reduced_script_still_does_it_and_is_never_longer(needed: list[str]) -> None:
    found = check.reduced(SCRIPT, _still(*needed), 60)
    assert all(word in found for word in needed)
    assert check.statements(found) <= check.statements(SCRIPT)


def _checked() -> Checked:
    def one(
        hazard: str, environment: str, result: HazardResult, reason: str = "ended cleanly"
    ) -> CheckedCell:
        return CheckedCell(
            cell=f"made/{environment}+hazard={hazard}",
            hazard=hazard,
            environment=environment,
            result=result,
            reason=reason,
        )

    cells = (
        one("exit", "py3.11-glibc2.36-x86_64-plain", HazardResult.SAFE),
        one("fork", "py3.11-glibc2.36-x86_64-plain", HazardResult.CRASHES, "SIGSEGV in `f`\n<b>"),
        one("fork", "py3.13-glibc2.41-x86_64-plain", HazardResult.SAFE),
        one(
            "own-gil",
            "py3.13-glibc2.41-x86_64-plain",
            HazardResult.REFUSED,
            "ImportError: it does not support it",
        ),
    )
    made = CheckedPackage(
        name="made", distribution="made", versions=("1.0",), names=("made",), modules=2, extensions=1,
        cells=cells, excluded=("made 1.0 has wheels for cp311; none for CPython 3.15",),
    )  # fmt: skip
    other = made.model_copy(update={"name": "other", "versions": (), "cells": cells[:1], "excluded": ()})
    return Checked(run="20261130-000000-quick", packages=(made, other))


def test_several_packages_are_one_table_with_a_row_each_and_the_worst_of_a_hazard() -> None:
    said = check.markdown_table(_checked())
    rows = [line for line in said.splitlines() if line.startswith("|")]
    assert rows[0] == "| package | exit | fork | own-gil |"
    assert rows[2] == "| made 1.0 | safe | **crashes** 1/2 | refused |"
    assert rows[3] == "| other | safe |  |  |"
    assert "crashes: `SIGSEGV in 'f' <b>`" in said
    assert "left out: `made 1.0 has wheels for cp311; none for CPython 3.15`" in said


def test_a_package_of_which_nothing_was_learnt_ends_a_check_with_3_and_a_new_hit_with_1() -> None:
    found = _checked()
    assert exit_code(found, ["made/x"]) == 1
    assert exit_code(found, []) == 0
    blind = [cell.model_copy(update={"result": HazardResult.NO_IMPORT}) for cell in found.packages[1].cells]
    packages = (found.packages[0], found.packages[1].model_copy(update={"cells": tuple(blind)}))
    assert exit_code(found.model_copy(update={"packages": packages}), []) == 3


def _result(outcome_kind: OutcomeKind, **more: object) -> CellResult:
    item = cell(1, "plain", hazard="exit")
    planned = PlannedCell(cell=item, expectation=SURVIVES, trials=1, timeout=60, image="1" * 64)
    trial = quiet_trial(item)
    ended = trial.outcome.model_copy(update={"kind": outcome_kind, **more})
    judgement = Judgement(verdict=Verdict.FAIL, reason="as it ended")
    trial = trial.model_copy(update={"outcome": ended})
    return result_of(planned).model_copy(update={"trials": (trial,), "judgement": judgement})


@pytest.mark.parametrize(
    ("kind", "more", "tested"),
    [
        (OutcomeKind.EXIT, {"status": 0}, True),
        (OutcomeKind.EXIT, {"status": 1, "exception": "ValueError: of its own"}, True),
        (OutcomeKind.EXIT, {"status": 1, "exception": "ImportError: libGL.so.1"}, False),
        (OutcomeKind.EXIT, {"status": 1, "exception": "ModuleNotFoundError: No module named 'x'"}, False),
        (OutcomeKind.HANG, {}, False),
        (OutcomeKind.SIGNAL, {"signal": "SIGSEGV"}, True),
    ],
)
def test_where_the_import_fails_or_does_not_end_nothing_else_is_tested(
    kind: OutcomeKind, more: dict[str, object], tested: bool
) -> None:
    gate, first = ImportGate(), _result(kind, **more)
    later = cell(1, "uwsgi", hazard="fork").model_copy(update={"scenario": "tls-atexit.served"})
    assert gate.is_first(first.cell)
    assert not gate.is_first(later)
    closed = gate.closed(later, [first])
    assert (closed is None) == tested
    assert tested or closed == f"{check.UNIMPORTED}as it ended"
    assert gate.closed(later.model_copy(update={"python": "3.13"}), [first]) is None


@pytest.mark.parametrize(
    ("kind", "output", "shown"),
    [
        (OutcomeKind.EXIT, "", HazardResult.SAFE),
        (OutcomeKind.EXIT, "refused: ImportError: one interpreter a process\n", HazardResult.REFUSED),
        (OutcomeKind.EXIT, "crashes: the child of a fork, by SIGSEGV\n", HazardResult.CRASHES),
        (OutcomeKind.EXIT, "hangs: the child of a fork\n", HazardResult.HANGS),
        (OutcomeKind.HANG, "", HazardResult.HANGS),
        (OutcomeKind.OOM, "", HazardResult.FAILS),
        (OutcomeKind.SIGNAL, "refused: what it said before\n", HazardResult.CRASHES),
    ],
)
def test_what_a_script_says_of_its_children_counts_beside_its_own_end(
    kind: OutcomeKind, output: str, shown: HazardResult
) -> None:
    (trial,) = _result(kind, signal="SIGSEGV" if kind is OutcomeKind.SIGNAL else None).trials
    assert check.observed(trial, lambda _name: output)[0] is shown


@pytest.mark.parametrize("written", ["ImportError", "<class 'ImportError'>"])
def test_a_refusal_has_the_same_words_on_each_python(written: str) -> None:
    """As of orjson on CPython 3.13 and 3.12; a report lists equal refusals once."""
    said = f"refused: {written}: module orjson.orjson does not support loading in subinterpreters\n"
    assert refusal(said) == "ImportError: module orjson.orjson does not support loading in subinterpreters"
    assert refusal("refused: <class 'x") == "<class 'x"


def test_classes_that_a_script_made_objects_of_are_named_in_the_one_that_is_reduced() -> None:
    facts = {"names": ["one"], "modules": ["one"], "extensions": ["one._c"]}
    text = START.fill((BATTERY / "use-exit.py").read_text(), facts, str(BATTERY))
    traced = check.tracing(text)
    assert traced != text
    compile(traced, "script.py", "exec")
    said = "made: one Native\nother\nmade: one._c Core\nmade: one Native\nmade: not; a name\nmade: \n"
    assert check.made(said) == (("one", "Native"), ("one._c", "Core"))
    named = check.naming(text, check.made(said))
    assert "made = [sys.modules['one'].Native(), sys.modules['one._c'].Core()]" in named
    smallest = check.reduced(named, _still("_c'].Core()"), 60)
    assert "Native" not in smallest


def test_a_bug_report_says_what_where_and_how_and_keeps_what_a_program_said_from_being_markup() -> None:
    first = _result(OutcomeKind.SIGNAL, signal="SIGSEGV")
    hit = check.Hit(
        package="made", distribution="made", hazard=check.hazards()[0],
        result=HazardResult.CRASHES, signature="SIGSEGV f", reason="SIGSEGV in `f`\n<b>[x](y)",
        cells=("tls-atexit/py3.11-glibc2.36-x86_64-plain+hazard=exit",), hazards=("exit", "fork"),
        where='made crashes exactly where glibc < "2.43"', trials=5, again=4, script="import made\n",
        statements=(9, 1),
    )  # fmt: skip
    said = check.bug_report(hit, first, crash())
    title, *_ = said.splitlines()
    assert title == "# made: SIGSEGV in 'f' &lt;b>\\[x](y)"
    assert '- Where: `made crashes exactly where glibc < "2.43"`' in said
    assert "4 of 5 further trials" in said
    assert "~~~~~~~~~~~~python\nimport made\n~~~~~~~~~~~~" in said
    assert "(1 of 9 statements)" in said
    assert "\n#0 " in said
    assert "atexit_handler (" in said
    assert hit.hazard.source in said
    assert hit.file == "made-exit-py3.11-glibc2.36-x86_64-plain.md"


def test_a_hit_that_was_repeated_is_shown_with_its_trials_and_its_bug_report(tmp_path: Path) -> None:
    hit = check.Hit(
        package="made", distribution="made", hazard=check.hazards()[0], result=HazardResult.HANGS,
        signature=None, reason="waits", cells=("made/py3.11-glibc2.36-x86_64-plain+hazard=exit",),
        hazards=("exit",), where="everywhere",
    )  # fmt: skip

    def shown(hit: check.Hit) -> list[str]:
        out = io.StringIO()
        checking.show_hit(Console(file=out), tmp_path, hit)
        return out.getvalue().splitlines()

    report = f"    {tmp_path}/bugs/made-exit-py3.11-glibc2.36-x86_64-plain.md"
    assert shown(hit) == ["  made: exit: not repeated", report]
    assert shown(replace(hit, trials=5)) == ["  made: exit: again in 0 of 5 trials, not counted", report]
    reduced = replace(hit, trials=5, again=4, script="import made\n", statements=(9, 1))
    assert shown(reduced)[0] == ("  made: exit: again in 4 of 5 trials; script of 1 in place of 9 statements")


def test_what_was_not_asked_for_is_no_part_of_the_battery() -> None:
    assert {item.name for item in check.rows()} - {item.name for item in check.hazards()} == {
        "tests",
        "valgrind",
    }


def _tree(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_suite_is_the_folder_of_tests_with_its_settings_and_without_the_packages_source(
    tmp_path: Path,
) -> None:
    tree = _tree(
        tmp_path,
        {
            "PKG-INFO": "Metadata-Version: 2.1\nName: made\nProvides-Extra: dev\nProvides-Extra: test\n",
            "pyproject.toml": '[dependency-groups]\ntest = ["hypothesis>=6", {include-group = "x"}]\n',
            "made/__init__.py": "",
            "tests/test_it.py": "",
            "tests/data/table.csv": "1\n",
            "tests/__pycache__/test_it.pyc": "",
        },
    )
    (tree / "tests" / "link.txt").symlink_to("/etc/passwd")
    suite = check.suite_of(tree, "made", "1.0")
    assert suite is not None
    assert sorted(suite.files) == ["pyproject.toml", "tests/data/table.csv", "tests/test_it.py"]
    assert (suite.start, suite.version, suite.extra) == ("tests", "1.0", "test")
    assert suite.requires == ("hypothesis>=6",)


@pytest.mark.parametrize(
    ("files", "requires"),
    [
        (
            {"requirements-test.txt": "pytest-mock  # why\n-r other.txt\nnumpy>=1\n"},
            ("pytest-mock", "numpy>=1"),
        ),
        (
            {
                "pyproject.toml": '[project.optional-dependencies]\ntests = ["attrs", "x @ https://x.invalid/x.whl"]\n'
            },
            ("attrs",),
        ),
        ({"pyproject.toml": "this is no TOML"}, ()),
    ],
)
def test_what_the_tests_of_a_source_tree_require_is_read_from_it(
    files: Mapping[str, str], requires: tuple[str, ...], tmp_path: Path
) -> None:
    suite = check.suite_of(_tree(tmp_path, {"test/test_a.py": "", **files}), "made")
    assert suite is not None
    assert suite.requires == requires


def test_tests_that_lie_in_the_package_are_run_as_the_wheel_has_them(tmp_path: Path) -> None:
    suite = check.suite_of(_tree(tmp_path, {"src/my_made/tests/test_a.py": ""}), "my-made", "1")
    assert suite is not None
    assert (suite.start, suite.files) == ("my_made", {})
    assert check.suite_of(_tree(tmp_path / "none", {"tests/helper.py": ""}), "made", "1") is None


def test_a_suite_and_valgrind_are_scenarios_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    requested = check.requested_packages(["made"])
    suite = check.suite_of(_tree(tmp_path / "tree", {"tests/test_a.py": "x = 1\n"}), "made", "1.5")
    assert suite is not None
    extras = check.Extras(valgrind=True, suites={"made": suite})
    folder = check.write_project(requested, matrix.whole_folder, extras)
    assert folder != check.write_project(requested, matrix.whole_folder)
    project = Project.load(folder)
    assert sorted(project.scenarios) == [
        "made", "made.reloaded", "made.served", "made.tests", "made.valgrind"
    ]  # fmt: skip
    assert {check.base_name(name) for name in project.scenarios} == {"made"}
    code = project.scenarios["made.tests"].code
    assert code is not None
    assert code.requires == ("made==1.5", "pytest")
    assert sorted(item.name for item in code.files) == ["suite.py", "suites/made/tests/test_a.py"]
    assert project.scenarios["made.valgrind"].axes["instrument"] == ("valgrind",)


def _free_threaded(
    result: HazardResult, gil: str, again: int, *, twin: HazardResult | None = HazardResult.SAFE
) -> check.FreeThreaded:
    def one(hazard: str, python: str, shown: HazardResult, on: str | None = None) -> CheckedCell:
        place = f"py{python}-glibc2.41-x86_64-plain"
        return CheckedCell(
            cell=f"made/{place}+hazard={hazard}", hazard=hazard, environment=place, result=shown,
            reason="", gil=on,
        )  # fmt: skip

    cells = [one("exit", "3.13t", HazardResult.SAFE, gil), one("fork", "3.13t", result)]
    cells += [one("fork", "3.13", twin)] if twin else []
    made = CheckedPackage(
        name="made", distribution="made", versions=("1.0",), names=("made",), modules=1, extensions=1,
        cells=tuple(cells), excluded=(),
    )  # fmt: skip
    hit = check.Hit(
        package="made", distribution="made", hazard=check.hazards()[0],
        result=result, signature=None, reason="", cells=(cells[1].cell,), hazards=("fork",),
        where="", trials=5, again=again,
    )  # fmt: skip
    (found,) = check.free_threaded(made, [hit] if result.is_hit else [])
    return found


@pytest.mark.parametrize(
    ("result", "gil", "again", "kind"),
    [
        (HazardResult.SAFE, "off", 0, check.ThreadClass.COMPATIBLE),
        (HazardResult.SAFE, "on", 0, check.ThreadClass.FALLS_BACK),
        (HazardResult.CRASHES, "off", 5, check.ThreadClass.CRASHES),
        (HazardResult.HANGS, "off", 5, check.ThreadClass.DEADLOCKS),
        (HazardResult.CRASHES, "off", 2, check.ThreadClass.INTERMITTENT),
        (HazardResult.HANGS, "off", 0, check.ThreadClass.COMPATIBLE),
    ],
)
def test_a_package_on_a_free_threaded_interpreter_has_a_class(
    result: HazardResult, gil: str, again: int, kind: check.ThreadClass
) -> None:
    found = _free_threaded(result, gil, again)
    assert found.kind is kind
    assert (found.rate is not None) == bool(again)


def _import_ends_it(result: HazardResult, again: int) -> tuple[check.FreeThreaded, ...]:
    """A package whose import ends each free-threaded process, so that no cell tells whether the GIL is on."""
    places = ("py3.13t-glibc2.41-x86_64-plain", "py3.13-glibc2.41-x86_64-plain")
    cells = [
        CheckedCell(
            cell=f"made/{place}+hazard={hazard}", hazard=hazard, environment=place,
            result=result if place == places[0] else HazardResult.SAFE, reason="",
        )
        for hazard in ("exit", "fork") for place in places
    ]  # fmt: skip
    made = CheckedPackage(
        name="made", distribution="made", versions=("1.0",), names=("made",), modules=1, extensions=1,
        cells=tuple(cells), excluded=(),
    )  # fmt: skip
    bad = tuple(cell.cell for cell in cells if cell.result.is_hit)
    hit = check.Hit(
        package="made", distribution="made", hazard=check.hazards()[0], result=result, signature=None,
        reason="", cells=bad, hazards=("exit", "fork"), where="", trials=5, again=again,
    )  # fmt: skip
    return check.free_threaded(made, [hit])


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (HazardResult.CRASHES, check.ThreadClass.CRASHES),
        (HazardResult.HANGS, check.ThreadClass.DEADLOCKS),
    ],
)
def test_a_package_whose_import_ends_a_free_threaded_process_has_a_class(
    result: HazardResult, kind: check.ThreadClass
) -> None:
    (found,) = _import_ends_it(result, again=5)
    assert (found.kind, found.environment) == (kind, "py3.13t-glibc2.41-x86_64")
    assert (found.hazards, found.with_gil) == (("exit", "fork"), ())


def test_a_hang_that_never_came_again_gives_no_class_where_nothing_else_is_known() -> None:
    assert _import_ends_it(HazardResult.HANGS, again=0) == ()


def test_beside_a_free_threaded_cell_stands_what_the_same_cell_shows_with_the_gil() -> None:
    assert _free_threaded(HazardResult.CRASHES, "off", 5).with_gil == ()
    assert _free_threaded(HazardResult.CRASHES, "off", 5, twin=HazardResult.CRASHES).with_gil == ("fork",)
    assert _free_threaded(HazardResult.CRASHES, "off", 5, twin=None).with_gil is None


def test_an_archive_that_leads_outside_or_is_none_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "made-1.0.tar.gz"
    with tarfile.open(made, "w:gz") as stream:
        for name in ("made-1.0/tests/test_a.py", "../outside.py"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            stream.addfile(entry, io.BytesIO(b"pass"))
    (tmp_path / "into").mkdir()
    with pytest.raises(HostError, match="cannot be unpacked"):
        archive.unpack(made, tmp_path / "into")
    assert not (tmp_path / "outside.py").exists()
    made.write_bytes(b"no archive")
    with pytest.raises(HostError, match="cannot be unpacked"):
        archive.unpack(made, tmp_path / "into")


def test_the_newest_source_distribution_that_a_requirement_allows_is_fetched_and_its_digest_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with IndexServer(tmp_path / "index") as served:
        for version in ("1.0", "1.5", "2.0"):
            served.add_sdist("made", version, files={"tests/test_a.py": f"# {version}\n"})
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=True))
        (tmp_path / "into").mkdir()
        found = archive.newest("made<2", tmp_path, tmp_path / "into")
        assert found is not None
        assert found.version == "1.5"
        assert (found.folder / "tests" / "test_a.py").read_text() == "# 1.5\n"
        (kept,) = (tmp_path / "cache" / "sdists").iterdir()
        kept.write_bytes(b"damaged")
        (tmp_path / "again").mkdir()
        assert archive.newest("made<2", tmp_path, tmp_path / "again") is not None
        assert archive.newest("made>3", tmp_path, tmp_path / "again") is None
        with pytest.raises(InputError, match="no index has a package maed"):
            archive.newest("maed", tmp_path, tmp_path / "again")


def _asked(folder: Path, package: str, expression: str | None = None) -> str:
    """What a check of this package ends with before anything runs."""
    options = CheckOptions(
        packages=(package,), everywhere=False, expression=expression, reports=folder / "reports", jobs=1
    )
    with pytest.raises(InputError) as ended:
        run_battery(options, Lines(Console(file=io.StringIO())))
    assert not (folder / "reports").exists()
    return str(ended.value)


def test_a_check_of_what_is_not_there_ends_with_one_line_that_names_no_file_of_the_checks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with IndexServer(tmp_path / "index") as served:
        served.add_wheel("made", "1.0", "cp27-cp27mu-manylinux2010_x86_64")
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=True))
        typo, version, wheels, narrowed = (
            _asked(tmp_path, "maed"),
            _asked(tmp_path, "made==2.0"),
            _asked(tmp_path, "made"),
            _asked(tmp_path, "made", 'python == "3.11"'),
        )
    assert typo.startswith("there is no package 'maed' on ")
    assert "check its spelling" in typo
    assert version.startswith("there is no made ==2.0; there is 1.0")
    assert wheels.startswith("no cell is left: all ")
    assert "made 1.0 has wheels for cp27" in wheels
    assert wheels.endswith("; check another version, or add `--environments all`")
    assert narrowed.endswith("; change -k, or add `--environments all`")
    for said in (typo, version, wheels, narrowed):
        assert served.secret not in said
        assert str(tmp_path / "cache") not in said
        assert "\n" not in said


def test_a_check_of_no_environment_names_the_expression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    said = _asked(tmp_path, "made", 'python == "3.11" and glibc == "2.41"')
    assert said.startswith("no cell is left: ")
    assert said.endswith("; change -k, or add `--environments all`")


WAITS = """\
from __main__ import readers

for reader in readers:
    reader.join(20)
print([reader.is_alive() for reader in readers])
"""


def test_threads_that_read_the_environment_leave_a_long_import_the_processors(tmp_path: Path) -> None:
    """Where they do not, a large package hangs on a busy machine: its import gets too little time."""
    (tmp_path / "waits.py").write_text(WAITS)
    facts = {"names": ["waits"], "modules": ["waits"], "extensions": []}
    script = START.fill((BATTERY / "environ-read.py").read_text(), facts, str(BATTERY))
    (tmp_path / "script.py").write_text(script.replace("LONGEST = 15.0", "LONGEST = 0.1"))
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[False, False, False]\n", done.stderr
