"""Under which terms a cell runs: trials, time, options, and ids that make a folder."""

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.instruments import INSTRUMENTS
from orchestrator.matrix import Request, load_matrix, select
from orchestrator.matrix.terms import MAX_ID
from orchestrator.model import Catalogue, CellTerms, SelectedCells, Survival

ONE = {"python": ("3.9",), "glibc": ("2.31",), "probe": ("cpp",), "launcher": ("plain",)}


def selected(project: Path, catalogue: Catalogue, request: Request) -> tuple[SelectedCells, ...]:
    matrix = load_matrix(project / "matrix.yaml", project / "scenarios")
    return select(matrix, catalogue, request).cells


def terms(project: Path, catalogue: Catalogue, added: str, **request: object) -> CellTerms:
    """The terms of one cell of a scenario that has these lines too."""
    path = project / "scenarios/tls-atexit/scenario.yaml"
    path.write_text(path.read_text().replace("probes:\n", f"{added}\nprobes:\n"))
    asked = {"axes": ONE, **request}
    (found,) = selected(project, catalogue, Request(**asked))  # type: ignore[arg-type]
    return found.terms


@pytest.mark.parametrize(
    ("added", "trials", "together"),
    [
        ("", 1, 1),
        ("trials: 10", 10, 10),
        ("trials: 40", 40, 32),
        ("trials: 40\nshare: 20", 40, 20),
        ("trials: 10\nshare: 20", 10, 10),
    ],
)
def test_a_scenario_s_trials_share_containers(
    project: Path, catalogue: Catalogue, added: str, trials: int, together: int
) -> None:
    found = terms(project, catalogue, added)
    assert (found.trials, found.trials_per_container) == (trials, together)


def test_a_claim_to_survive_sets_the_number_of_trials(project: Path, catalogue: Catalogue) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    path.write_text(path.read_text().replace("    status: 0\n", "    status: 0\n    survive: {rate: 0.05}\n"))
    most = Survival(rate=0.05).design.most
    assert terms(project, catalogue, "trials: 3").trials == most > 3
    assert terms(project, catalogue, "", trials=7).trials == 7


@pytest.mark.parametrize("name", ["none", "valgrind", "strace"])
def test_a_trial_under_an_instrument_gets_its_slowdown_in_time(
    project: Path, catalogue: Catalogue, name: str
) -> None:
    axes = {**ONE, "instrument": (name,)}
    slowdown = INSTRUMENTS[name].slowdown if name in INSTRUMENTS else 1
    found = terms(project, catalogue, f"trials: 2\naxes: {{instrument: [{name}]}}", axes=axes)
    assert found.timeout == 10 * slowdown
    assert found.trials_per_container == (2 if name == "none" else 1)
    assert INSTRUMENTS["valgrind"].slowdown > 1


def test_a_flag_for_time_is_taken_as_it_is(project: Path, catalogue: Catalogue) -> None:
    axes = {**ONE, "instrument": ("valgrind",)}
    assert terms(project, catalogue, "axes: {instrument: [valgrind]}", axes=axes, timeout=5.0).timeout == 5


def test_options_of_all_entries_that_match_add_up_in_their_order(project: Path, catalogue: Catalogue) -> None:
    entries = (
        "launcher_options:\n"
        "  - {when: 'launcher == \"plain\"', options: [-X, dev]}\n"
        "  - {when: 'launcher == \"uwsgi\"', options: [--master]}\n"
        "  - {when: 'glibc == \"2.31\"', options: [-B]}"
    )
    assert terms(project, catalogue, entries).options == ("-X", "dev", "-B")


@pytest.mark.parametrize("longest", [MAX_ID, MAX_ID + 1])
def test_an_id_has_as_many_characters_as_a_folder_s_name_allows(
    project: Path, catalogue: Catalogue, longest: int
) -> None:
    """Of each axis the value counts that is longest in the id: `none` is left out, a version may be long."""
    path = project / "scenarios/tls-atexit/scenario.yaml"
    usual = "tls-atexit/py3.9-glibc2.31-x86_64-plain-cpp+aaaa=" + "c" * 64 + "+bbbb=" + "d" * 40 + "+cccc="
    filler = "a" * (longest - len(usual))
    axes = f"axes: {{aaaa: [none, e, {'c' * 64}], bbbb: [{'d' * 40}, none], cccc: [none, {filler}, y]}}"
    path.write_text(path.read_text().replace("probes:\n", f"{axes}\nprobes:\n"))
    if longest <= MAX_ID:
        assert selected(project, catalogue, Request(axes=ONE))
        return
    with pytest.raises(InputError) as caught:
        selected(project, catalogue, Request(axes=ONE))
    assert caught.value.what == (
        f"the id of a cell has {longest} characters; a folder's name allows {MAX_ID}: {usual}{filler}"
    )
    assert caught.value.hint == "shorten the names of its axes and values"


@pytest.mark.parametrize(
    ("when", "request_", "says"),
    [
        ("'false'", Request(axes=ONE), "no rule matches cell tls-atexit/py3.9-glibc2.31-x86_64-plain-cpp"),
        (
            "'false'",
            Request(axes={**ONE, "probe": ("cpp", "rust")}),
            "no rule matches cell tls-atexit/py3.9-glibc2.31-x86_64-plain-cpp and 1 more",
        ),
        (
            "'true'",
            Request(axes={**ONE, "launcher": ("uwsgi",)}),
            "several rules match cell tls-atexit/py3.9-glibc2.31-x86_64-uwsgi-cpp: FILE:10:5 and FILE:15:5",
        ),
    ],
)
def test_cells_that_not_one_rule_matches_are_named(
    project: Path, catalogue: Catalogue, when: str, request_: Request, says: str
) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    path.write_text(path.read_text().replace("""'launcher == "plain"'""", when))
    with pytest.raises(InputError) as caught:
        selected(project, catalogue, request_)
    assert caught.value.what == f"scenario tls-atexit: {says.replace('FILE', str(path))}"
    assert caught.value.hint == "exactly one `when` under `expect` must match each cell"
