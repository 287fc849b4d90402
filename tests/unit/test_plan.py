import json
import math
import re
import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.adapters.yamlfile import MAX_BYTES
from orchestrator.cli import main
from orchestrator.errors import InputError
from orchestrator.matrix import Request, load_matrix, select
from orchestrator.model import (
    MATRIX_ARCHES,
    Arch,
    Catalogue,
    CopiedPython,
    CrossSysroot,
    ExcludedCell,
    ExcludedCells,
    ImagePin,
    InterpreterKind,
    OutcomeKind,
    PlannedCells,
    PlannedTerms,
    RegistryImage,
)
from orchestrator.pipeline.plan_cells import chosen_rows, part, planned_cells, shards_of
from orchestrator.pipeline.shards import Piece

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A selection with each of its cells; `image` is not looked at here."""

    cells: PlannedCells
    excluded: tuple[ExcludedCells, ...]
    deselected: int


def choose(project: Path, catalogue: Catalogue, request: Request | None = None) -> Chosen:
    matrix, request = load_matrix(project / "matrix.yaml", project / "scenarios"), request or Request()
    found = select(matrix, catalogue, request)
    rows = chosen_rows(found)
    if request.shard:
        index, count = request.shard
        every = shards_of(rows, count, lambda numbers: Piece(seconds=len(numbers), builds=()))
        rows = part(rows, every[index - 1])
    cells = planned_cells(rows, lambda _, terms: PlannedTerms.model_validate({**dict(terms), "image": "k"}))
    return Chosen(cells=cells, excluded=found.excluded, deselected=found.deselected)


def each_excluded(selection: Chosen) -> list[ExcludedCell]:
    return [cell for item in selection.excluded for cell in item.each()]


def refusal(project: Path, catalogue: Catalogue, request: Request | None = None) -> str:
    with pytest.raises(InputError) as caught:
        choose(project, catalogue, request)
    assert all("; " in line for line in str(caught.value).splitlines()), "a line without its next step"
    return str(caught.value)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_cells_ids_and_reasons(project: Path, catalogue: Catalogue) -> None:
    selection = choose(project, catalogue)
    assert [item.cell.id for item in selection.cells] == [
        "tls-atexit/py3.9-glibc2.31-x86_64-plain-cpp",
        "tls-atexit/py3.9-glibc2.31-x86_64-plain-rust",
        "tls-atexit/py3.9-glibc2.31-x86_64-uwsgi-cpp",
        "tls-atexit/py3.9-glibc2.31-x86_64-uwsgi-rust",
        "tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp",
        "tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp",
    ]
    reasons = {item.cell.id: item.reason for item in each_excluded(selection)}
    assert reasons["tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-rust"] == "left out by the test"
    assert reasons["tls-atexit/py3.9-glibc2.36-x86_64-plain-cpp"] == (
        "CPython 3.9 for x86_64 only as old's own binary"
    )
    assert len(selection.cells) + len(reasons) + selection.deselected == 2 * 2 * 2 * 2 * 2
    kinds = {item.cell.launcher: item.expectation.kind for item in selection.cells}
    assert kinds == {"plain": OutcomeKind.EXIT, "uwsgi": OutcomeKind.SIGNAL}


def test_flags_replace_the_profiles_axis_and_not_its_expression(project: Path, catalogue: Catalogue) -> None:
    uwsgi = choose(project, catalogue, Request(profile="uwsgi", axes={"probe": ("cpp",)}))
    assert {item.cell.launcher for item in uwsgi.cells} == {"uwsgi"}
    assert refusal(project, catalogue, Request(axes={"arch": ("arm64",)})) == (
        "no cell is left: all 16 that match are excluded: no base with glibc 2.31 for arm64 in the catalogue "
        "(and 2 more reasons); see `./nox -s matrix -- --list` for each"
    )
    one = Request(axes={"arch": ("arm64",), "glibc": ("2.31",)})
    assert refusal(project, catalogue, one) == (
        "no cell is left: all 8 that match are excluded: no base with glibc 2.31 for arm64 in the catalogue; "
        "see `./nox -s matrix -- --list` for each"
    )
    two = Request(axes={"arch": ("arm64",), "glibc": ("2.36",)})
    assert "(and 1 more reason)" in refusal(project, catalogue, two)


def test_a_selection_of_excluded_cells_only_is_a_run_of_skips_where_that_is_allowed(
    project: Path, catalogue: Catalogue
) -> None:
    selection = choose(project, catalogue, Request(axes={"arch": ("arm64",)}, allow_empty=True))
    assert (len(selection.cells), len(each_excluded(selection))) == (0, 16)


def test_an_empty_selection_names_the_clause(project: Path, catalogue: Catalogue) -> None:
    request = Request(profile="uwsgi", axes={"launcher": ("plain",)})
    assert "--launcher plain matches none of the 8 cells" in refusal(project, catalogue, request)
    request = Request(axes={"probe": ("cpp",)}, expression='probe == "rust"')
    assert """-k 'probe == "rust"' matches none""" in refusal(project, catalogue, request)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request(profile="smok"), "did you mean 'smoke'?"),
        (Request(axes={"glibc": ("2.13",)}), "--glibc 2.13: there is no glibc '2.13' in"),
        (Request(expression="glibc <"), "-k:1:"),
        (Request(expression='launcher == "uwsgy"'), "did you mean 'uwsgi'?"),
        (Request(cells=frozenset({"x"})), "there is no cell 'x' in "),
    ],
)
def test_wrong_requests(project: Path, catalogue: Catalogue, request_: Request, says: str) -> None:
    assert says in refusal(project, catalogue, request_)


def test_named_cells_are_chosen_whatever_the_profile(project: Path, catalogue: Catalogue) -> None:
    cell = "tls-atexit/py3.9-glibc2.31-x86_64-plain-rust"
    selection = choose(project, catalogue, Request(profile="uwsgi", cells=frozenset({cell})))
    assert [item.cell.id for item in selection.cells] == [cell]
    said = refusal(project, catalogue, Request(cells=frozenset({cell.replace("rust", "rast")})))
    assert f"did you mean {cell!r}?" in said


def test_shards_share_the_cells_out(project: Path, catalogue: Catalogue) -> None:
    whole = [item.cell.id for item in choose(project, catalogue).cells]
    parts = [choose(project, catalogue, Request(shard=(index, 4))) for index in (1, 2, 3, 4)]
    assert sorted(item.cell.id for part in parts for item in part.cells) == sorted(whole)
    assert sorted(len(part.cells) for part in parts) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            '["3.9", "3.11"]',
            '["3.9", 3.10]',
            r':4:19: axes.python.1: 3.10 is a number .*write "3.10" in quotes',
        ),
        ('["3.9", "3.11"]', "[]", r":4:11: axis 'python' has no values"),
        ('["3.9", "3.11"]', '["3.9", "3.9"]', r":4:19: python: duplicate '3.9'; remove one"),
        ('["3.9", "3.11"]', '["3.9", "3.9.0"]', "'3.9' and '3.9.0' are the same version"),
        ('["3.9", "3.11"]', '["3.9", "main"]', "'main' is not a version"),
        ('["3.9", "3.11"]', '"3.9"', ":4:11: axes.python: "),
        ("[cpp, rust]", '[cpp, "a\\"; RUN true"]', "cannot be a value"),
        ("[cpp, rust]", '[cpp, "a\\nRUN true"]', "cannot be a value"),
        ("[cpp, rust]", '[cpp, "../../etc"]', "cannot be a value"),
        ("[cpp, rust]", "[cpp, rust, on]", 'on is true or false .*write "on" in quotes'),
        ("  probe:", "  prob:", ":8:9: axis 'prob' is near to a standard one .*; did you mean 'probe'"),
        ("  probe:", "  not: [a]\n  probe:", "'not' cannot name an axis"),
        ("  probe:", "  emulated: [a]\n  probe:", "'emulated' cannot name an axis"),
        ("  probe:", "  launcher: [a]\n  probe:", ":8:3: duplicate 'launcher', first on line 7; remove one"),
        ("exclude:", "exlude:", "unknown key 'exlude'; did you mean 'exclude'"),
        ("reason: left out by the test", 'reason: " "', "the reason is empty"),
        (
            "reason: left out by the test",
            "because: x",
            r":11:\d+: unknown key 'because'; known: reason, when",
        ),
        ("""'glibc == "2.36" and""", """'glbc == "2.36" and""", r":10:12: unknown axis 'glbc'"),
        ("default_profile: smoke", "default_profile: smke", "did you mean 'smoke'"),
        (
            "{axes: {arch: [x86_64]}}",
            "{axes: {arch: [x86]}}",
            "arch has no value 'x86'; did you mean 'x86_64'",
        ),
        ("{axes: {arch: [x86_64]}}", "{axes: {arc: [x86_64]}}", "unknown axis 'arc'; did you mean 'arch'"),
        ("schema: 1", "schema: 7", ":1:9: schema"),
    ],
)
def test_a_wrong_matrix_is_refused_with_its_place(
    project: Path, catalogue: Catalogue, old: str, new: str, says: str
) -> None:
    edit(project / "matrix.yaml", old, new)
    said = refusal(project, catalogue)
    assert "matrix.yaml" in said
    assert re.search(says, said), said


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "the file is empty"),
        (b"- a\n- b\n", "must be a mapping"),
        (b"a: [b\n", "not valid YAML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a: 1\x00", "not valid YAML"),
        (b"x: " + b"[" * 5000, "matrix.yaml:1:35: nested deeper than"),
        (b"x: " + b"[" * 33 + b"]" * 33, "nested deeper than"),
        (b"x:" + b"".join(b"\n" + b" " * n + b"- " for n in range(33)) + b"a", "nested deeper than"),
        (b"x: " + b"[" * 31 + b"]" * 31, "unknown key 'x'"),
        (b"x" * (MAX_BYTES + 1), "larger than"),
        (
            b"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            b"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
            b"e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
            "aliases expand to more",
        ),
        (b"a: &a [*a]\n", "aliases expand to more"),
        (
            b"a: !!python/object/apply:os.system [true]\n",
            "the tag tag:yaml.org,2002:python/object/apply:os.system is not",
        ),
    ],
)
def test_hostile_files(project: Path, catalogue: Catalogue, raw: bytes, says: str) -> None:
    (project / "matrix.yaml").write_bytes(raw)
    assert says in refusal(project, catalogue)


def test_a_huge_file_is_not_read_whole(project: Path, catalogue: Catalogue) -> None:
    with (project / "matrix.yaml").open("wb") as stream:
        stream.truncate(100_000_000)
    assert "larger than" in refusal(project, catalogue)


def test_missing_files(project: Path, catalogue: Catalogue) -> None:
    scenario = project / "scenarios" / "tls-atexit"
    (scenario / "driver.py").unlink()
    assert re.search(
        r"scenario\.yaml:4:9: the scenario lacks its file driver\.py", refusal(project, catalogue)
    )
    (scenario / "scenario.yaml").unlink()
    assert "scenario 'tls-atexit' has no scenario.yaml" in refusal(project, catalogue)
    (project / "matrix.yaml").unlink()
    assert "matrix.yaml: the file does not exist" in refusal(project, catalogue)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("signal: SIGSEGV", "signal: SIGSEV", "no signal is called 'SIGSEV'; did you mean 'SIGSEGV'"),
        ("    signal: SIGSEGV\n", "", "outcome signal must name its signal"),
        ("    status: 0\n", "    signal: SIGABRT\n", "outcome exit has no signal"),
        ("    frames: [atexit_handler]", "    status: 1", "outcome signal has no exit status"),
        ("    frames: [atexit_handler]", "    status: clean", "outcome signal has no exit status"),
        ("    status: 0\n", "    status: clear\n", "status"),
        ("    frames: [atexit_handler]", "    message: '['", "not a regular expression"),
        ("    frames: [atexit_handler]", "    fault_address: 'below 1'", "not a range of addresses"),
        ("    frames: [atexit_handler]", "    fault_address: '< 0'", "matches no address"),
        ("    status: 0\n", "    fault_address: '== 0x60'\n", "no signal, no frames and no fault address"),
        (
            """'launcher == "plain"'""",
            """'true'""",
            r"scenario\.yaml: scenario tls-atexit: several rules match cell tls-atexit/.* and ",
        ),
        (
            """'launcher == "plain"'""",
            """'false'""",
            "scenario tls-atexit: no rule matches cell tls-atexit/.*plain.* and 2 more",
        ),
        ("source: probe.cpp", "source: ../../probe.cpp", "must be a plain path"),
        ("timeout: 10", "timeout: 0", ":5:10: timeout"),
    ],
)
def test_a_wrong_scenario_is_refused_with_its_place(
    project: Path, catalogue: Catalogue, old: str, new: str, says: str
) -> None:
    edit(project / "scenarios" / "tls-atexit" / "scenario.yaml", old, new)
    said = refusal(project, catalogue)
    assert re.search(says, said), said


OWN_AXES = """\
axes:
  window: [during, after]
  mitigation: [none, guard]
exclude:
  - when: 'window == "after" and mitigation == "guard"'
    reason: the guard is of no use after the end
probes:"""


def with_own_axes(project: Path) -> None:
    """Give the scenario two axes of its own, and the matrix a second scenario without any."""
    scenario = project / "scenarios" / "tls-atexit"
    shutil.copytree(scenario, project / "scenarios" / "other")
    edit(project / "matrix.yaml", "scenario: [tls-atexit]", "scenario: [tls-atexit, other]")
    edit(scenario / "scenario.yaml", "probes:", OWN_AXES)


ONE = {"python": ("3.9",), "glibc": ("2.31",), "probe": ("cpp",), "launcher": ("plain",)}
ONE_ID = "py3.9-glibc2.31-x86_64-plain-cpp"


@pytest.mark.parametrize("option", ["-p4", "--proc=4", "--workers=2", "--maste", "-M"])
def test_options_that_hide_whose_outcome_it_is_are_refused(
    project: Path, catalogue: Catalogue, option: str
) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    edit(path, "probes:\n", f"launcher_options: [{{when: 'true', options: [{option}]}}]\nprobes:\n")
    assert "the outcome is that of one worker" in refusal(project, catalogue)


def test_no_scenario_has_trials_of_an_instrument_share_a_container(
    project: Path, catalogue: Catalogue
) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    edit(path, "probes:\n", "trials: 40\nshare: 32\naxes: {instrument: [none, strace]}\nprobes:\n")
    cells = choose(project, catalogue).cells
    shares = {(item.cell.instrument, item.trials_per_container) for item in cells}
    assert shares == {("none", 32), ("strace", 1)}


def test_a_clean_status_is_the_launchers(project: Path, catalogue: Catalogue) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    rule = path.read_text().partition("expect:\n")[2]
    edit(path, rule, "  - {when: 'true', outcome: exit, status: clean, because: it must}\n")
    cells = choose(project, catalogue).cells
    assert {(item.cell.launcher, item.expectation.status) for item in cells} == {("plain", 0), ("uwsgi", 30)}


def test_a_scenarios_own_axes_multiply_its_cells_only(project: Path, catalogue: Catalogue) -> None:
    with_own_axes(project)
    selection = choose(project, catalogue, Request(axes=ONE))
    assert [item.cell.id for item in selection.cells] == [
        f"tls-atexit/{ONE_ID}+window=during",
        f"tls-atexit/{ONE_ID}+window=during+mitigation=guard",
        f"tls-atexit/{ONE_ID}+window=after",
        f"other/{ONE_ID}",
    ]
    assert [item.cell.axes.get("mitigation") for item in selection.cells] == ["none", "guard", "none", None]
    (excluded,) = each_excluded(selection)
    assert excluded.reason == "the guard is of no use after the end"
    assert re.search(r"tls-atexit/scenario\.yaml:10", excluded.where or "")
    named = choose(project, catalogue, Request(cells=frozenset({f"tls-atexit/{ONE_ID}+window=after"})))
    assert len(named.cells) == 1


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        (Request(axes={**ONE, "mitigation": ("guard",)}), 1),
        (Request(axes={**ONE, "mitigation": ("none",)}), 3),  # the other scenario's cell has none as well
        (Request(axes={**ONE, "window": ("during", "after")}), 3),
        (Request(axes=ONE, expression='window == "after"'), 1),
        (Request(axes=ONE, expression='window != "after"'), 3),
        (Request(axes=ONE, expression='mitigation != "none"'), 1),
        (Request(axes=ONE, expression='mitigation == "none" and window == "none"'), 1),
        (Request(profile="guarded", axes=ONE), 1),
    ],
)
def test_a_cell_without_an_axis_reads_as_none(
    project: Path, catalogue: Catalogue, request_: Request, count: int
) -> None:
    with_own_axes(project)
    edit(project / "matrix.yaml", "profiles:", "profiles:\n  guarded: {axes: {mitigation: [guard]}}")
    assert len(choose(project, catalogue, request_).cells) == count


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("window:", "launcher:", r":7:13: the matrix has an axis 'launcher' already"),
        ("window:", "not:", r"'not' cannot name an axis"),
        ("window:", "from:", r"'from' cannot name an axis, since expressions could not name it"),
        ("window: [during, after]", "window: []", r":7:11: axis 'window' has no values"),
        ("window: [during, after]", "instrument: [none, valgrin]", r"did you mean 'valgrind'"),
        ("'window ==", "'windw ==", r"yaml:10:12: unknown axis 'windw'; did you mean 'window'"),
        ("reason: the guard", "because: x", r"unknown key 'because'"),
        (
            "[during, after]",
            f"[during, after]\n  w1: [{'a' * 64}]\n  w2: [{'b' * 64}]\n  w3: [{'c' * 64}]",
            r"the id of a cell has 2\d\d characters",
        ),
    ],
)
def test_a_wrong_axis_of_a_scenario_is_refused_with_its_place(
    project: Path, catalogue: Catalogue, old: str, new: str, says: str
) -> None:
    with_own_axes(project)
    edit(project / "scenarios" / "tls-atexit" / "scenario.yaml", old, new)
    said = refusal(project, catalogue)
    assert "scenarios/tls-atexit/scenario.yaml" in said or "tls-atexit/py" in said
    assert re.search(says, said), said


def test_an_axis_of_one_scenario_is_unknown_in_another(project: Path, catalogue: Catalogue) -> None:
    with_own_axes(project)
    edit(project / "scenarios/other/scenario.yaml", """'launcher == "plain"'""", """'window == "after"'""")
    assert "unknown axis 'window'" in refusal(project, catalogue)


OWN_VALUES = st.lists(st.sampled_from(["none", "a", "b", "1.0", "a.b"]), min_size=1, unique=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(own=st.dictionaries(st.sampled_from(["x", "y", "instrument1"]), OWN_VALUES))
def test_ids_stay_unique_and_count_every_own_value(
    project: Path, catalogue: Catalogue, own: dict[str, list[str]]
) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    before = path.read_text()
    path.write_text(f"{before}axes: {json.dumps(own)}\n")
    selection = choose(project, catalogue, Request(axes=ONE))
    path.write_text(before)
    ids = [item.cell.id for item in selection.cells]
    assert len(ids) == len(set(ids)) == math.prod(map(len, own.values()))


VALUES = {
    "python": ["3.9", "3.11"],
    "glibc": ["2.31", "2.36"],
    "launcher": ["plain", "uwsgi"],
    "probe": ["cpp", "rust"],
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    chosen=st.fixed_dictionaries({axis: st.sets(st.sampled_from(values)) for axis, values in VALUES.items()})
)
def test_every_cell_of_the_cross_product_is_accounted_for_once(
    project: Path, catalogue: Catalogue, chosen: dict[str, set[str]]
) -> None:
    axes = {axis: tuple(sorted(values)) for axis, values in chosen.items() if values}
    wanted = set(product(*(axes.get(axis, tuple(values)) for axis, values in VALUES.items())))
    try:
        selection = choose(project, catalogue, Request(axes=axes))
    except InputError as refused:
        said, selection = str(refused), None
    if selection is None:
        assert "are excluded" in said
        return
    cells = [item.cell for item in selection.cells] + [item.cell for item in each_excluded(selection)]
    seen = [(cell.python, cell.glibc, cell.launcher, cell.probe) for cell in cells]
    assert len(seen) == len(set(seen))
    assert set(seen) == wanted
    assert selection.deselected == 32 - len(seen)


def test_a_registrys_glibc_has_a_source_once_it_is_pinned_and_answers(
    project: Path, catalogue: Catalogue
) -> None:
    image = RegistryImage(images={Arch.X86_64: "r.example/new"}, tag="1", preferred=True)
    old, new = catalogue.bases
    pulled = catalogue.model_copy(update={"bases": (old, new.model_copy(update={"registry": image}))})
    pin = ImagePin(image="r.example/new", tag="1", digest=f"sha256:{'0' * 64}")
    locked = pulled.model_copy(update={"images": (pin,)})
    silent = locked.model_copy(update={"silent": frozenset({"r.example"})})
    moved = locked.model_copy(update={"images": (pin.model_copy(update={"tag": "2"}),)})
    assert pulled.lacks_source(old, Arch.X86_64) is None
    assert new.pulled is None
    assert "py3.11-glibc2.36" in " ".join(item.cell.id for item in choose(project, locked).cells)
    for lacking, why in ((pulled, "images lock"), (moved, "images lock"), (silent, "r.example does not")):
        left_out = each_excluded(choose(project, lacking))
        reasons = [item.reason for item in left_out if item.cell.python == "3.11"]
        assert any("no source for glibc 2.36 without an image registry" in said for said in reasons)
        assert any(why in said for said in reasons)


def test_what_the_cross_toolchain_makes_cannot_be_had_on_another_host(
    project: Path, catalogue: Catalogue
) -> None:
    old, new = catalogue.bases
    made = old.model_copy(update={"debian": None, "sysroot": CrossSysroot()})
    copied = CopiedPython(
        kind=InterpreterKind.PORTABLE, version="3.9.2", source="cpython", arches=MATRIX_ARCHES
    )
    here = catalogue.model_copy(update={"bases": (made, new), "interpreters": (copied,)})
    there = here.model_copy(update={"host": Arch.ARM64})
    own = [item.cell for item in choose(project, there).cells]
    lost = {item.cell for item in choose(project, here).cells} - set(own)
    reasons = {item.cell: item.reason for item in each_excluded(choose(project, there))}
    assert {(cell.python, cell.glibc) for cell in own} == {("3.11", "2.36")}
    assert {(cell.python, cell.glibc) for cell in lost} == {("3.9", "2.31"), ("3.9", "2.36")}
    assert {reasons[cell] for cell in lost} == {
        "the toolchain of glibc 2.17 runs on x86_64 only, this host is arm64"
    }


def test_an_archive_is_not_asked_below_the_glibc_that_it_needs(project: Path, catalogue: Catalogue) -> None:
    edit(project / "matrix.yaml", 'python: ["3.9", "3.11"]', 'python: ["3.9", "3.11", "3.12"]')
    copied = CopiedPython(
        kind=InterpreterKind.ARCHIVE,
        version="3.12.1",
        source="cpython",
        arches=MATRIX_ARCHES,
        lowest_glibc="2.36",
    )
    here = catalogue.model_copy(update={"interpreters": (copied,)})
    selection = choose(project, here, Request(axes={"python": ("3.12",)}))
    assert {item.cell.glibc for item in selection.cells} == {"2.36"}
    assert {item.reason for item in selection.excluded} >= {
        "CPython 3.12.1 (archive) needs glibc 2.36 or later, and its sources are not in the catalogue"
    }
    there = choose(project, here.model_copy(update={"host": Arch.ARM64}), Request(axes={"python": ("3.12",)}))
    # The interpreter is not compiled; its server is, by the cross gcc, which runs on x86_64 alone.
    assert {item.cell.launcher for item in there.cells} == {"plain"}


def test_the_lowest_glibc_of_several_archives_is_named_by_its_version(
    project: Path, catalogue: Catalogue
) -> None:
    edit(project / "matrix.yaml", '["3.9", "3.11"]', '["3.9", "3.10", "3.11"]')
    copied = tuple(
        CopiedPython(
            kind=InterpreterKind.ARCHIVE,
            version=version,
            source="jar",
            arches=MATRIX_ARCHES,
            lowest_glibc=lowest,
        )
        for version, lowest in (("3.10.1", "2.100"), ("3.10.2", "2.40"), ("3.10.3", "2.40"))
    )
    known = catalogue.model_copy(update={"interpreters": copied})
    reasons = {item.reason for item in choose(project, known).excluded}
    assert (
        "CPython 3.10.2 (archive) needs glibc 2.40 or later, and its sources are not in the catalogue"
        in reasons
    )


def test_a_program_is_for_the_launcher_plain_alone(project: Path, catalogue: Catalogue) -> None:
    edit(project / "matrix.yaml", "probe: [cpp, rust]", "probe: [cpp, rust, c]")
    scenario = project / "scenarios" / "tls-atexit" / "scenario.yaml"
    edit(scenario, "  rust: {", "  c: {source: probe.cpp, program: probe}\n  rust: {")
    known = catalogue.model_copy(update={"languages": ("cpp", "rust", "c")})
    selection = choose(project, known, Request(axes={"probe": ("c",)}, expression='python == "3.9"'))
    assert [item.cell.launcher for item in selection.cells] == ["plain"]
    assert "a c probe is a program of its own, which uwsgi does not load" in {
        item.reason for item in selection.excluded
    }


def test_a_program_without_python_is_asked_once_a_base(project: Path, catalogue: Catalogue) -> None:
    edit(project / "matrix.yaml", 'python: ["3.9", "3.11"]', 'python: ["3.9", "3.10", "3.11"]')
    edit(project / "matrix.yaml", "probe: [cpp, rust]", "probe: [cpp, rust, c]")
    scenario = project / "scenarios" / "tls-atexit" / "scenario.yaml"
    edit(scenario, "  rust: {", "  c: {source: probe.cpp, program: probe}\n  rust: {")
    old, new = catalogue.bases
    copied = tuple(
        CopiedPython(kind=InterpreterKind.PORTABLE, version=version, source="cpython", arches=MATRIX_ARCHES)
        for version in ("3.10.1", "3.9.2")
    )
    bases = (old.model_copy(update={"pythons": ()}), new)
    known = catalogue.model_copy(
        update={"bases": bases, "interpreters": copied, "languages": ("cpp", "rust", "c")}
    )
    selection = choose(project, known, Request(axes={"launcher": ("plain",)}))
    beside = {(item.cell.glibc, item.cell.python) for item in selection.cells if item.cell.probe == "c"}
    # The base's own interpreter, though not the first of the matrix; else the first that can be had there.
    assert beside == {("2.31", "3.9"), ("2.36", "3.11")}
    assert {item.cell.python for item in selection.cells if item.cell.probe == "cpp"} == {
        "3.9",
        "3.10",
        "3.11",
    }
    reasons = {item.reason for item in selection.excluded if "c" in item.axes["probe"]}
    assert "a c probe has no Python in it: on glibc 2.36 it runs beside 3.11 only" in reasons


def test_asan_is_for_programs_that_a_bases_own_compiler_makes(project: Path, catalogue: Catalogue) -> None:
    edit(project / "matrix.yaml", "probe: [cpp, rust]", "probe: [cpp, rust, c, c-embed]")
    scenario = project / "scenarios" / "tls-atexit" / "scenario.yaml"
    programs = "  c: {source: probe.cpp, program: probe}\n  c-embed: {source: probe.cpp, program: probe}\n"
    edit(scenario, "  rust: {", f"{programs}  rust: {{")
    edit(scenario, "probes:", "axes: {instrument: [none, asan]}\nprobes:")
    old, new = catalogue.bases
    bare = old.model_copy(update={"pythons": (old.pythons[0].model_copy(update={"toolchain": ()}),)})
    copied = CopiedPython(
        kind=InterpreterKind.PORTABLE, version="3.9.2", source="cpython", arches=MATRIX_ARCHES
    )
    known = catalogue.model_copy(update={
        "bases": (bare, new), "interpreters": (copied,), "languages": ("cpp", "rust", "c", "c-embed"),
    })  # fmt: skip
    selection = choose(project, known, Request(axes={"instrument": ("asan",), "launcher": ("plain",)}))
    assert {(item.cell.glibc, item.cell.python, item.cell.probe) for item in selection.cells} == {
        ("2.36", "3.11", "c"), ("2.36", "3.11", "c-embed"),
    }  # fmt: skip
    asan = "instrument asan is compiled into a program"
    assert {item.reason for item in selection.excluded} >= {
        f"{asan}, and Python, which loads a cpp probe, is compiled without it",
        f"{asan} by the base's own compiler, and what embeds a copied CPython by gcc 4.8.5",
        f"{asan} by the base's own compiler, and old brings none",
    }


def test_a_native_probe_needs_a_base_with_a_compiler(project: Path, catalogue: Catalogue) -> None:
    scenario = project / "scenarios" / "tls-atexit" / "scenario.yaml"
    edit(scenario, "module: probe}\n  rust", "module: probe, toolchain: native}\n  rust")
    old, new = catalogue.bases
    bare = new.model_copy(update={"pythons": (new.pythons[0].model_copy(update={"toolchain": ()}),)})
    known = catalogue.model_copy(update={"bases": (old, bare)})
    selection = choose(project, known, Request(axes={"probe": ("cpp",), "launcher": ("plain",)}))
    assert [item.cell.glibc for item in selection.cells] == ["2.31"]
    assert "new brings nothing to compile cpp with" in {item.reason for item in selection.excluded}


def test_a_scenario_without_a_crate_or_a_program_has_no_such_cells(
    project: Path, catalogue: Catalogue
) -> None:
    edit(project / "matrix.yaml", "probe: [cpp, rust]", "probe: [cpp, rust, pyo3, c]")
    selection = choose(project, catalogue)
    cells = [item.cell for item in selection.cells] + [item.cell for item in each_excluded(selection)]
    assert {cell.probe for cell in cells} == {"cpp", "rust"}
    with_own_axes(project)
    edit(project / "matrix.yaml", "probe: [cpp, rust, pyo3, c]", "probe: [c]")
    edit(project / "matrix.yaml", ' and probe == "rust"', "")
    assert "matches none of the 0 cells" in refusal(project, catalogue)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("c: {source: probe.cpp, module: probe}", "name it by `program:` alone"),
        ("cpp: {source: probe.cpp, program: probe}", "name it by `module:` alone"),
        ("cpp: {source: probe.cpp, module: probe, toolchain: gcc}", "'gcc-2.17'"),
        ("rust: {source: probe.rs, module: probe, toolchain: native}", "write zig or gcc-2.17"),
        ("pyo3: {source: crate/lib.rs, module: probe, toolchain: native}", "write zig or gcc-2.17"),
        ("pyo3: {source: crate/lib.rs, module: probe}", "write for example source: pyo3/Cargo.toml"),
        ("pyo3: {source: crate/Cargo.toml, module: probe}", "lacks its file crate/Cargo.lock"),
        ("c-embed: {source: probe.cpp, program: probe, toolchain: zig}", "remove `toolchain`"),
        ("go: {source: probe.cpp, module: probe}", "c-embed"),
    ],
)
def test_a_probe_fits_what_it_is(project: Path, catalogue: Catalogue, entry: str, said: str) -> None:
    scenario = project / "scenarios" / "tls-atexit" / "scenario.yaml"
    crate = scenario.parent / "crate"
    crate.mkdir()
    for name in ("Cargo.toml", "lib.rs"):
        (crate / name).touch()
    text = scenario.read_text()
    head, _, tail = text.partition("  cpp: {")
    scenario.write_text(f"{head}  {entry}\nexpect:{tail.partition('expect:')[2]}")
    assert said in refusal(project, catalogue)


def test_a_probe_of_the_stable_abi_is_not_asked_beside_a_free_threaded_python(
    project: Path, catalogue: Catalogue
) -> None:
    edit(project / "matrix.yaml", 'python: ["', 'python: ["3.13t", "')
    threaded = CopiedPython(
        kind=InterpreterKind.PORTABLE, version="3.13.5t", arches=(Arch.X86_64,), source="cpython"
    )
    known = catalogue.model_copy(update={"interpreters": (*catalogue.interpreters, threaded)})
    asked = Request(axes={"python": ("3.13t",), "probe": ("cpp",)})
    assert "a cpp probe keeps to the stable ABI, which free-threaded CPython 3.13t does not have" in refusal(
        project, known, asked
    )


def test_expressions_compare_the_release_that_a_base_brings(project: Path, catalogue: Catalogue) -> None:
    old, new = catalogue.bases
    known = new.model_copy(update={"pythons": (new.pythons[0].model_copy(update={"release": "3.11.2"}),)})
    exact = catalogue.model_copy(update={"bases": (old, known)})
    asked = Request(expression='"3.11.2" <= python < "3.11.3"', axes={"launcher": ("plain",)})
    assert [item.cell.id for item in choose(project, exact, asked).cells] == [
        "tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp"
    ]
    assert "cannot compare python 3.11 with 3.11.2: its exact release is unknown" in refusal(
        project, catalogue, asked
    )


def unavailable(
    project: Path, catalogue: Catalogue, request: Request
) -> dict[str, tuple[int, tuple[str, ...]]]:
    """By axis and value: how many cells have it, and the reasons."""
    matrix = load_matrix(project / "matrix.yaml", project / "scenarios")
    found = select(matrix, catalogue, request).unavailable
    return {f"{item.axis} {item.value}": (item.count, item.reasons) for item in found}


def test_values_that_no_cell_has_are_said_once_with_their_own_reasons(
    project: Path, catalogue: Catalogue
) -> None:
    edit(project / "matrix.yaml", '["3.9", "3.11"]', '["3.9", "3.10", "3.11"]')
    edit(project / "matrix.yaml", '["2.31", "2.36"]', '["2.31", "2.36", "2.40"]')
    assert unavailable(project, catalogue, Request(axes={"arch": ("x86_64", "arm64")})) == {
        # 16 cells of each glibc, of which 4 with Rust and glibc 2.36 are excluded by the matrix's own rule.
        "python 3.10": (24, ("no source for CPython 3.10 for x86_64 in the catalogue: one is added to"
                             " `interpreters` of a copy of images/catalogue.yaml",)),
        "glibc 2.40": (24, ("no base with glibc 2.40 for x86_64 in the catalogue",)),
        "arch arm64": (36, ("no base with glibc 2.31 for arm64 in the catalogue",
                            "no base with glibc 2.36 for arm64 in the catalogue")),
    }  # fmt: skip
    # Of what was not asked for nothing is said, and where no cell runs it is said of all together.
    assert unavailable(project, catalogue, Request(axes={"glibc": ("2.31",), "python": ("3.9",)})) == {}
    assert unavailable(project, catalogue, Request(axes={"glibc": ("2.40",)}, allow_empty=True)) == {}


def test_a_value_that_a_rule_excludes_everywhere_has_the_rule_s_reason(
    project: Path, catalogue: Catalogue
) -> None:
    edit(project / "matrix.yaml", """'glibc == "2.36" and probe == "rust"'""", """'probe == "rust"'""")
    assert unavailable(project, catalogue, Request()) == {"probe rust": (8, ("left out by the test",))}


def test_the_listing_says_them_at_the_top_and_not_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["plan", "--offline", "--profile", "full", "--scenario", "tls-atexit", "--glibc", "2.28,2.36"]
    assert main(["--project", str(ROOT), *asked]) == 0
    lines = capsys.readouterr().out.splitlines()
    top = [line for line in lines if line.startswith("none of the ")]
    assert lines[: len(top)] == top
    (line,) = (line for line in top if " with glibc 2.28 can run: " in line)
    said = re.fullmatch(
        r"none of the ([\d,]+) cells with glibc 2\.28 can run: no source for glibc 2\.28 [^;]*", line
    )
    assert said
    assert not [line for line in lines[len(top) :] if "glibc2.28" in line]
    assert any(line.startswith("  tls-atexit/py3.9-glibc2.36-arm64") for line in lines)
    counts = [int(line.split(":")[0].split()[1]) for line in lines if line.startswith("excluded ")]
    total = re.search(r"(\d+) are excluded", lines[-1].replace(",", ""))
    assert total
    assert 0 < sum(counts) <= int(total[1]) - int(said[1].replace(",", ""))


WRONG_PROBES = {
    "c: {source: x, module: x}": ("7:6", "a c probe is a program; name it by `program:` alone"),
    "c: {source: x, program: x, module: x}": ("7:6", "a c probe is a program; name it by `program:` alone"),
    "rust: {source: x, program: x}": (
        "7:9",
        "a rust probe is a module that Python loads; name it by `module:` alone",
    ),
    "c-embed: {source: x, program: x, toolchain: zig}": (
        "7:47",
        "a program that embeds Python is compiled as the cell's libpython was; remove `toolchain`",
    ),
    "rust: {source: x, module: x, toolchain: native}": (
        "7:43",
        "rust probes are compiled once for all bases; write zig or gcc-2.17",
    ),
    "pyo3: {source: x, module: x}": (
        "7:18",
        "the source of a pyo3 probe is its crate's Cargo.toml; write for example source: pyo3/Cargo.toml",
    ),
}


@pytest.mark.parametrize("entry", WRONG_PROBES)
def test_a_probe_that_contradicts_its_language_is_refused(
    project: Path, catalogue: Catalogue, entry: str
) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    (path.parent / "x").write_text("")
    edit(path, "probes:\n", f"probes:\n  {entry}\n")
    if entry.startswith("rust"):
        edit(path, "  rust: {source: probe.rs, module: probe}\n", "")
    place, said = WRONG_PROBES[entry]
    assert refusal(project, catalogue) == f"{path}:{place}: {said}"
