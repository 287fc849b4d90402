"""Projects of others: no link, folder, pipe or template in one reaches the host's files or never ends."""

import os
from pathlib import Path
from shutil import copytree

import pytest

from orchestrator.cli import main
from orchestrator.errors import EXIT_INPUT, EXIT_OK, InputError
from orchestrator.images.templates import fill
from tests.unit.conftest import SCENARIO

ROOT = Path(__file__).parents[2]
SECRET = "secret: of this host"
MATRIX = """\
schema: 1
axes:
  scenario: [tls-atexit]
  python: ["3.11", "3.13.15"]
  glibc: ["2.36"]
  arch: [x86_64]
  launcher: [plain, uwsgi]
  probe: [cpp, rust]
profiles:
  all: {}
default_profile: all
"""
STORY = "scenarios/tls-atexit"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with its own images/ and one scenario, beside a file of the host's."""
    folder = tmp_path / "project"
    copytree(ROOT / "images", folder / "images")
    for name in ("driver.py", "cpp/probe.cpp", "rust/probe.rs"):
        (folder / STORY / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / STORY / name).write_text(f"# {name}\n")
    sources = SCENARIO.replace("probe.cpp", "cpp/probe.cpp").replace("probe.rs", "rust/probe.rs")
    (folder / STORY / "scenario.yaml").write_text(sources)
    (folder / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/secret").write_text(SECRET)
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    return folder


def planned(project: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit code and the errors of a plan, which never shows what the host's file says."""
    status = main(["--project", str(project), "plan", "--json", "--offline"])
    out, err = capsys.readouterr()
    assert SECRET not in out + err
    return status, err.splitlines()


def test_the_project_itself_is_planned(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(project, capsys) == (EXIT_OK, [])


NAMED = [
    f"{STORY}/driver.py",
    f"{STORY}/cpp/probe.cpp",
    f"{STORY}/scenario.yaml",
    "matrix.yaml",
    "images/catalogue.yaml",
    "images/lock.yaml",
    "images/Dockerfile.cell.j2",
    "images/stage.j2",
    "images/python/check.py",
]


@pytest.mark.parametrize("target", ["/etc/passwd", "{up}secret"])
@pytest.mark.parametrize("name", NAMED)
def test_a_link_out_of_the_project_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, target: str
) -> None:
    file = project / name
    file.unlink()
    file.symlink_to(target.format(up="../" * (name.count("/") + 1)))
    status, said = planned(project, capsys)
    assert status == EXIT_INPUT
    assert len(said) == 1
    assert name in said[0]
    assert "leads out of the folder" in said[0]


@pytest.mark.parametrize("name", NAMED)
def test_a_pipe_is_refused_and_not_waited_for(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    file = project / name
    file.unlink()
    os.mkfifo(file)
    status, said = planned(project, capsys)
    assert status == EXIT_INPUT
    assert len(said) == 1
    assert name in said[0]


@pytest.mark.parametrize("name", ["scenarios", STORY, f"{STORY}/cpp", "images"])
def test_a_folder_that_is_a_link_out_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = project / name
    elsewhere = project.parent / "moved"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    status, said = planned(project, capsys)
    assert status == EXIT_INPUT
    assert len(said) == 1
    assert "leads out of the folder" in said[0]


def test_links_inside_the_project_are_followed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "shared").mkdir()
    for name in (f"{STORY}/driver.py", f"{STORY}/cpp/probe.cpp"):
        file = project / name
        moved = file.rename(project / "shared" / file.name)
        file.symlink_to(os.path.relpath(moved, file.parent))
    assert planned(project, capsys) == (EXIT_OK, [])


def test_links_beside_a_probe_are_left_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / STORY / "cpp/notes").symlink_to("/etc/passwd")
    (project / STORY / "cpp/folder").symlink_to(project.parent / "elsewhere")
    os.mkfifo(project / STORY / "cpp/pipe")
    assert planned(project, capsys) == (EXIT_OK, [])


def test_a_file_of_the_catalogue_lies_in_the_project(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue, lock = project / "images/catalogue.yaml", project / "images/lock.yaml"
    pin = f"- {{name: own, version: '1.0', filename: f, sha256: {'ab' * 32}}}\n"
    lock.write_text(lock.read_text().replace("downloads:\n", f"downloads:\n{pin}", 1))
    entry = '  - {name: own, version: "1.0", source: file, path: PLACE}\n'
    for place in ("../../secret", "link"):
        text = catalogue.read_text()
        (project / "images/link").unlink(missing_ok=True)
        (project / "images/link").symlink_to("../../secret")
        catalogue.write_text(text.replace("downloads:\n", f"downloads:\n{entry.replace('PLACE', place)}", 1))
        status, said = planned(project, capsys)
        catalogue.write_text(text)
        assert status == EXIT_INPUT
        assert len(said) == 1
        assert "leads out of the folder" in said[0]


ENDLESS = {
    "a loop in a loop": "{% for a in x.split() %}{% for b in x.split() %}{{ b }}{% endfor %}{% endfor %}",
    "a macro that calls itself twice": (
        "{% macro f(x) %}x{% if x != 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}{{ f(x ~ 'a') }}{{ f(x ~ 'a') }}"
        "{% endif %}{% endmacro %}{{ f('a') }}"
    ),
    "a macro that calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a text that doubles": "{% macro f(x, n) %}{{ f(x ~ x) }}{% endmacro %}{{ f('aa') }}",
    "a file that includes itself": '{% include "D.j2" %}',
    "a file that imports itself": '{% import "D.j2" as a %}',
    "a loop over a range": "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "a large number": "{{ 9 ** 9 ** 9 }}",
    "a long text": "{{ 'a' * 10000000000 }}",
    "parentheses": "{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}",
    "many ifs": "{% if x %}" * 1500 + "{% endif %}" * 1500,
    "an assignment": "{% set a = x %}",
    "a filter": "{{ x | replace('a', 'aa') }}",
    "Python's objects": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "a format": "{{ '{0.__class__}'.format(x) }}",
    "a large file": "a" * 100_000,
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_template_has_no_way_to_run_long_or_to_reach_python(tmp_path: Path, what: str) -> None:
    (tmp_path / "D.j2").write_text(ENDLESS[what])
    with pytest.raises(InputError) as caught:
        fill((tmp_path,), "D.j2", {"x": "a " * 500 + "a"}, tmp_path)
    assert "D.j2" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "/etc/x", ".", "..", "", "a\\nb", "a\\0b", "\\x1b[2J", "x" * 65, "a b"]
)
def test_a_profile_s_name_becomes_part_of_a_folder_and_is_checked(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    text = MATRIX.replace("  all: {}", f'  all: {{}}\n  "{name}": {{}}')
    (project / "matrix.yaml").write_text(text)
    status, said = planned(project, capsys)
    assert status == EXIT_INPUT
    assert len(said) == 1
    assert "matrix.yaml:11:" in said[0]
    assert "cannot name a profile" in said[0]
