"""Mistakes in matrix.yaml and scenario.yaml: all at once, each with its place and what to write instead."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.adapters.suggest import nearest
from orchestrator.cli import main
from orchestrator.errors import EXIT_INPUT, MOST_LINES, ErrorList, InputError, Location
from orchestrator.matrix import ARCH_ALIASES, Request, load_matrix, select
from orchestrator.model import Catalogue
from tests.unit.conftest import MATRIX, SCENARIO

ALIASES: Mapping[str, Mapping[str, str]] = {**ARCH_ALIASES, "glibc": {"bookworm": "2.36", "old": "2.31"}}
FILES = {"matrix.yaml": MATRIX, "scenarios/tls-atexit/scenario.yaml": SCENARIO}


def mistakes(project: Path, edits: Mapping[str, tuple[str, str]]) -> list[str]:
    """The lines of the error that the files have with these replacements, without the project's folder."""
    texts = dict(FILES)
    for old, new in edits.values():
        (name,) = (name for name, text in texts.items() if text.count(old) == 1)
        texts[name] = texts[name].replace(old, new)
    for name, text in texts.items():
        (project / name).write_text(text)
    try:
        load_matrix(project / "matrix.yaml", project / "scenarios", ALIASES)
    except InputError as error:
        return str(error).replace(f"{project}/", "").splitlines()
    return []


SCENARIO_FILE = "scenarios/tls-atexit/scenario.yaml"
PYTHONS, GLIBCS, ARCHES = '["3.9", "3.11"]', '["2.31", "2.36"]', "[x86_64, arm64]"
HINTS = {
    "a number": (
        (PYTHONS, '["3.9", 3.10, "3.11"]'),
        'matrix.yaml:4:19: axes.python.1: 3.10 is a number to YAML, not a string; write "3.10" in quotes',
    ),
    "a version, no list": (
        (PYTHONS, '"3.9"'),
        'matrix.yaml:4:11: axes.python: this is one value, not a list; write ["3.9"]',
    ),
    "a number, no list": (
        (PYTHONS, "3.9"),
        'matrix.yaml:4:11: axes.python: this is one value, not a list; write ["3.9"]',
    ),
    "a word, no list": (
        ("{axes: {arch: [x86_64]}}", "{axes: {arch: x86_64}}"),
        "matrix.yaml:13:24: profiles.smoke.axes.arch: this is one value, not a list; write [x86_64]",
    ),
    "a suite for its glibc": (
        (GLIBCS, '["2.31", "2.36", bookworm]'),
        "matrix.yaml:5:27: glibc: 'bookworm' is not a version; did you mean \"2.36\", which bookworm has?",
    ),
    "uname's name": (
        (ARCHES, "[x86_64, arm64, aarch64]"),
        "matrix.yaml:6:25: arch: 'aarch64' is not supported; did you mean 'arm64'?",
    ),
    "Docker's name": (
        (ARCHES, "[x86_64, arm64, AMD64]"),
        "matrix.yaml:6:25: arch: 'AMD64' is not supported; did you mean 'x86_64'?",
    ),
    "another processor": (
        (ARCHES, "[x86_64, arm64, s390x]"),
        "matrix.yaml:6:25: arch: 's390x' is not supported; known: arm64, x86_64",
    ),
    "a profile with uname's name": (
        ("{axes: {arch: [x86_64]}}", "{axes: {arch: [aarch64]}}"),
        "matrix.yaml:13:25: arch has no value 'aarch64'; did you mean 'arm64'?",
    ),
    "a suite in an expression": (
        ("""glibc == "2.36" and""", """glibc == "bookworm" and"""),
        "matrix.yaml:10:21: glibc has no value 'bookworm'; did you mean '2.36'?",
    ),
    "a number for a signal": (
        ("signal: SIGSEGV", "signal: 11"),
        f"{SCENARIO_FILE}:12:13: expect.0.signal: 11 is a number, and signals are named; write SIGSEGV",
    ),
    "a quoted number for a signal": (
        ("signal: SIGSEGV", "signal: '6'"),
        f"{SCENARIO_FILE}:12:13: expect.0.signal: 6 is a number, and signals are named; write SIGABRT",
    ),
    "no signal's number": (
        ("signal: SIGSEGV", "signal: 900"),
        f"{SCENARIO_FILE}:12:13: expect.0.signal: 900 is a number, and signals are named; "
        "write for example SIGSEGV",
    ),
    "a status of no kind": (
        ("status: 0", "status: 300"),
        f"{SCENARIO_FILE}:17:13: expect.1.status: Input should be less than or equal to 255 "
        "or Input should be 'clean'; correct it",
    ),
}


@pytest.mark.parametrize("name", HINTS)
def test_the_next_step_is_what_to_write(project: Path, name: str) -> None:
    edit, line = HINTS[name]
    assert mistakes(project, {name: edit}) == [line]


# Mistakes that do not touch one another. Each is one line, alone or among all others.
APART = {
    "schema": ("schema: 1\naxes", "schema: 7\naxes"),
    "number": ('["3.9", "3.11"]', '["3.9", 3.10, "3.11"]'),
    "version": ('["2.31", "2.36"]', '["2.31", "2.36", bookworm]'),
    "arch": ("[x86_64, arm64]", "[x86_64, arm64, aarch64]"),
    "twice": ("[plain, uwsgi]", "[plain, uwsgi, plain]"),
    "reserved": ("  probe: [cpp, rust]", "  probe: [cpp, rust]\n  from: [a]"),
    "expression": ("""'glibc == "2.36" and""", """'glbc == "2.36" and"""),
    "key": ("reason: left out", "because: left out"),
    "profile": ("smoke: {axes: {arch: [x86_64]}}", "smoke: {axes: {arc: [x86_64]}}"),
    "select": ("""'launcher == "uwsgi"'}""", """'launcher == "uwsgy"'}"""),
    "default": ("default_profile: smoke", "default_profile: smkoe"),
    "timeout": ("timeout: 10", "timeout: 0"),
    "driver": ("driver: driver.py", "driver: other.py"),
    "probe": ("cpp: {source: probe.cpp, module: probe}", "cpp: {source: probe.cpp, program: probe}"),
    "file": ("rust: {source: probe.rs", "rust: {source: ../probe.rs"),
    "signal": ("signal: SIGSEGV", "signal: 11"),
    "rule": ("""'launcher == "plain"'""", """'launcher == "plane"'"""),
    "status": ("    status: 0", "    status: 300"),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(names=st.sets(st.sampled_from(sorted(APART)), min_size=1))
def test_all_mistakes_are_listed_at_once(project: Path, names: set[str]) -> None:
    def places(edits: Mapping[str, tuple[str, str]]) -> list[str]:
        """What the lines say; a mistake before another one on the same line or above moves its place."""
        return sorted(line.partition(": ")[2] for line in mistakes(project, edits))

    alone = [places({name: APART[name]}) for name in names]
    assert places({name: APART[name] for name in names}) == sorted(line for lines in alone for line in lines)


def test_each_of_those_mistakes_is_one(project: Path) -> None:
    counts = {name: len(mistakes(project, {name: edit})) for name, edit in APART.items()}
    # A misspelt key of `exclude` is not near its name, so that this one is missing as well.
    assert counts == dict.fromkeys(APART, 1) | {"key": 2}
    assert mistakes(project, {}) == []


def test_mistakes_come_in_the_order_of_their_places(project: Path) -> None:
    found = mistakes(project, APART)
    lines = [int(line.split(":")[1]) for line in found if line.startswith("matrix.yaml")]
    assert lines == sorted(lines)
    assert len(lines) == 12
    assert [line.startswith("matrix.yaml") for line in found] == [True] * 12 + [False] * (len(found) - 12)


def test_a_broken_expression_has_all_its_unknown_names(project: Path) -> None:
    edit = (
        """'glibc == "2.36" and probe == "rust"'""",
        """'not glbc == "2.36" and (prob == "x" or probe == "rst")'""",
    )
    assert [line.partition(";")[0] for line in mistakes(project, {"": edit})] == [
        "matrix.yaml:10:16: unknown axis 'glbc'",
        "matrix.yaml:10:36: unknown axis 'prob'",
        "matrix.yaml:10:60: probe has no value 'rst'",
    ]


def test_scenarios_of_several_names_are_all_checked(project: Path) -> None:
    two = ("scenario: [tls-atexit]", "scenario: [tls-atexit, other, another]")
    assert [line.partition(";")[0] for line in mistakes(project, {"": two, "timeout": APART["timeout"]})] == [
        "scenarios/tls-atexit/scenario.yaml:5:10: timeout: Input should be greater than 0",
        "scenarios/other/scenario.yaml: scenario 'other' has no scenario.yaml",
        "scenarios/another/scenario.yaml: scenario 'another' has no scenario.yaml",
    ]


def test_a_scenario_s_name_leads_to_no_other_folder(project: Path) -> None:
    (project / "scenario.yaml").write_text("schema: 9\n")
    (line,) = mistakes(project, {"": ("scenario: [tls-atexit]", "scenario: [tls-atexit, ..]")})
    assert "'..' cannot be a value" in line


def test_cells_of_all_scenarios_that_no_rule_matches_are_listed(project: Path, catalogue: Catalogue) -> None:
    scenario = project / "scenarios/tls-atexit/scenario.yaml"
    other = project / "scenarios/other"
    other.mkdir()
    for path in scenario.parent.iterdir():
        (other / path.name).write_text(path.read_text())
    text = SCENARIO.replace("""'launcher == "plain"'""", """'probe == "cpp"'""")
    scenario.write_text(text)
    (other / "scenario.yaml").write_text(SCENARIO.replace("""'launcher == "plain"'""", "'false'"))
    (project / "matrix.yaml").write_text(MATRIX.replace("[tls-atexit]", "[tls-atexit, other]"))
    with pytest.raises(InputError) as caught:
        select(load_matrix(project / "matrix.yaml", project / "scenarios"), catalogue, Request())
    said = [line.partition(": ")[2] for line in str(caught.value).splitlines()]
    assert [line.partition(" match")[0] for line in said] == [
        "scenario tls-atexit: no rule",
        "scenario tls-atexit: several rules",
        "scenario other: no rule",
    ]
    assert all(line.endswith("; exactly one `when` under `expect` must match each cell") for line in said)


def test_all_wrong_flags_are_listed(project: Path, catalogue: Catalogue) -> None:
    matrix = load_matrix(project / "matrix.yaml", project / "scenarios", ALIASES)
    axes = {"arch": ("aarch64",), "glibc": ("2.31", "bookworm"), "mitigation": ("guard",)}
    with pytest.raises(InputError) as caught:
        select(matrix, catalogue, Request(axes=axes, expression='launcher == "uwsgy"'))
    there = f"in {project / 'matrix.yaml'} and its scenarios"
    assert str(caught.value).splitlines() == [
        f"--arch aarch64: there is no arch 'aarch64' {there}; did you mean 'arm64'?",
        f"--glibc 2.31,bookworm: there is no glibc 'bookworm' {there}; did you mean '2.36'?",
        f"--axis mitigation=guard: there is no mitigation 'guard' {there}; known: none",
        "-k:1:13: launcher has no value 'uwsgy'; did you mean 'uwsgi'?",
    ]


def test_a_command_prints_a_line_for_each(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mistakes(project, {"timeout": APART["timeout"], "default": APART["default"]})
    (project / "images").mkdir()
    (project / "images" / "catalogue.yaml").touch()
    assert main(["--project", str(project), "plan"]) == EXIT_INPUT
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith("crashmatrix: ") for line in said] == [True] * len(said)
    for words in ("catalogue.yaml: the file is empty", "'smkoe'; did you mean 'smoke'", "timeout"):
        assert sum(words in line for line in said) == 1


def test_a_thousand_mistakes_are_cut() -> None:
    errors = ErrorList()
    for number in range(1000):
        errors.add(InputError("wrong", where=Location(file="f", line=number), hint="mend it"))
        errors.add(InputError("wrong", where=Location(file="f", line=number), hint="mend it"))
    with pytest.raises(InputError) as caught:
        errors.raise_all()
    assert caught.value.exit_code == EXIT_INPUT
    lines = str(caught.value).splitlines()
    assert lines[0] == "f:0: wrong; mend it"
    assert lines[-1] == f"and {1000 - MOST_LINES} more mistakes"
    assert len(lines) == MOST_LINES + 1


@pytest.mark.parametrize(
    ("word", "known", "says"),
    [
        ("3.8", ["3.9", "3.10", "3.13"], "did you mean '3.9'?"),
        ("3.1", ["3.9", "3.10", "3.11"], "did you mean '3.10'?"),  # as YAML reads 3.10
        ("2.37", ["2.17", "2.31", "2.36", "2.41"], "did you mean '2.36'?"),
        ("3.13.7", ["3.9", "3.13", "3.13.5", "3.13.15"], "did you mean '3.13.5'?"),
        ("new", ["3.10", "3.9", "3.13.15", "3.13.5"], "known: 3.9, 3.10, 3.13.5, 3.13.15"),
        ("zzz", ["run-10", "run-9"], "known: run-9, run-10"),
        ("uwsgy", ["plain", "uwsgi"], "did you mean 'uwsgi'?"),
        ("x", [], "known: none"),
        ("zzz", ["a\nb"], r"known: 'a\nb'"),
        ("3.8", [], "known: none"),
    ],
)
def test_suggestions_order_versions_as_versions(word: str, known: list[str], says: str) -> None:
    assert nearest(word, known) == says


@pytest.mark.parametrize(
    ("alias", "arch"),
    [
        ("aarch64", "arm64"),
        ("arm64v8", "arm64"),
        ("amd64", "x86_64"),
        ("x64", "x86_64"),
        ("X86-64", "x86_64"),
    ],
)
def test_other_names_of_an_architecture_lead_to_it(alias: str, arch: str) -> None:
    assert nearest(alias, ["x86_64", "arm64"], ARCH_ALIASES["arch"]) == f"did you mean {arch!r}?"
