"""junit.xml: held to the schema of Jenkins' xunit plugin, read by junitparser and as its readers show it."""

from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase
from lxml import etree

from orchestrator.adapters.files import write_atomically
from orchestrator.model import Verdict
from orchestrator.report.junit import OUTPUT, junit_xml, located_junit_xml
from orchestrator.rundir import Status
from tests.unit import junit_readers as readers
from tests.unit import run_factory as factory
from tests.unit.large_run import write_large

SCHEMA = Path(__file__).parent.parent / "data" / "junit.xsd"
CLASS = "crashmatrix.tls-atexit"
HOSTILE = b"\x1b[31mred\x1b[0m ]]> <script>alert(1)</script> \0 \xff \xe2\x80\xae \xed\xa0\x80 &amp; \x0c\n"


def cases(folder: Path) -> dict[str, TestCase]:
    """The cases by name, which readers like GitLab's show alone: each stands once."""
    path = folder / "junit.xml"
    write_atomically(path, junit_xml(factory.load(folder)))
    assert_valid(path)
    suites = JUnitXml.fromfile(str(path))
    found = {str(case.name): case for suite in suites for case in suite}
    assert len(found) == sum(len(list(suite)) for suite in suites)
    return found


def assert_valid(path: Path) -> None:
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(etree.parse(path))


def test_one_suite_a_scenario_and_one_case_a_cell(tmp_path: Path) -> None:
    found = cases(factory.write_run(tmp_path, factory.RunSpec()))
    assert len(found) == 12
    assert all(case.is_passed for case in found.values())
    case = found["tls-atexit/py3.13-glibc2.41-x86_64-uwsgi-cpp"]
    assert case.time == pytest.approx(1.734)
    assert "segmentation fault" in str(case.system_err)
    document = etree.parse(tmp_path / "junit.xml")
    (suite,) = document.findall("testsuite")
    assert (suite.get("name"), suite.get("file")) == (CLASS, "scenarios/tls-atexit/scenario.yaml")
    properties = {item.get("name"): item.get("value") for item in suite.findall("properties/property")}
    axes = {"python": "3.9, 3.11, 3.13", "arch": "x86_64", "launcher": "plain, uwsgi", "emulated": "false"}
    assert axes.items() <= properties.items()


def test_failures_errors_and_skips_are_apart(tmp_path: Path) -> None:
    found = cases(factory.bad_run(tmp_path))
    kinds = {key: type(case.result[0]) for key, case in found.items() if case.result}
    assert kinds.pop("tls-atexit/py3.9-glibc2.31-x86_64-uwsgi-rust") is Failure
    assert kinds.pop("tls-atexit/py3.9-glibc2.31-x86_64-uwsgi-cpp") is Error
    assert kinds.pop("tls-atexit/py3.13-glibc2.41-x86_64-plain-rust") is Error
    assert set(kinds.values()) == {Skipped}
    assert len(kinds) == 24
    document = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert (document.tests, document.failures, document.errors) == (36, 1, 2)


def test_a_failure_says_what_was_seen_and_where_to_look(tmp_path: Path) -> None:
    found = cases(factory.bad_run(tmp_path))
    failure = found["tls-atexit/py3.9-glibc2.31-x86_64-uwsgi-rust"].result[0]
    said = str(failure.text)
    assert failure.message == "saw SIGSEGV atexit_handler; expected exit 0"
    assert "#5   (anonymous namespace)::atexit_handler+0x1c" in said
    assert "<signal handler called>" in said
    assert "repeat: nox -s matrix -- --cell tls-atexit/py3.9" in said
    missing = found["tls-atexit/py3.13-glibc2.41-x86_64-plain-rust"].result[0]
    assert (missing.type, missing.message) == ("not run", "not run: interrupted")


def test_hostile_output_reaches_it_as_text(tmp_path: Path) -> None:
    reason = "saw \x1b[1m]]> <b>\ud7ff\0\u202e\nsecond line"
    changes = {factory.cell().id: factory.judged(Verdict.FAIL, reason)}
    found = cases(
        factory.write_run(tmp_path, factory.RunSpec(changes=changes, stdout=HOSTILE, stderr=HOSTILE))
    )
    case = found["tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp"]
    assert str(case.system_out) == (
        "red ]]> <script>alert(1)</script> ␀ \\xff ⟨U+202E⟩ \\xed\\xa0\\x80 &amp; ␌\n"
    )
    assert case.result[0].message == "saw ]]> <b>\ud7ff␀⟨U+202E⟩ second line"


def test_long_output_is_cut_with_the_place_of_the_whole(tmp_path: Path) -> None:
    found = cases(factory.write_run(tmp_path, factory.RunSpec(stdout=b"A" * 300_000 + b"END")))
    said = str(found["tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp"].system_out)
    assert len(said) < 70_000
    assert said.endswith("END")
    assert f"the whole is in cells/{factory.cell().id}/trial-1/stdout.txt]" in said


def test_of_many_cells_the_worst_are_told_in_full_and_the_document_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.report.packing.STATIC_PAGES", 40)
    found = cases(write_large(tmp_path, 2_000))
    kinds = [type(case.result[0]) if case.result else None for case in found.values()]
    assert kinds.count(Failure) > 40
    assert len(found) == 2_024
    told = [case for case in found.values() if case.result and "axes: " in str(case.result[0].text)]
    brief = [case for case in found.values() if case.result and "axes: " not in str(case.result[0].text)]
    assert len(told) == 40
    failure = next(case for case in brief if type(case.result[0]) is Failure).result[0]
    assert str(failure.message).startswith("saw ")
    page = str(failure.text).rpartition("page: ")[2]
    assert page.startswith("cell.html#")
    assert "repeat: nox -s matrix -- --cell" in str(failure.text)
    passed = next(case for case in found.values() if case.is_passed)
    assert str(passed.system_out).endswith("as expected")
    assert (tmp_path / "junit.xml").stat().st_size < 700 * len(found)


def test_the_output_of_all_cells_together_is_bounded(tmp_path: Path) -> None:
    loud = factory.RunSpec(stdout=b"A" * 200_000, stderr=b"B" * 200_000)
    cases(factory.write_run(tmp_path, loud))
    assert (tmp_path / "junit.xml").stat().st_size < OUTPUT + 60_000


def test_own_axes_are_in_the_name(tmp_path: Path) -> None:
    cell = factory.cell(1, "uwsgi", "cpp", flags="O2")
    found = cases(factory.write_run(tmp_path, factory.RunSpec(cells=(cell,))))
    assert list(found) == ["tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp+flags=O2"]


def test_times_that_add_up_to_many_digits_fit_the_schema(tmp_path: Path) -> None:
    def lasting(seconds: float) -> factory.Change:
        return lambda result: result.model_copy(update={"seconds": seconds})

    changes = {factory.cell(0).id: lasting(0.1), factory.cell(0, "uwsgi", "rust").id: lasting(0.2)}
    cases(factory.write_run(tmp_path, factory.RunSpec(changes=changes)))
    assert etree.parse(tmp_path / "junit.xml").getroot().get("time") == "17.640"


def test_every_reader_tells_the_cells_apart_and_shows_the_reason(tmp_path: Path) -> None:
    path = factory.bad_run(tmp_path) / "junit.xml"
    cases(tmp_path)
    records = {record.id: record for record in factory.load(tmp_path).records}
    wrong = {
        name: record for name, record in records.items() if record.status not in (Status.PASS, Status.SKIP)
    }
    assert len(wrong) == 3
    for reader in readers.READERS:
        shown = reader(path)
        assert len({item.title for item in shown}) == len(shown), reader
        for name, record in wrong.items():
            (item,) = (item for item in shown if name in item.title)
            assert item.text.startswith(f"{record.reason}\n"), reader
            assert item.first in ("", record.reason), reader


def test_jenkins_reads_the_scenario_as_the_class_and_no_value_is_cut(tmp_path: Path) -> None:
    cell = factory.cell().model_copy(update={"scenario": "app.v1.2"})
    changes = {cell.id: factory.judged(Verdict.FAIL, "no")}
    cases(factory.write_run(tmp_path, factory.RunSpec(cells=(cell,), changes=changes)))
    (shown,) = readers.jenkins(tmp_path / "junit.xml")
    assert shown.title == f"crashmatrix » app_v1_2 » {cell.id}"


def test_a_reader_of_the_suite_s_file_finds_the_line_in_the_text(tmp_path: Path) -> None:
    cases(factory.bad_run(tmp_path))
    shown = {item.title: item for item in readers.mikepenz(tmp_path / "junit.xml")}
    failed = next(item for title, item in shown.items() if title.endswith("uwsgi-rust"))
    assert (failed.file, failed.line) == ("scenarios/tls-atexit/scenario.yaml", 12)


def test_with_locations_each_case_has_its_rule_s_file_and_line(tmp_path: Path) -> None:
    path = factory.bad_run(tmp_path) / "junit.xml"
    write_atomically(path, located_junit_xml(factory.load(tmp_path)))
    for reader in (readers.dorny, readers.mikepenz, readers.publish_unit_test_result):
        failed = next(item for item in reader(path) if "uwsgi-rust" in item.title)
        assert (failed.file, failed.line) == ("scenarios/tls-atexit/scenario.yaml", 12), reader
    assert {item.file for item in readers.gitlab(path) if item.text.startswith("saw")} == {
        "scenarios/tls-atexit/scenario.yaml"
    }
    with pytest.raises(etree.DocumentInvalid, match="'file' is not allowed"):
        assert_valid(path)


def test_a_skipped_cell_says_its_reason_in_its_text_too(tmp_path: Path) -> None:
    cases(factory.bad_run(tmp_path))
    skipped = next(item for item in readers.gitlab(tmp_path / "junit.xml") if "py3.9-glibc2.41" in item.title)
    assert skipped.text == "the base with glibc 2.41 brings CPython 3.13\nrule: images/catalogue.yaml"
