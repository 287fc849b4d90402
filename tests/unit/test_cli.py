"""The command line without an engine: help, schemas, and that every exit code has one meaning."""

import json
import sys
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.adapters import process
from orchestrator.cli import main, options
from orchestrator.cli.commands import SCHEMAS

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ["plan", "render", "build", "run", "report", "diff", "merge", "doctor", "setup", "schema"]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_committed_schema_is_what_the_models_say(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0
    committed = ROOT / "docs" / "schema" / f"{name}.json"
    assert capsys.readouterr().out == committed.read_text(), f"`crashmatrix schema {name}` > {committed}"


def test_every_schema_can_be_asked_for() -> None:
    assert list(options.SCHEMAS) == sorted(SCHEMAS)


def test_reading_a_core_starts_without_the_other_commands() -> None:
    started = "import sys, orchestrator.cli, orchestrator.cli.analyze as command; command.analyze_core; "
    heavy = (
        "jinja2",
        "rich.console",
        "orchestrator.report",
        "orchestrator.images",
        "orchestrator.cli.commands",
    )
    code = f"{started} print([name for name in {heavy!r} if name in sys.modules])"
    done = process.run([sys.executable, "-c", code], hint="", cwd=ROOT)
    assert done.text.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: crashmatrix {command}" in capsys.readouterr().out


def test_the_help_of_run_names_every_flag_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = capsys.readouterr().out
    axes = ["--arch", "--python", "--glibc", "--launcher", "--probe", "--scenario"]
    selection = ["-k", "--profile", "--shard", "--list", "--json"]
    running = ["--jobs", "--resume", "--rerun", "--fail-fast", "--timeout"]
    assert [flag for flag in axes + selection + running if flag not in said] == []


def test_every_error_ends_with_two_or_three() -> None:
    kinds = [item for item in vars(errors).values() if isinstance(item, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.CrashmatrixError)}
    assert codes == {errors.EXIT_INPUT, errors.EXIT_HOST}
    assert len({errors.EXIT_OK, errors.EXIT_FAILED, errors.EXIT_INPUT, errors.EXIT_HOST}) == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--jobs", "0"], "is not a number from 1"),
        (["run", "--timeout", "-1"], "is not a time"),
        (["run", "--glibc", "2.31,,2.36"], "has an empty value"),
        (["run", "--axis", "NAME"], "is not NAME=VALUE"),
        (["run", "--glib", "2.31"], "unrecognized arguments"),
        (["run", "--resume", "--rerun", "failed"], "not allowed with argument"),
    ],
)
def test_a_wrong_flag_is_exit_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ("--resume", "x", "-k", "true"),
        ("--resume", "x", "--trials", "9"),
        ("--rerun", "failed", "--glibc", "2.31"),
    ],
)
def test_a_flag_that_would_do_nothing_is_refused(
    flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--project", str(ROOT), "run", *flags]) == 2
    assert f"{flags[2]} would do nothing; leave out {flags[2]}" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["--project", str(ROOT), "render", "--out", str(tmp_path / "file" / "x")]) == 3
    said = capsys.readouterr().err
    assert "Not a directory" in said
    assert "Traceback" not in said


def test_a_project_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--project", str(tmp_path / "none"), "plan"]) == 2
    assert "the project's folder does not exist" in capsys.readouterr().err
    assert main(["--project", str(tmp_path), "plan"]) == 2
    assert "matrix.yaml: the file does not exist" in capsys.readouterr().err


def test_a_plan_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--project", str(ROOT), "plan", "--profile", "full", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    reasons = {item["reason"] for item in plan["excluded"]}
    assert "CPython 3.15 for x86_64 only as forky's own binary" in reasons
    assert set(plan["cells"]["images"]) <= {image["key"] for image in plan["images"]}
    assert len(plan["cells"]["rows"]) > 1000
