"""Reading a run's folder: what is refused, what is said of cells that did not run."""

import json
from pathlib import Path

import pytest

from orchestrator import report
from orchestrator.errors import EXIT_INPUT, InputError
from orchestrator.model import PLAN_SCHEMA, SCHEMA, Verdict
from orchestrator.report import cautions, cell_words
from orchestrator.rundir import RunFolder, Status
from tests.unit import run_factory as factory


def edit(path: Path, **values: object) -> None:
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document | values), encoding="utf-8")


def result_file(folder: Path) -> Path:
    return folder / "cells" / factory.cell().id / "result.json"


def test_a_good_run_counts_cells_and_exclusions(tmp_path: Path) -> None:
    data = factory.load(factory.write_run(tmp_path))
    assert {status: count for status, count in data.counts.items() if count} == {
        Status.PASS: 12,
        Status.SKIP: 24,
    }
    assert report.headline(data) == "All 12 cells are as expected"
    assert len(data.results) == 12


def test_a_cell_without_a_result_is_not_run(tmp_path: Path) -> None:
    data = factory.load(factory.bad_run(tmp_path))
    assert data.counts == {
        Status.FAIL: 1,
        Status.ERROR: 1,
        Status.NOT_RUN: 1,
        Status.SKIP: 24,
        Status.PASS: 9,
    }
    assert report.headline(data) == "1 failed, 1 error, 1 not run, of 12 cells"
    assert [record.status for record in data.worst_first[:3]] == [Status.FAIL, Status.ERROR, Status.NOT_RUN]


def test_what_was_seen_comes_with_what_limits_the_evidence(tmp_path: Path) -> None:
    records = factory.load(factory.bad_run(tmp_path)).by_id
    missing = records[factory.cell(2, "plain", "rust").id]
    assert (missing.status, missing.reason, cell_words.cell_seen(missing)) == (
        Status.NOT_RUN,
        "not run: interrupted",
        "not run",
    )
    assert cautions.cautions(records[factory.cell(1).id].result) == ("core truncated",)
    assert cautions.cautions(records[factory.cell(0).id].result) == (
        "core lost: no journal entry within 20 s",
    )
    near = records[factory.cell(2).id]
    assert cell_words.cell_seen(near) == "SIGSEGV python:Py_FinalizeEx > uwsgi_plugins_atexit"
    emulated, symbol, pystack = cautions.cautions(near.result)
    assert emulated == "the architecture was emulated"
    assert symbol.startswith("nearest symbol:")
    assert pystack == "pystack: no such program"


@pytest.mark.parametrize("stated", [0, 99, None])
@pytest.mark.parametrize(("which", "known"), [("plan", PLAN_SCHEMA), ("result", SCHEMA)])
def test_another_schema_version_is_refused(tmp_path: Path, which: str, known: int, stated: object) -> None:
    folder = factory.write_run(tmp_path)
    edit(folder / "plan.json" if which == "plan" else result_file(folder), schema_version=stated)
    with pytest.raises(InputError, match=rf"schema version.*, this program reads {known}") as caught:
        factory.load(folder)
    assert caught.value.exit_code == EXIT_INPUT
    assert str(folder) in str(caught.value)


def test_a_newer_schema_with_new_fields_is_refused_for_its_version(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path)
    edit(result_file(folder), schema_version=99, novelty=True)
    with pytest.raises(InputError, match="schema version 99"):
        factory.load(folder)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null", b'{"schema_version": KNOWN}', b"\xff\xfe", b"[" * 5000]
)
@pytest.mark.parametrize(("which", "known"), [("plan", PLAN_SCHEMA), ("result", SCHEMA)])
def test_a_damaged_document_is_refused_by_name(tmp_path: Path, which: str, known: int, damage: bytes) -> None:
    folder = factory.write_run(tmp_path)
    path = folder / "plan.json" if which == "plan" else result_file(folder)
    path.write_bytes(damage.replace(b"KNOWN", str(known).encode()))
    with pytest.raises(InputError, match=f"not a readable {path.name}"):
        factory.load(folder)


def test_a_folder_without_a_plan_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no plan\.json"):
        factory.load(tmp_path)


def test_the_result_of_another_cell_is_refused(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path)
    other = folder / "cells" / factory.cell(2).id / "result.json"
    result_file(folder).write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="result of another cell"):
        factory.load(folder)


@pytest.mark.parametrize("value", ["../../../etc", "a/b", "x\ny", "", "<b>", ".."])
@pytest.mark.parametrize("axis", ["scenario", "python", "probe"])
def test_a_plan_whose_names_would_leave_the_folder_is_refused(tmp_path: Path, axis: str, value: str) -> None:
    folder = factory.write_run(tmp_path)
    document = json.loads((folder / "plan.json").read_bytes())
    document["cells"]["grids"][0][axis][0] = value
    edit(folder / "plan.json", cells=document["cells"])
    with pytest.raises(InputError, match="which no matrix can hold"):
        factory.load(folder)


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({"launcher": ["../../etc"]}, "which no matrix can hold"),
        ({"a b": ["c"]}, "which no matrix can hold"),
        ({"arch": ["mips"]}, "mips"),
        ({"probe": []}, "at least 1 item"),
        ({f"axis{number}": [f"v{value}" for value in range(100)] for number in range(9)}, "than any matrix"),
    ],
)
def test_excluded_cells_that_no_matrix_has_are_refused(
    tmp_path: Path, axes: dict[str, list[str]], says: str
) -> None:
    folder = factory.write_run(tmp_path)
    document = json.loads((folder / "plan.json").read_bytes())
    document["excluded"][0]["axes"] |= axes
    edit(folder / "plan.json", excluded=document["excluded"])
    with pytest.raises(InputError, match=says):
        factory.load(folder)


def test_the_plan_of_an_earlier_version_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path)
    left_out = {"cell": factory.cell().model_dump(mode="json"), "reason": "said", "where": None}
    edit(folder / "plan.json", schema_version=1, excluded=[left_out], cells=[{"cell": left_out["cell"]}])
    with pytest.raises(InputError) as caught:
        factory.load(folder)
    said = str(caught.value)
    assert "plan.json has schema version 1, this program reads 3" in said
    assert "\n" not in said
    with pytest.raises(InputError, match=r"plan\.json has schema version 1"):
        assert RunFolder(folder).plan.cells


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "cells/link", "cells"])
def test_output_outside_the_folder_is_never_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("SECRET", encoding="utf-8")
    wanted = factory.cell()
    seen = factory.crashed_trial(wanted)
    folder = tmp_path / "run"
    factory.write_run(folder, factory.RunSpec(cells=(wanted,)))
    (folder / "cells" / "link").symlink_to(tmp_path / "secret")
    changed = seen.outcome.model_copy(update={"stdout": name})
    result = json.loads(result_file(folder).read_bytes())
    result["trials"][0]["outcome"] = changed.model_dump(mode="json")
    edit(result_file(folder), **result)
    factory.render(folder)
    page = (folder / "cells" / wanted.id / "index.html").read_text(encoding="utf-8")
    assert "is not in the run's folder" in page
    assert "SECRET" not in page + (folder / "junit.xml").read_text(encoding="utf-8")
    assert f'href="{name}"' not in page


def test_a_verdict_of_skip_counts_with_the_excluded(tmp_path: Path) -> None:
    skipped = factory.judged(Verdict.SKIP, "this host cannot run arm64", trials=())
    folder = factory.write_run(tmp_path, factory.RunSpec(changes={factory.cell().id: skipped}))
    data = factory.load(folder)
    assert data.counts[Status.SKIP] == 1
    assert report.headline(data) == "All 11 cells are as expected"
