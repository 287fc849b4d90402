"""Scenarios of the user's own code: what their files say, and every mistake with its next step."""

import os
import sys
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.matrix import Request, load_matrix, select
from orchestrator.matrix.files import MAX_FILES
from orchestrator.model import (
    MATRIX_ARCHES,
    Arch,
    Catalogue,
    CopiedPython,
    ExcludedCells,
    InterpreterKind,
    OutcomeKind,
    Scenario,
    Selection,
)
from orchestrator.model.memory import memory_flag, memory_words
from orchestrator.supervisor.targets import COMMAND, DRIVER, PYTEST, SCRIPT, Target

LATEST = {"grpcio": "1.71.2", "my-package": "2.0"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with code in it, and a matrix.yaml that leaves all to the defaults."""
    root = tmp_path / "project"
    (root / "scenarios").mkdir(parents=True)
    (root / "matrix.yaml").write_text("schema: 1\n")
    for name in ("repro.py", "app.py", "setup.py"):
        (root / name).write_text("")
    return root


def write(project: Path, text: str, name: str = "scenarios/repro.yaml") -> Path:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text(f"schema: 1\n{text}\n")
    return project


def scenario(project: Path, text: str, name: str = "repro") -> Scenario:
    write(project, text)
    return load_matrix(
        project / "matrix.yaml", project / "scenarios", latest_of=LATEST.__getitem__
    ).scenarios[name]


def refused(project: Path, text: str) -> list[str]:
    """The lines of the error, without the project's folder; each has its next step."""
    with pytest.raises(InputError) as caught:
        scenario(project, text)
    lines = str(caught.value).replace(f"{project}/", "").replace(str(project), "PROJECT").splitlines()
    assert all("; " in line for line in lines)
    return lines


def files(found: Scenario) -> list[str]:
    assert found.code
    return [item.name for item in found.code.files]


@pytest.mark.parametrize(
    ("text", "target", "title", "timeout"),
    [
        ("script: repro.py", Target(SCRIPT, "repro.py"), "python3 repro.py", 60),
        (
            "script: repro.py\narguments: [-x, 'a b']",
            Target(SCRIPT, "repro.py", ("-x", "a b")),
            "python3 repro.py -x 'a b'",
            60,
        ),
        ("command: [celery, -A, app]", Target(COMMAND, "celery", ("-A", "app")), "celery -A app", 60),
        ("pytest: [tests/, -x]", Target(PYTEST, "", ("tests/", "-x")), "pytest tests/ -x", 600),
        ("pytest: []", Target(PYTEST, ""), "pytest ", 600),
        ("driver: app.py\nnetwork: true", Target(DRIVER, "app.py"), "app.py", 60),
        ("script: repro.py\ntitle: Mine\ntimeout: 7", Target(SCRIPT, "repro.py"), "Mine", 7),
    ],
)
def test_what_is_started(project: Path, text: str, target: Target, title: str, timeout: float) -> None:
    found = scenario(project, text)
    assert found.target("none") == target
    assert (found.title, found.timeout, found.probes, found.story) == (title, timeout, (), "")


@pytest.mark.parametrize(
    ("text", "size", "words", "flag"),
    [
        ("", 1 << 30, "1 GiB", "1g"),
        ("memory: 4GiB", 4 << 30, "4 GiB", "4g"),
        ("memory: 1536 MiB", 1536 << 20, "1536 MiB", "1536m"),
        ("memory: 2048MiB", 2 << 30, "2 GiB", "2g"),
        ("memory: 64MiB", 64 << 20, "64 MiB", "64m"),
        ("memory: 1024GiB", 1 << 40, "1024 GiB", "1024g"),
    ],
)
def test_the_memory_of_a_container(project: Path, text: str, size: int, words: str, flag: str) -> None:
    assert scenario(project, f"script: repro.py\n{text}").memory == size
    assert (memory_words(size), memory_flag(size)) == (words, flag)


def test_a_driver_without_probes_needs_nothing_else(project: Path) -> None:
    found = scenario(project, "driver: app.py")
    assert (found.code, found.target("none")) == (None, Target(DRIVER, "app.py"))


def test_a_driver_with_packages_brings_its_own_file_and_those_that_are_named(project: Path) -> None:
    found = scenario(project, "driver: app.py\nrequires: [flask]\nfiles: [repro.py]")
    assert files(found) == ["repro.py", "app.py"]
    assert files(scenario(project, "driver: app.py\nrequires: [flask]")) == ["app.py"]


MISTAKES = {
    "script: missing.py": "2:9: script: there is no file 'missing.py'; correct its name",
    "script: ../x.py": "2:9: script: '../x.py' must be a path inside the scenario's folder; correct it",
    "script: -x.py": "2:9: script: python3 would read '-x.py' as an option; write ./-x.py",
    'script: "a\\nb.py"': "2:9: script: 'a\\nb.py' has a control character, or more than 4096 "
    "characters; correct it",
    "wsgi: app": "2:7: wsgi: 'app' names no application; write module:object, for example app:application",
    "command: celery": "2:10: command: this is one value, not a list; write [celery]",
    "script: repro.py\ncommand: [x]": "3:10: a scenario starts one thing, and there is 'script' "
    "already; remove one, or write two scenarios",
    "title: x": "1:1: the scenario starts nothing; add one of driver, script, command, pytest, wsgi",
    "command: [x]\narguments: [a]": "3:12: `arguments` are those of a script; write them behind "
    "the program in `command`",
    "scrpt: repro.py": "2:8: unknown key 'scrpt'; did you mean 'script'?",
    "script: repro.py\nenv: {A-B: x}": "3:12: env.A-B.[key]: 'A-B' cannot name an environment "
    "variable; use letters, digits and _",
    "script: repro.py\nenv: {PATH: x}": "3:13: env.PATH.[key]: PATH is set by crashmatrix; choose "
    "another name, or name a program by its path",
    "script: repro.py\nenv: {CRASHMATRIX_CELL: x}": "3:25: env.CRASHMATRIX_CELL.[key]: CRASHMATRIX_CELL "
    "is set by crashmatrix; choose another name, or name a program by its path",
    "script: repro.py\nenv: {A: 1}": '3:10: env.A: 1 is a number to YAML, not a string; write "1" in quotes',
    "script: repro.py\nmemory: 4GB": "3:9: memory: '4GB' is not a size of memory; write 4GiB",
    "script: repro.py\nmemory: 512m": "3:9: memory: '512m' is not a size of memory; write 512MiB",
    "script: repro.py\nmemory: 512M": "3:9: memory: '512M' is not a size of memory; write 512MiB",
    "script: repro.py\nmemory: 4": "3:9: memory: '4' is not a size of memory; write 4GiB",
    "script: repro.py\nmemory: [4GiB]": "3:9: memory: \"['4GiB']\" is not a size of memory; write 4GiB",
    "script: repro.py\nmemory: 32MiB": "3:9: memory: 32MiB is not between 64 MiB and 1024 GiB; "
    "write for example 4GiB",
    "script: repro.py\nmemory: 1025GiB": "3:9: memory: 1025GiB is not between 64 MiB and 1024 GiB; "
    "write for example 4GiB",
    "script: repro.py\nfiles: [data]": "3:9: 'data' cannot be read: No such file or directory; correct it",
    "script: repro.py\nfiles: [../x]": "3:9: files.0: '../x' must be a path inside the scenario's "
    "folder; correct it",
    "script: repro.py\nsource: ..": "3:9: '..' leads out of the folder; copy what it means into PROJECT",
    "script: repro.py\nsource: scenarios": "3:9: source: 'scenarios' has no pyproject.toml and no "
    "setup.py; name the folder of a package that pip can build",
    "script: repro.py\npackages: {grpcio: []}": "3:20: package 'grpcio' has no versions; list at least one",
    "script: repro.py\npackages: {grpcio: [1.70]}": "3:21: packages.grpcio.0: 1.70 is a number to "
    'YAML, not a string; write "1.70" in quotes',
    'script: repro.py\npackages: {grpcio: ["1.70", "1.70.0"]}': "3:29: grpcio: '1.70' and "
    "'1.70.0' are the same version; remove one",
    'script: repro.py\npackages: {grpcio: [">=1.70"]}': "3:21: grpcio: '>=1.70' is not a version; "
    "list versions, one by one",
    'script: repro.py\npackages: {"grpcio[x]": ["1.70"]}': "3:25: 'grpcio[x]' is not the name of "
    "a package; write it as an index does, without extras: those go to `requires`",
    'script: repro.py\npackages: {python: ["1.70"]}': "3:20: the package 'python' cannot be an "
    "axis: its name means something else in expressions; name one version of it under `requires`",
    'script: repro.py\npackages: {A.B: ["1"], a-b: ["1"]}': "3:29: there is an axis 'a_b' "
    "already; leave one of the two out",
    "script: repro.py\nrequires: [flask >> 3]": "3:12: 'flask >> 3' is not a requirement: "
    "Expected semicolon (after name with no version specifier) or end; write for example flask>=3.0",
    "script: repro.py\nrequires: [./wheels/x.whl]": "3:12: 'wheels/x.whl' cannot be read: "
    "No such file or directory; correct it",
    "script: repro.py\nrequires: [../x.whl]": "3:12: '../x.whl' leads out of the folder; copy what it means "
    "into PROJECT",
    "script: repro.py\nrequires: flask": "3:11: requires: there is no file 'flask'; write "
    "['flask'] for a package",
    "script: repro.py\nrequires: none.txt": "3:11: 'none.txt' cannot be read: No such file or "
    "directory; correct it",
    "script: repro.py\nexpect: [{when: 'true', outcome: signal, signal: SIGSEGV}]": "3:10: an "
    "expected crash must say why it comes; add `because`, in one sentence",
    "command: [x]\nlauncher_options: [{when: 'grpcio > \"1\"', options: [a]}]": "3:28: "
    "unknown axis 'grpcio'; known: arch, glibc, launcher, probe, python, scenario",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_line_with_its_place_and_the_next_step(project: Path, text: str) -> None:
    assert refused(project, text) == [f"scenarios/repro.yaml:{MISTAKES[text]}"]


def test_all_mistakes_of_a_file_are_told_at_once(project: Path) -> None:
    text = "script: missing.py\nrequires: [a b, -e .]\npackages: {grpcio: [x]}\nenv: {A-B: c}"
    assert [line.split(":")[1] for line in refused(project, text)] == ["2", "3", "3", "4", "5"]


def test_a_scenario_has_one_file_with_one_ending_and_a_name_that_ids_can_have(project: Path) -> None:
    write(project, "script: repro.py")
    write(project, "script: repro.py", "scenarios/repro/scenario.yaml")
    write(project, "script: repro.py", "scenarios/a b.yaml")
    assert refused(project, "script: repro.py") == [
        "scenarios: 'a b' cannot name a scenario; rename it: letters, digits, '.', '_' and '-', 64 at most"
    ]
    (project / "scenarios" / "a b.yaml").rename(project / "scenarios" / "a.yml")
    assert refused(project, "script: repro.py") == [
        "scenarios/a.yml: a scenario's file ends in .yaml; rename it to a.yaml"
    ]
    (project / "scenarios" / "a.yml").unlink()
    (said,) = refused(project, "script: repro.py")
    assert said.startswith("scenarios/repro.yaml: scenario 'repro' has two files, this one and ")


def test_a_project_without_scenarios_says_how_to_make_one(project: Path) -> None:
    with pytest.raises(InputError, match="there is no scenario; create one with `crashmatrix init`"):
        load_matrix(project / "matrix.yaml", project / "scenarios")


def test_a_folders_paths_are_relative_to_it_and_may_name_the_projects_requirements(project: Path) -> None:
    (project / "requirements.txt").write_text("flask\n")
    (project / "scenarios" / "inner").mkdir()
    (project / "scenarios" / "inner" / "main.py").write_text("")
    write(
        project,
        "script: main.py\nrequires: ../../requirements.txt\nsource: ../..",
        "scenarios/inner/scenario.yaml",
    )
    found = load_matrix(project / "matrix.yaml", project / "scenarios").scenarios["inner"]
    assert found.code
    assert (files(found), found.code.requires, found.code.source) == (["main.py"], ("flask",), str(project))


# Files


def fill(project: Path, *names: str) -> None:
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")


def test_the_whole_folder_is_taken_but_for_what_is_no_source(project: Path) -> None:
    kept = [
        "a b/é 'q\".txt",
        "pkg/build/kept.py",
        "pkg/reports/kept.py",
        "data/empty.bin",
        "pkg/scenarios/x.yaml",
    ]
    left = [
        ".git/config", "pkg/__pycache__/x.pyc", "pkg/old.pyc", "build/x", "dist/x", "x.egg-info/PKG-INFO",
        "web/node_modules/x", "reports/r/x", "scenarios/x.txt", ".crashmatrix/schema/x", "env/pyvenv.cfg",
        "env/bin/x",
        "target/CACHEDIR.TAG", "target/x",
        ".mypy_cache/x",
    ]  # fmt: skip
    fill(project, *kept, *left)
    assert sorted(files(scenario(project, "script: repro.py"))) == sorted(
        [*kept, "app.py", "repro.py", "setup.py"]
    )
    named = scenario(project, 'script: repro.py\nfiles: ["a b", .git/config, target]')
    assert files(named) == [kept[0], ".git/config", "target/CACHEDIR.TAG", "target/x", "repro.py"]


def test_the_log_that_this_program_writes_is_no_source(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(project, "run.log", "app.log")
    with (project / "run.log").open("a") as log:
        monkeypatch.setattr(sys, "stdout", log)
        written = files(scenario(project, "script: repro.py"))
    monkeypatch.undo()
    other = files(scenario(project, "script: repro.py"))
    assert set(other) - set(written) == {"run.log"}
    assert "app.log" in written


def test_a_link_is_what_it_leads_to_and_never_leads_out(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    fill(project, "data/x.txt")
    (project / "link.txt").symlink_to("data/x.txt")
    (project / "linked").symlink_to("data")
    found = scenario(project, "script: repro.py")
    assert {"link.txt", "linked/x.txt"} <= set(files(found))
    assert found.code
    assert {item.path for item in found.code.files if "link" in item.name} == {
        str(project / "data" / "x.txt")
    }
    for target in (tmp_path / "secret", Path("../secret"), tmp_path):
        (project / "out").symlink_to(target)
        assert refused(project, "script: repro.py") == [
            "scenarios/repro.yaml:1:1: 'out' leads out of the folder; remove it, or name the files "
            "that are needed by `files:`"
        ]
        assert "leads out" in refused(project, "script: repro.py\nfiles: [out]")[0]
        assert files(scenario(project, "script: repro.py\nfiles: [data]")) == ["data/x.txt", "repro.py"]
        (project / "out").unlink()
    (project / "data" / "round").symlink_to("..")
    assert "is a link to a folder that it lies in" in refused(project, "script: repro.py")[0]
    (project / "data" / "round").unlink()
    (project / "loop").symlink_to("loop")
    assert "'loop' cannot be read" in refused(project, "script: repro.py")[0]


@pytest.mark.parametrize("name", [b"\xff.py", b"a\\b", b"a\nb"])
def test_a_name_that_no_image_can_hold_is_refused(project: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(project) + b"/" + name))).write_text("")
    assert refused(project, "script: repro.py")[0].endswith("; rename the file")


def test_what_is_no_file_is_refused_and_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "pipe")
    assert refused(project, "script: repro.py") == [
        "scenarios/repro.yaml:1:1: 'pipe' cannot be read: it is neither a file nor a folder; remove it, or "
        "name the files that are needed by `files:`"
    ]
    os.mkfifo(project / "pipe.txt")
    said = refused(project, "script: repro.py\nfiles: [repro.py]\nrequires: pipe.txt")
    assert said == [
        "scenarios/repro.yaml:4:11: 'pipe.txt' cannot be read: it is not a regular file; correct it"
    ]


def test_too_many_bytes_and_files_are_refused_with_the_key_that_helps(project: Path) -> None:
    said = (
        "scenarios/repro.yaml:1:1: the scenario has more than 20,000 files or 200 MB; "
        "name those that are needed by `files:`"
    )
    with (project / "big").open("wb") as file:
        file.truncate(201 << 20)
    assert refused(project, "script: repro.py") == [said]
    (project / "big").unlink()
    (project / "many").mkdir()
    for number in range(MAX_FILES):
        (project / "many" / str(number)).touch()
    assert refused(project, "script: repro.py") == [said]


# Packages, launchers, the default expectation


def chosen(project: Path, catalogue: Catalogue, text: str, request: Request | None = None) -> Selection:
    write(project, text)
    matrix = load_matrix(project / "matrix.yaml", project / "scenarios", latest_of=LATEST.__getitem__)
    return select(matrix, catalogue, request or Request())


def ids(selection: Selection) -> list[str]:
    blocks = [ExcludedCells(axes=dict(item.axes), reason="") for item in selection.cells]
    return sorted(each.cell.id for block in blocks for each in block.each())


def test_packages_are_axes_in_the_order_of_their_versions(project: Path, catalogue: Catalogue) -> None:
    versions = '["1.10.0", latest, "1.9", "1.71.2", "1.71.2rc1"]'
    text = f"script: repro.py\npackages: {{grpcio: {versions}, My.Package: [latest]}}"
    found = scenario(project, text)
    assert found.axes == {"grpcio": ("1.9", "1.10.0", "1.71.2rc1", "1.71.2"), "my_package": ("2.0",)}
    assert found.code
    assert [(item.axis, item.distribution) for item in found.code.packages] == [
        ("grpcio", "grpcio"),
        ("my_package", "my-package"),
    ]
    request = Request(axes={"python": ("3.11",)}, expression='grpcio < "1.71.2" and my_package == "2"')
    assert ids(chosen(project, catalogue, text, request)) == [
        f"repro/py3.11-glibc2.36-x86_64-plain+grpcio={version}+my_package=2.0"
        for version in ("1.10.0", "1.71.2rc1", "1.9")
    ]
    request = Request(axes={"python": ("3.11",), "grpcio": ("1.10", "1.71.2-rc.1")})
    assert [name.partition("-plain")[2] for name in ids(chosen(project, catalogue, text, request))] == [
        "+grpcio=1.10.0+my_package=2.0",
        "+grpcio=1.71.2rc1+my_package=2.0",
    ]
    request = Request(axes={"grpcio": ("1.7",)})
    with pytest.raises(InputError, match=r"there is no grpcio '1.7' in .*; did you mean '1.9'\?"):
        chosen(project, catalogue, text, request)


def test_the_latest_of_a_package_is_asked_for_where_its_file_says_so(project: Path) -> None:
    write(project, "script: repro.py\npackages: {grpcio: [latest]}")
    with pytest.raises(
        InputError, match=r":3:21: no index is asked for the latest grpcio; write its version"
    ):
        load_matrix(project / "matrix.yaml", project / "scenarios")


def test_a_project_that_says_nothing_asks_what_needs_no_compiler(project: Path, catalogue: Catalogue) -> None:
    selection = chosen(project, catalogue, "script: repro.py")
    assert (selection.profile, ids(selection)) == (
        "quick",
        ["repro/py3.11-glibc2.36-x86_64-plain", "repro/py3.9-glibc2.31-x86_64-plain"],
    )
    (one, *_) = selection.cells
    expectation = one.terms.expectation
    assert (expectation.kind, expectation.status, expectation.is_default) == (OutcomeKind.EXIT, 0, True)


def test_an_unpacked_interpreter_is_ready_on_the_newest_glibc_that_it_runs_on(
    project: Path, catalogue: Catalogue
) -> None:
    def interpreter(kind: InterpreterKind, version: str, lowest: str | None = None) -> CopiedPython:
        return CopiedPython.model_validate(
            {
                "kind": kind,
                "version": version,
                "arches": (Arch.X86_64,),
                "source": "x",
                "lowest_glibc": lowest,
            }
        )

    interpreters = (
        interpreter(InterpreterKind.ARCHIVE, "3.12.1"),
        interpreter(InterpreterKind.ARCHIVE, "3.9.9"),
        interpreter(InterpreterKind.PORTABLE, "3.13.5"),
        interpreter(InterpreterKind.ARCHIVE, "3.14.3", "2.40"),
    )
    known = catalogue.model_copy(update={"interpreters": interpreters})
    quick = ids(chosen(project, known, "script: repro.py"))
    assert quick == [
        f"repro/py{python}-glibc{glibc}-x86_64-plain"
        for python, glibc in (("3.11", "2.36"), ("3.12", "2.36"), ("3.9", "2.31"), ("3.9", "2.36"))
    ]
    assert len(ids(chosen(project, known, "script: repro.py", Request(profile="full")))) == 7
    (project / "matrix.yaml").write_text('schema: 1\naxes: {glibc: ["2.31"]}\n')
    assert "repro/py3.12-glibc2.31-x86_64-plain" in ids(chosen(project, known, "script: repro.py"))


def test_a_wheel_of_the_project_is_required_by_its_path(project: Path) -> None:
    name = "own-1.0-py3-none-any.whl"
    (project / "wheels").mkdir()
    (project / "wheels" / name).write_text("")
    (project / "needs.txt").write_text(f"wheels/{name}\n")
    wheel = str((project / "wheels" / name).resolve())
    for text in (f"requires: [wheels/{name}]", f"requires: [./wheels/{name}]", "requires: needs.txt"):
        code = scenario(project, f"script: repro.py\n{text}").code
        assert code
        assert code.requires == (wheel,)
    code = scenario(project, f"pytest: []\nrequires: [wheels/{name}]").code
    assert code
    assert code.requires == (wheel, "pytest")
    own = "pytest-9.0.1-py3-none-any.whl"
    (project / "wheels" / own).write_text("")
    pinned = ("pytest==9.0.1 --hash=sha256:" + "ab" * 32, f"wheels/{own}")
    for text in pinned:
        code = scenario(project, f"pytest: []\nrequires: ['{text}']").code
        assert code
        assert len(code.requires) == 1
    (project / "wheels" / "own.whl").write_text("")
    (project / "linked").symlink_to("wheels")
    for text, said in (
        (
            "wheels/own.whl",
            "3:12: Invalid wheel filename (wrong number of parts): 'own'; give the wheel the name",
        ),
        (f"linked/{name}", f"3:12: 'linked/{name}' is reached by a link; name the file that it leads to"),
    ):
        (line,) = refused(project, f"script: repro.py\nrequires: [{text}]")
        assert line.startswith(f"scenarios/repro.yaml:{said}")


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_no_profile_emulates_unasked_and_a_flag_asks_the_other_architecture(
    project: Path, catalogue: Catalogue, profile: str
) -> None:
    both = tuple(base.model_copy(update={"arches": MATRIX_ARCHES}) for base in catalogue.bases)
    for host, other in ((Arch.X86_64, Arch.ARM64), (Arch.ARM64, Arch.X86_64)):
        known = catalogue.model_copy(update={"bases": both, "host": host})
        found = ids(chosen(project, known, "script: repro.py", Request(profile=profile)))
        assert found
        assert all(f"-{host}-" in name for name in found)
        asked = Request(profile=profile, axes={"arch": (str(other),)})
        assert [
            name.replace(other, host) for name in ids(chosen(project, known, "script: repro.py", asked))
        ] == found
    (project / "matrix.yaml").write_text("schema: 1\naxes: {arch: [x86_64]}\n")
    assert ids(chosen(project, known, "script: repro.py", Request(profile=profile)))
    (project / "matrix.yaml").write_text("schema: 1\nprofiles: {own: {axes: {arch: [host]}}}\n")
    own = ids(chosen(project, known, "script: repro.py", Request(profile="own")))
    assert all("-arm64-" in name for name in own)


def test_an_applications_first_answer_compiles_no_server_for_an_unpacked_interpreter(
    project: Path, catalogue: Catalogue
) -> None:
    archive = CopiedPython(kind=InterpreterKind.ARCHIVE, version="3.12.1", arches=(Arch.X86_64,), source="x")
    known = catalogue.model_copy(update={"interpreters": (archive,)})
    assert [
        name.removeprefix("repro/") for name in ids(chosen(project, known, "wsgi: app:create_app()"))
    ] == [
        "py3.11-glibc2.36-x86_64-gunicorn",
        "py3.11-glibc2.36-x86_64-uwsgi",
        "py3.12-glibc2.36-x86_64-gunicorn",
        "py3.9-glibc2.31-x86_64-gunicorn",
        "py3.9-glibc2.31-x86_64-uwsgi",
    ]


@pytest.mark.parametrize(
    ("text", "launchers"),
    [
        ("script: repro.py", {"plain"}),
        ("command: [x]", {"plain"}),
        ("pytest: []", {"plain"}),
        ("wsgi: a:b", {"uwsgi", "gunicorn"}),
    ],
)
def test_code_has_the_launchers_that_start_it(
    project: Path, catalogue: Catalogue, text: str, launchers: set[str]
) -> None:
    selection = chosen(project, catalogue, text, Request(profile="full"))
    assert {launcher for item in selection.cells for launcher in item.axes["launcher"]} == launchers
    assert {launcher for item in selection.excluded for launcher in item.axes["launcher"]} <= launchers


def test_a_matrix_without_a_launcher_for_the_code_is_a_mistake(project: Path) -> None:
    (project / "matrix.yaml").write_text("schema: 1\naxes: {launcher: [uwsgi]}\n")
    assert refused(project, "script: repro.py") == [
        "scenarios/repro.yaml:2:9: no launcher of the matrix starts `script`; add plain to its axis launcher"
    ]


def test_rules_hold_where_they_match_and_the_default_elsewhere(project: Path, catalogue: Catalogue) -> None:
    text = "script: repro.py\nexpect: [{when: 'python == \"3.9\"', outcome: exit, status: 4}]"
    selection = chosen(project, catalogue, text)
    found = {item.axes["python"]: item.terms.expectation for item in selection.cells}
    assert {python: (item.status, item.is_default, item.because) for python, item in found.items()} == {
        ("3.9",): (4, False, ""),
        ("3.11",): (0, True, "the scenario states nothing else for this cell"),
    }
    twice = text[:-1] + ", {when: 'true', outcome: hang}]"
    with pytest.raises(InputError, match="several rules match"):
        chosen(project, catalogue, twice)


def test_own_axes_and_profiles_come_before_the_defaults(project: Path, catalogue: Catalogue) -> None:
    (project / "matrix.yaml").write_text(
        'schema: 1\naxes: {python: ["3.11"], level: ["1", "2"]}\n'
        "profiles: {quick: {select: 'level < \"2\"'}}\n"
    )
    assert ids(chosen(project, catalogue, "script: repro.py")) == [
        "repro/py3.11-glibc2.36-x86_64-plain+level=1"
    ]
    assert len(ids(chosen(project, catalogue, "script: repro.py", Request(profile="full")))) == 2


def test_a_scenario_without_probes_stands_beside_one_with(project: Path, catalogue: Catalogue) -> None:
    fill(project, "scenarios/native/probe.cpp", "scenarios/native/driver.py")
    write(
        project,
        "driver: driver.py\nprobes: {cpp: {source: probe.cpp, module: probe}}",
        "scenarios/native/scenario.yaml",
    )
    request = Request(axes={"python": ("3.11",), "launcher": ("plain",)})
    found = chosen(project, catalogue, "script: repro.py", request)
    assert ids(found) == ["native/py3.11-glibc2.36-x86_64-plain-cpp", "repro/py3.11-glibc2.36-x86_64-plain"]
    assert not [
        item for item in found.excluded if "native" in item.axes["scenario"] and "rust" in item.axes["probe"]
    ]
    request = Request(axes={"python": ("3.11",), "probe": ("none",)})
    assert ids(chosen(project, catalogue, "script: repro.py", request)) == [
        "repro/py3.11-glibc2.36-x86_64-plain"
    ]


@pytest.mark.parametrize(
    ("text", "requires"),
    [
        ("pytest: []", ("pytest",)),
        ("pytest: []\nrequires: [PyTest<9, numpy]", ("PyTest<9", "numpy")),
        ("pytest: []\npackages: {pytest: ['8.3.5', '9.0.0']}", ()),
        ("script: repro.py", ()),
    ],
)
def test_pytest_is_among_the_requirements_of_tests(
    project: Path, text: str, requires: tuple[str, ...]
) -> None:
    code = scenario(project, text).code
    assert code is not None
    assert code.requires == requires
