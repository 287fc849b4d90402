"""`crashmatrix init`: what it writes, what it refuses, and that nothing of the user's is overwritten."""

import json
import re
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestrator.adapters import yamlfile
from orchestrator.cli import main
from orchestrator.pipeline.projects import Project

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = ("script", "flask", "extension")
"""The users' projects of tests/data, in the order of the README's lines."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, which is the current one."""
    home = tmp_path / "home"
    (home / "tests").mkdir(parents=True)
    for name in ("repro.py", "app.py", "setup.py", "größe 'x\".py", "no\nway.py"):
        (home / name).write_text("")
    (home / "requirements.txt").write_text("flask==3.1.0\npytest-xdist\n")
    (home / "dist").mkdir()
    (home / "dist" / "mine-1.0-py3-none-any.whl").write_text("")
    (home / "with-pytest.txt").write_text("# ours\n  pytest >= 8\n")
    (home / "wrong.txt").write_text("flask\n\n  numpy=>2\n")
    (home / "nested.txt").write_text("-r wrong.txt\n")
    (home / "latin.txt").write_bytes(b"flask\n# \xfc\n")
    (tmp_path / "outside.py").touch()
    monkeypatch.chdir(home)
    return home


def written(folder: Path, name: str) -> dict[str, object]:
    content = yaml.safe_load((folder / "scenarios" / f"{name}.yaml").read_text("utf-8"))
    assert content.pop("schema") == 1
    return dict(content)


@pytest.mark.parametrize(
    ("flags", "name", "wanted"),
    [
        (
            "--script repro.py --package grpcio==1.70.0,1.71.2 --package grpcio==latest --package x",
            "repro",
            {"script": "repro.py", "packages": {"grpcio": ["1.70.0", "1.71.2", "latest"], "x": ["latest"]}},
        ),
        (
            "--wsgi app:application -r requirements.txt",
            "app",
            {"wsgi": "app:application", "requires": "requirements.txt"},
        ),
        (
            "--pytest tests/ --source .",
            "tests",
            {"pytest": ["tests/"], "source": ".", "requires": ["pytest"]},
        ),
        (
            "--pytest -r requirements.txt --require pytest<9",
            "tests",
            {"pytest": [], "requires": ["-r requirements.txt", "pytest<9"]},
        ),
        (
            "--pytest tests -r requirements.txt",
            "tests",
            {"pytest": ["tests"], "requires": ["-r requirements.txt", "pytest"]},
        ),
        (
            "--script repro.py --require ./dist/mine-1.0-py3-none-any.whl",
            "repro",
            {"script": "repro.py", "requires": ["dist/mine-1.0-py3-none-any.whl"]},
        ),
        ("--pytest -r with-pytest.txt", "tests", {"pytest": [], "requires": "with-pytest.txt"}),
        ("--pytest --package PyTest==8.0", "tests", {"pytest": [], "packages": {"PyTest": ["8.0"]}}),
        (
            "--pytest tests/a.py::test_b --name slow.1 --arguments -x -k a",
            "slow.1",
            None,
        ),
        (
            "--require celery --command celery -A app worker",
            "celery",
            {"command": ["celery", "-A", "app", "worker"], "requires": ["celery"]},
        ),
        (
            "--script repro.py --arguments --count 3",
            "repro",
            {"script": "repro.py", "arguments": ["--count", "3"]},
        ),
    ],
)
def test_each_way_is_a_scenario(
    folder: Path, flags: str, name: str, wanted: dict[str, object] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tests" / "a.py").touch()
    assert main(["init", *flags.split()]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"wrote matrix.yaml and scenarios/{name}.yaml"
    assert said[1].startswith("next: `crashmatrix run`")
    if wanted is None:
        wanted = {"pytest": ["tests/a.py::test_b", "-x", "-k", "a"], "requires": ["pytest"]}
    assert written(folder, name) == wanted


def test_editors_find_a_schema_beside_each_file(folder: Path) -> None:
    assert main(["init", "--script", "repro.py"]) == 0
    for file in (folder / "matrix.yaml", folder / "scenarios" / "repro.yaml"):
        comment, _, path = file.read_text().partition("\n")[0].partition("$schema=")
        assert comment == "# yaml-language-server: "
        assert json.loads((file.parent / path).read_text())["properties"]["schema"]


@pytest.mark.parametrize("name", ["größe 'x\".py", "- a: b.py", "#.py", "@x {{y}} %z.py", "yes", "1.70"])
def test_names_of_any_kind_are_quoted(folder: Path, name: str) -> None:
    (folder / name).write_text("")
    assert main(["init", "--script", name, "--name", "x", "--arguments", name, "-a", ""]) == 0
    script = f"./{name}" if name.startswith("-") else name
    assert written(folder, "x") == {"script": script, "arguments": [name, "-a", ""]}


def test_a_second_scenario_leaves_the_matrix_as_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--script", "repro.py"]) == 0
    (folder / "matrix.yaml").write_text(LISTING)
    capsys.readouterr()
    assert main(["init", "--script", "app.py"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "wrote scenarios/app.yaml",
        "add app to the axis `scenario` of matrix.yaml, which lists its scenarios",
    ]
    assert (folder / "matrix.yaml").read_text() == LISTING


LISTING = """\
schema: 1
axes: {scenario: [repro], python: ["3.11"], glibc: ["2.36"], arch: [x86_64], launcher: [plain], probe: [cpp]}
profiles: {all: {}}
default_profile: all
"""


@pytest.mark.parametrize("taken", ["scenarios/repro.yaml", "scenarios/repro/scenario.yaml"])
def test_nothing_is_overwritten(folder: Path, taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / taken).parent.mkdir(parents=True)
    (folder / taken).write_text("mine")
    assert main(["init", "--script", "repro.py"]) == 2
    said = capsys.readouterr().err
    assert "exists already; edit it, remove it, or give the new one another --name" in said
    assert (folder / taken).read_text() == "mine"
    assert not (folder / "matrix.yaml").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--script", "none.py"], "none.py: it does not exist; name a script in the project's folder"),
        (["--script", "tests"], "tests: this is not a file; name a script"),
        (["--script", "../outside.py"], "../outside.py: this lies outside the project's folder"),
        (["--script", "tests/../../outside.py"], "this lies outside the project's folder"),
        (["--script", "/dev/null"], "/dev/null: this lies outside the project's folder"),
        (["--script", "no\nway.py"], "script: 'no\\nway.py' has a control character"),
        (["--script", "repro.py", "--arguments", "\x1b[2J"], "has a control character"),
        (["--pytest", "test"], "test: it does not exist"),
        (["--wsgi", "app"], "--wsgi 'app' is not MODULE:OBJECT; write for example app:application"),
        (["--wsgi", "app.py:app lication"], "is not MODULE:OBJECT"),
        (["--wsgi", "../app:x"], "is not MODULE:OBJECT"),
        (["--command"], "--command names no program"),
        (["--script", "repro.py", "--name", "../x"], "'../x' cannot name a scenario; give --name"),
        (["--script", "repro.py", "--name", "a'b"], "cannot name a scenario"),
        (["--script", "repro.py", "--package", "a b==1"], "'a b' names no package"),
        (["--script", "repro.py", "--package", "../a==1"], "'../a' names no package"),
        (["--script", "repro.py", "--package", "x>=1"], "other conditions go to --require"),
        (["--script", "repro.py", "--package", "x==1.0,"], "'' is no version"),
        (["--script", "repro.py", "--package", "x==1.0;rm"], "'1.0;rm' is no version"),
        (["--script", "repro.py", "--require", "x=1"], "--require 'x=1' is no requirement"),
        (
            ["--script", "repro.py", "--require", "dist/no.whl"],
            "dist/no.whl: it does not exist",
        ),
        (["--script", "repro.py", "-r", "none.txt"], "none.txt: it does not exist"),
        (
            ["--script", "repro.py", "-r", "wrong.txt"],
            "wrong.txt:3:8: 'numpy=>2' is not a requirement: Expected semicolon",
        ),
        (["--script", "repro.py", "-r", "nested.txt"], "wrong.txt:3:8: 'numpy=>2' is not a requirement"),
        (["--pytest", "-r", "wrong.txt"], "wrong.txt:3:8: 'numpy=>2' is not a requirement"),
        (["--script", "repro.py", "-r", "latin.txt"], "latin.txt:2: the file is not UTF-8 text"),
        (
            ["--script", "repro.py", "--require", "x @ git+https://user:secret@host/x"],
            "requires: x is to be had by git+https; name an https address",
        ),
        (["--script", "repro.py", "--source", "tests"], "tests: --source: no pyproject.toml and no setup.py"),
        (["--wsgi", "app:x", "--arguments", "-x"], "--arguments: wsgi takes no arguments"),
        (["--script", "repro.py", "--project", "none"], "none: the folder does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    folder: Path, flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not (folder / "matrix.yaml").exists()
    assert not (folder / ".crashmatrix").exists()


def test_each_wrong_line_of_a_requirements_file_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "wrong.txt").write_text("-e .\nflask\nx==1;y\n")
    assert main(["init", "--script", "repro.py", "-r", "wrong.txt"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "wrong.txt:1:1: the option -e is not supported; name the package's folder by `source:`" in first
    assert "wrong.txt:3:6: 'x==1;y' is not a requirement" in second
    assert not (folder / "matrix.yaml").exists()


def test_a_matrix_of_another_program_is_refused_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "matrix.yaml").write_text("include: [{os: ubuntu}]\n")
    assert main(["init", "--script", "repro.py"]) == 2
    assert "matrix.yaml:1:1" in capsys.readouterr().err
    assert not (folder / "scenarios").exists()


@pytest.mark.parametrize(
    "value", ["1.70", "yes", "a, b", "[x", "'", '"', "ü", "a: b", "", "null", "# x", "a\nb"]
)
def test_a_value_is_read_as_it_was_written(value: str) -> None:
    line = f"key: {yamlfile.flow((value, 'x'))}"
    assert "\n" not in line
    assert yaml.safe_load(line) == {"key": [value, "x"]}
    assert yaml.safe_load(f"key: {yamlfile.flow(value)}") == {"key": value}


def init_lines() -> list[str]:
    """The lines of the README that begin a project, up to the run."""
    return re.findall(
        r"^crashmatrix (init .*?) && crashmatrix run", (ROOT / "README.md").read_text(), re.MULTILINE
    )


@pytest.mark.parametrize(
    ("line", "project"),
    list(zip(init_lines(), PROJECTS, strict=True)),
)
def test_each_line_of_the_readme_is_a_project_that_loads(
    line: str, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(ROOT / "tests" / "data" / "projects" / project, tmp_path / project)
    monkeypatch.chdir(folder)
    assert main(shlex.split(line)) == 0
    loaded = Project.load(Path())
    (scenario,) = loaded.scenarios.values()
    assert scenario.code


TEXTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\\u2028\u2029"),
    min_size=1,
    max_size=30,
)


@given(script=TEXTS, arguments=st.lists(TEXTS, max_size=3), extra=st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_init_writes_loads_and_means_the_same(script: str, arguments: list[str], extra: bool) -> None:
    assume(len(script.encode()) < 200 and script not in (".", ".."))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / script).write_text("")
        needs = ["--require", "numpy >= 2", "--package", "grpcio==1.71,1.70.0"] if extra else []
        flags = ["init", "--project", place, f"--script={folder / script}", "--name", "x", *needs]
        assert main([*flags, "--arguments", *arguments]) == 0
        code = Project.load(folder).scenarios["x"].code
    assert code is not None
    assert (code.file.removeprefix("./"), code.arguments) == (script, tuple(arguments))
    assert code.requires == (("numpy>=2",) if extra else ())
    assert [axis.versions for axis in code.packages] == ([("1.70.0", "1.71")] if extra else [])


def test_runs_are_not_committed_by_accident(folder: Path) -> None:
    assert main(["init", "--script", "repro.py"]) == 0
    assert (folder / "reports" / ".gitignore").read_text().splitlines()[-1] == "*"
