"""The command line without an engine: help, schemas, and that every exit code has one meaning."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.adapters import process
from orchestrator.cli import flags, help_text, main
from orchestrator.cli.options import build_parser
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.cli.subcommand import VERBS_OF
from orchestrator.host import Capability, State
from orchestrator.model import STANDARD_AXES
from orchestrator.names import SHELLS

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    "init",
    "plan",
    "render",
    "build",
    "run",
    "check",
    "bisect",
    "report",
    "repro",
    "shell",
    "diff",
    "merge",
    "night",
    "analyze",
    "doctor",
    "setup",
    "worker",
    "images",
    "schema",
    "completion",
]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_committed_schema_is_what_the_models_say(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0
    committed = ROOT / "docs" / "schema" / f"{name}.json"
    assert capsys.readouterr().out == committed.read_text(), f"`crashmatrix schema {name}` > {committed}"


LIBRARIES = (
    *("capstone", "docker", "jinja2", "junit_xml", "pydantic", "requests", "rich", "shtab", "tenacity"),
    "yaml",
    "dask",
    "distributed",
)
STATIONS = ("cores", "crash", "execute", "explain", "host", "images", "matrix", "model", "report", "verdict")
LISTING = {"images", "matrix", "model", "pydantic", "yaml"}
PLANNING = LISTING | {"jinja2"}
READING = {"capstone", "cores", "crash", "model", "pydantic"}
PRINT_IMPORTED = f"""
import atexit, sys
heavy = {LIBRARIES!r} + tuple(map("orchestrator.{{}}".format, {STATIONS!r}))
atexit.register(lambda: print(*(name for name in heavy if name in sys.modules), file=sys.stderr))
from orchestrator.cli import main
sys.exit(main(sys.argv[1:]))
"""


def imported_by(*arguments: str) -> set[str]:
    """The stations, and the libraries that are slow to import, that a command has imported at its end."""
    command = [sys.executable, "-c", PRINT_IMPORTED, *arguments]
    done = process.run(command, hint="", cwd=ROOT, check=False)
    return {name.removeprefix("orchestrator.") for name in done.stderr.decode().splitlines()[-1].split()}


@pytest.mark.parametrize(
    ("arguments", "uses"),
    [
        ("--version", set()),
        ("--help", set()),
        ("analyze --help", set()),
        ("plan --offline --json", PLANNING),
        ("plan --offline", LISTING),
        ("run --offline --list", LISTING),
        ("render --help", set()),
        ("init --help", set()),
        ("init --script none.py", {"rich"}),
        ("diff latest no-such-run", {"model", "pydantic", "rich"}),
        ("analyze tests/data/cores/plain.core.zst --backend elf --json", READING),
        ("schema crash", {"model", "pydantic"}),
        ("completion bash", {"shtab"}),
    ],
)
def test_a_command_imports_only_what_it_uses(arguments: str, uses: set[str]) -> None:
    assert imported_by(*arguments.split()) == uses


PRINT_UNUSED = """
import atexit, sys
unused = "importlib.metadata", "secrets", "orchestrator.images.exchange", "orchestrator.images.make"
atexit.register(lambda: print(*(name for name in unused if name in sys.modules)))
"""


@pytest.mark.parametrize(
    "uses",
    [
        "from orchestrator.adapters import yamlfile; from orchestrator.pipeline import projects; "
        "from pathlib import Path; projects.Project.load(Path('.'), offline=True)",
        "import docker; from orchestrator.pipeline import run",
    ],
    ids=["the project's files", "a run"],
)
def test_what_libraries_and_builds_need_is_not_imported_before_it_is_used(uses: str) -> None:
    """Before the first container starts, nothing of it is used where the images are there."""
    done = process.run(
        [sys.executable, "-c", f"{PRINT_UNUSED}\nimport orchestrator\n{uses}"], hint="", cwd=ROOT
    )
    assert done.stdout.decode().split() == []


def _taken(parser: argparse.ArgumentParser) -> list[tuple[object, ...]]:
    """Flags, defaults, choices and places of each argument of a parser and of its commands."""
    found: list[tuple[object, ...]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found += [(name, *argument) for argument in _taken(command)]
        else:
            found.append((action.dest, *action.option_strings, str(action.default), action.nargs))
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_own_parser_takes_what_the_whole_one_takes(name: str) -> None:
    whole = _taken(build_parser())
    own = _taken(build_parser([name, "--profile", "smoke"]))
    of_program = [argument for argument in whole if argument[0] not in COMMANDS]
    assert own == [*of_program, *(argument for argument in whole if argument[0] == name)]


@pytest.mark.parametrize("words", [[], ["--project", "plan"], ["plans"], ["--help"]])
def test_where_no_command_comes_first_the_parser_has_all(words: list[str]) -> None:
    assert _taken(build_parser(words)) == _taken(build_parser())


def test_the_doctor_imports_no_station_but_its_own() -> None:
    imported = imported_by("doctor", "--json")
    assert imported & {*STATIONS} == {"host", "model"}
    assert not imported & {"jinja2", "rich", "requests" if "docker" not in imported else ""}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: crashmatrix {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_starts_with_what_people_need_and_fits_a_screen(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, *(["lock"] if command == "images" else []), "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    examples = [line for line in lines[:8] if line.startswith("  ")]
    assert 1 <= len(examples) <= 3
    assert f"crashmatrix {command}" in " ".join(examples)


@pytest.mark.parametrize("command", sorted(help_text.EVERYDAY))
def test_the_whole_help_has_the_flags_that_the_short_one_leaves_out(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said, words = [], [*VERBS_OF.get(command, ()), command]
    for flag in ("--help", "--help-all"):
        with pytest.raises(SystemExit) as ended:
            main([*words, flag])
        assert ended.value.code == 0
        said.append(capsys.readouterr().out)
    short, whole = said
    assert f"crashmatrix {' '.join(words)} --help-all explains every flag." in short
    left_out = {"--project"} if command in ("init", "run", "plan") else set()
    assert left_out <= set(re.findall(r"--[\w-]+", whole)) - set(re.findall(r"--[\w-]+", short))
    shown = [
        flag for flag in help_text.EVERYDAY[command] if not re.search(rf"^  {flag}\b", short, re.MULTILINE)
    ]
    assert shown == []


def test_the_help_of_run_names_every_flag_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help-all"])
    said = capsys.readouterr().out
    axes = ["--arch", "--python", "--glibc", "--launcher", "--probe", "--scenario"]
    selection = ["-k", "--profile", "--shard", "--list", "--json"]
    running = ["--jobs", "--resume", "--rerun", "--fail-fast", "--timeout"]
    assert [flag for flag in axes + selection + running if flag not in said] == []


def test_the_design_page_names_every_command() -> None:
    found = re.search(r"Command line: `crashmatrix ([^`]+)`", (ROOT / "docs" / "design.md").read_text())
    assert found
    assert sorted(name.partition(" ")[0] for name in found[1].split("|")) == sorted(COMMANDS)


def test_every_standard_axis_has_a_flag() -> None:
    assert sorted(flags.AXIS_HELP) == sorted(STANDARD_AXES)


def test_every_error_ends_with_two_or_three() -> None:
    kinds = [item for item in vars(errors).values() if isinstance(item, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.CrashmatrixError)}
    assert codes == {errors.EXIT_INPUT, errors.EXIT_HOST}
    assert len({errors.EXIT_OK, errors.EXIT_FAILED, errors.EXIT_INPUT, errors.EXIT_HOST}) == 4


WORDS = {
    "as expected": errors.EXIT_OK,
    "failed": errors.EXIT_FAILED,
    "input is wrong": errors.EXIT_INPUT,
    "engine failed": errors.EXIT_HOST,
}


@pytest.mark.parametrize(
    "page", ["README.md", "docs/design.md", "docs/your-code.md", "orchestrator/errors.py"]
)
def test_every_page_with_the_exit_codes_says_those_of_the_program(page: str) -> None:
    said = re.search(r"Exit codes[^:]*: (0 .*?)\.", (ROOT / page).read_text(), re.DOTALL)
    assert said
    meanings = dict(re.findall(r"\b([0-9]) ([^0-9]+?)[,;]?(?=\s[0-9]\s|$)", said[1]))
    assert sorted(meanings) == [str(code) for code in sorted(WORDS.values())]
    assert [
        words for words, code in WORDS.items() if words not in " ".join(meanings[str(code)].split())
    ] == []


def test_the_design_page_names_the_keys_and_states_of_the_doctor_s_json() -> None:
    page = (ROOT / "docs" / "design.md").read_text()
    said = re.search(r"`doctor --json`: a list of objects with (.*?)\. `state` is (.*?)\.", page, re.DOTALL)
    assert said
    assert re.findall(r"`(\w+)`", said[1]) == list(Capability.model_fields)
    assert re.findall(r"`(\w+)`", said[2]) == list(State)


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


def test_a_project_is_the_nearest_folder_upwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "tests" / "unit")
    assert main(["plan"]) == 0
    assert "12 cells run" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "--project", str(ROOT)]) == 0
    assert "12 cells run" in capsys.readouterr().out
    assert main(["plan"]) == 2
    assert "neither this folder nor one above it has a matrix.yaml; make one" in capsys.readouterr().err
    assert main(["report"]) == 2
    assert "there is no earlier run" in capsys.readouterr().err


def test_the_catalogue_that_travels_is_not_locked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--project", str(tmp_path), "images", "lock"]) == 2
    assert "copy catalogue.yaml and lock.yaml from" in capsys.readouterr().err


def test_a_plan_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--project", str(ROOT), "plan", "--profile", "full", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    reasons = {item["reason"] for item in plan["excluded"]}
    assert "CPython 3.15 for x86_64 only as forky's own binary" in reasons
    assert set(plan["cells"]["images"]) <= {image["key"] for image in plan["images"]}
    assert len(plan["cells"]["rows"]) > 1000


def completed(*words: str) -> set[str]:
    """What bash offers for the last of the words of a command line."""
    script = process.run([sys.executable, "-m", "orchestrator", "completion", "bash"], hint="", cwd=ROOT).text
    ask = '\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_crashmatrix; printf "%s\\n" "${COMPREPLY[@]}"'
    asked = ["bash", "-c", f"{script}{ask}", "bash", "crashmatrix", *words]
    return set(process.run(asked, hint="", cwd=ROOT).text.split())


def test_bash_completes_commands_flags_and_files() -> None:
    assert completed("re") == {"render", "report", "repro"}
    assert completed("run", "--re") == {"--registry", "--reports", "--resume", "--rerun"}
    assert completed("init", "--script", "noxf") == {"noxfile.py"}
    assert completed("init", "--source", "nox") == set()
    assert completed("analyze", "--backend", "g") == {"gdb"}


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "--profile" in capsys.readouterr().out


def test_a_shell_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shell", "a/cell"]) == errors.EXIT_INPUT
    assert "a shell needs a terminal; " in capsys.readouterr().err


def test_plugins_of_pydantic_that_are_installed_beside_it_do_not_run(tmp_path: Path) -> None:
    """A plugin is code of another package, which pydantic finds in the metadata of all distributions."""
    metadata = tmp_path / "other-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[pydantic]\nother = other_plugin:plugin\n")
    (tmp_path / "other_plugin.py").write_text("raise SystemExit('the plugin ran')\n")
    command = [sys.executable, "-m", "orchestrator", "plan", "--profile", "smoke", "--offline", "--list"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    listed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "tls-atexit/" in listed.stdout
