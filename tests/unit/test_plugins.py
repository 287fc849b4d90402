"""The maps of docs/design.md, "To add": what each names is enough to plan, render and start something new."""

from pathlib import Path
from shutil import copy, copytree

import pytest

from orchestrator import images
from orchestrator.errors import InputError
from orchestrator.execute import TrialCommand
from orchestrator.instruments import INSTRUMENTS
from orchestrator.launchers import LAUNCHERS
from orchestrator.matrix import Request
from orchestrator.model import ImageSpec, PlannedCell
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project
from orchestrator.supervisor.targets import DRIVER, Target
from tests.plugins import pool, started
from tests.unit.supervised import Cell

ROOT = Path(__file__).parents[2]
SCENARIO = """\
schema: 1
title: A scenario
story: A test.
driver: driver.py
timeout: 20
axes: {{instrument: [none, started]}}
launcher_options: [{{when: 'launcher == "pool"', options: [{option}]}}]
probes: {{cpp: {{source: x.cpp, module: x}}, rust: {{source: x.rs, module: x}}}}
expect: [{{when: 'true', outcome: exit, status: clean, because: it must}}]
"""
APPLICATION = """\
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]
"""


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAUNCHERS, "pool", pool.LAUNCHER)
    monkeypatch.setitem(INSTRUMENTS, "started", started.INSTRUMENT)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project with the launcher in its matrix, and a scenario under the instrument."""
    root = tmp_path / "project"
    copytree(ROOT / "images", root / "images")
    folder = root / "scenarios" / "served"
    folder.mkdir(parents=True)
    (folder / "driver.py").write_text(APPLICATION)
    (folder / "scenario.yaml").write_text(SCENARIO.format(option="--quiet"))
    for name in ("x.cpp", "x.rs"):
        (folder / name).touch()
    matrix = root / copy(ROOT / "matrix.yaml", root)
    head, _, _ = matrix.read_text().partition("exclude:")
    lines = [line for line in head.splitlines() if not line.startswith(("  scenario:", "  launcher:"))]
    text = "\n".join(lines).replace("axes:", "axes:\n  scenario: [served]\n  launcher: [plain, pool]", 1)
    matrix.write_text(f"{text}\nprofiles: {{all: {{title: All, select: 'true'}}}}\ndefault_profile: all\n")
    return root


def plan(project: Path, **axes: str) -> tuple[dict[str, PlannedCell], dict[str, ImageSpec], dict[str, str]]:
    """The cells by id, the images by role, and why cells are excluded, on one glibc."""
    narrowed = {"glibc": "2.36", "arch": "x86_64", "python": "3.11", **axes}
    request = Request(axes={axis: (value,) for axis, value in narrowed.items()}, allow_empty=True)
    planned = make_plan(Project.load(project), request)
    return (
        {item.cell.id: item for item in planned.plan.cells},
        {spec.role: spec for spec in planned.specs},
        {item.cell.id: item.reason for item in planned.plan.each_excluded()},
    )


def test_a_launcher_is_planned_and_rendered_by_its_own_folder(project: Path) -> None:
    cells, specs, _ = plan(project, probe="cpp", instrument="none")
    cell = cells["served/py3.11-glibc2.36-x86_64-pool-cpp"]
    assert cell.expectation.status == pool.LAUNCHER.clean_status == 3
    assert cells["served/py3.11-glibc2.36-x86_64-plain-cpp"].expectation.status == 0
    assert cell.options == ("--quiet",)
    server, image = specs["pool-bookworm"], specs["cell-served-bookworm-pool-cpp"]
    assert server.parents == (specs["base-bookworm"].key,)
    assert "COPY server.py /opt/crashmatrix/bin/pool.py" in server.text
    assert f"COPY --from={server.tag} /opt/crashmatrix/ /opt/crashmatrix/" in image.text
    halves = {item.name for item in image.files if "launchers" in item.name and "__init__" not in item.name}
    assert halves == {"opt/supervisor/orchestrator/launchers/pool/container.py"}
    assert images.render(server, project / "out").is_dir()


def test_a_launchers_refusals_are_the_projects_errors(project: Path) -> None:
    _, _, excluded = plan(project, python="3.9", glibc="2.31", probe="cpp", instrument="none")
    assert excluded == {"served/py3.9-glibc2.31-x86_64-pool-cpp": "pool needs Python 3.10"}
    scenario = project / "scenarios" / "served" / "scenario.yaml"
    scenario.write_text(SCENARIO.format(option="--workers=2"))
    with pytest.raises(InputError, match=r"scenario\.yaml:7:\d+: --workers=2: pool has one worker"):
        Project.load(project)


def test_a_launchers_container_half_serves_a_request_and_its_worker_is_judged(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    (cell.root / "bin" / "pool.py").write_bytes((pool.LAUNCHER.folder / "server.py").read_bytes())
    cell.driver(APPLICATION)
    seen = cell.run("pool")
    assert (seen["kind"], seen["status"], seen["notes"]) == ("exit", 3, [])


def test_an_instrument_is_planned_by_its_own_module(project: Path) -> None:
    cells, _, excluded = plan(project, launcher="plain", probe="cpp")
    watched = cells["served/py3.11-glibc2.36-x86_64-plain-cpp+instrument=started"]
    assert (watched.timeout, watched.trials_per_container) == (40, 1)
    assert cells["served/py3.11-glibc2.36-x86_64-plain-cpp"].timeout == 20
    _, _, excluded = plan(project, launcher="plain", probe="rust", instrument="started")
    assert set(excluded.values()) == {"started knows no Rust"}
    command = TrialCommand(cell=watched.cell, target=Target(DRIVER, "driver.py"), timeout=40)
    assert command.environment()["STARTED_WORD"] == "it runs"


def test_an_instruments_command_and_parser_fit_each_other(tmp_path: Path, project: Path) -> None:
    cells, _, _ = plan(project, launcher="plain", probe="cpp", instrument="started")
    (watched,) = cells.values()
    command = TrialCommand(cell=watched.cell, target=Target(DRIVER, "driver.py"), timeout=40)
    (wrap,) = (word for word in command.single() if word.startswith("--wrap="))
    cell = Cell(tmp_path)
    cell.driver("print('started')")
    assert cell.start("plain", 20, wrap).communicate(timeout=30) == (b"started\n", b"")
    written = (cell.work / started.INSTRUMENT.path(None)).read_text()
    (finding,), note = started.INSTRUMENT.parse(written)
    assert (finding.kind, finding.count, finding.first, note) == ("started", 1, " python3", None)


def test_a_kind_of_target_is_an_entry_with_its_command(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    kinds = cell.root / "supervisor" / "orchestrator" / "supervisor" / "targets.py"
    with kinds.open("a") as file:
        file.write('\nCOMMANDS["shout"] = lambda target, path, options: ["python3", path, *options, "!"]\n')
    cell.driver("import sys; print(sys.argv[1:]); sys.exit(5)")
    stdout, _ = cell.start("plain", 20, "--option=loud", target="shout").communicate(timeout=30)
    assert (stdout, cell.exit["status"]) == (b"['loud', '!']\n", 5)
    _, stderr = cell.start("plain", 20, target="whisper").communicate(timeout=30)
    assert b"no kind of target is called 'whisper'" in stderr


def test_a_base_is_an_entry_of_the_catalogue(project: Path) -> None:
    catalogue = project / "images" / "catalogue.yaml"
    entry = (
        '  - {name: sid, glibc: "2.99", arches: [x86_64], debian: {suite: sid, packages: [python3]},\n'
        '     pythons: [{version: "3.15", toolchain: [gcc]}]}\n'
    )
    catalogue.write_text(catalogue.read_text().replace("bases:\n", f"bases:\n{entry}", 1))
    matrix = project / "matrix.yaml"
    matrix.write_text(matrix.read_text().replace('glibc: ["2.17"', 'glibc: ["2.99", "2.17"', 1))
    cells, specs, _ = plan(project, glibc="2.99", python="3.15", probe="cpp", instrument="none")
    assert set(cells) == {f"served/py3.15-glibc2.99-x86_64-{name}-cpp" for name in ("plain", "pool")}
    assert "--include=python3" in specs["base-sid"].text
    assert specs["pool-sid"].parents == (specs["base-sid"].key,)
