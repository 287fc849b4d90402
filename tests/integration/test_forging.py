"""A program that crashes, and that does all it can to be reported as one that ended with 0."""

from pathlib import Path

import pytest

from orchestrator.model import CellResult, CoreState, OutcomeKind, Verdict
from tests.integration.runs import Run, run

ATTACK = Path(__file__).with_name("forging") / "attack.txt"
ATTACKS = ("itself", "report", "supervisor", "traced")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which each cell is one attack, by the same image."""
    project = tmp_path_factory.mktemp("forging")
    (project / "scenarios").mkdir()
    (project / "matrix.yaml").write_text(f"schema: 1\naxes: {{attack: [{', '.join(ATTACKS)}]}}\n")
    (project / "attack.py").write_bytes(ATTACK.read_bytes())
    (project / "scenarios/forge.yaml").write_text("schema: 1\nscript: attack.py\ntimeout: 20\n")
    selection = ("--python", "3.11", "--glibc", "2.36", "--launcher", "plain")
    return run(*selection, reports=project / "reports", project=project)


def result_of(attacked: Run, attack: str) -> CellResult:
    (result,) = (found for name, found in attacked.results.items() if name.endswith(f"+attack={attack}"))
    return result


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_crash_is_reported_whatever_the_program_does_to_its_supervisor(attacked: Run, attack: str) -> None:
    result = result_of(attacked, attack)
    (trial,) = result.trials
    said = (attacked.folder / trial.outcome.stdout).read_text()
    assert said.startswith("attacks ")
    assert [line for line in said.splitlines() if line.startswith("done ")] == []
    assert (result.judgement.verdict, trial.outcome.kind) == (Verdict.FAIL, OutcomeKind.SIGNAL)
    assert result.judgement.reason.startswith("SIGSEGV ")
    assert trial.core.state is CoreState.FOUND
    assert trial.crash


def test_the_program_is_a_plain_user_without_capabilities(attacked: Run) -> None:
    (trial,) = result_of(attacked, "itself").trials
    said = [(attacked.folder / path).read_text() for path in (trial.outcome.stdout, trial.outcome.stderr)]
    none = "0000000000000000"
    assert said[0].splitlines()[1] == (
        "(1000, 1000, 1000) (1000, 1000, 1000) [1000] /work "
        f"[['CapInh:', '{none}'], ['CapPrm:', '{none}'], ['CapEff:', '{none}'], ['NoNewPrivs:', '1']] 1"
    )
    assert all(text.endswith("written\n") for text in said)


def test_each_attack_was_tried(attacked: Run) -> None:
    """A refusal that was not asked for proves nothing."""
    for attack, least in {"report": 7, "supervisor": 70}.items():
        (trial,) = result_of(attacked, attack).trials
        said = (attacked.folder / trial.outcome.stdout).read_text()
        assert said.count("refused ") >= least, said
