"""Races: several trials of a cell, a few in each container."""

from pathlib import Path
from xml.sax.saxutils import unescape

from orchestrator.model import CellResult, CoreState, OutcomeKind, Trial, Verdict
from tests.integration.runs import Run, add_scenario, ask


def only_result(ended: Run) -> CellResult:
    (result,) = ended.results.values()
    return result


def check_core(ended: Run, trial: Trial) -> None:
    """The core is this very trial's: its process id, which the process itself said, is the core's."""
    assert trial.core.state is CoreState.FOUND
    assert trial.crash is not None
    assert trial.crash.crashed_thread is not None
    assert trial.crash.crashed_thread.tid == trial.outcome.pid
    said = (ended.folder / trial.outcome.stdout).read_text()
    assert said == f"pid {trial.outcome.pid} []\n"  # and /tmp was empty


def test_a_race_is_lost_within_a_few_trials_of_one_container(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "race", "outcome: signal, signal: SIGABRT", more="trials: 60\n")
    ended = ask(project, tmp_path, "race")
    assert ended.code == 0, ended.stdout + ended.stderr
    result = only_result(ended)
    crashed = result.trials[-1]
    check_core(ended, crashed)
    assert result.rate is not None
    assert (result.rate.count, result.rate.trials) == (1, crashed.number)
    assert len(result.trials) + result.not_kept == crashed.number
    folders = list((ended.folder / "cells" / result.cell.id).glob("trial-*"))
    assert len(folders) == len(result.trials)


def test_crashes_between_quiet_trials_keep_their_own_cores(project: Path, tmp_path: Path) -> None:
    """Every second trial crashes, so that the test goes on over several crashes and containers.

    So certain an answer needs more trials than there are: all run, and all are quiet once in a million times.
    """
    survive = "outcome: exit, status: 0, survive: {rate: 0.6, tolerate: 0.4, confidence: 0.9999999}"
    add_scenario(project, "coin", survive)
    ended = ask(project, tmp_path, "coin", "--trials", "20")
    result = only_result(ended)
    crashed = [trial for trial in result.trials if trial.outcome.signal]
    assert 0 < len(crashed) < 20
    for trial in crashed:
        check_core(ended, trial)
    assert len({trial.core.path for trial in crashed}) == len(crashed)
    assert result.rate is not None
    assert result.rate.count == len(crashed)
    assert result.rate.trials == len(result.trials) + result.not_kept
    assert len({trial.outcome.container for trial in result.trials}) > 1


def test_fifty_nine_quiet_trials_share_one_container(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "quiet", "outcome: exit, status: 0, survive: {rate: 0.05}")
    ended = ask(project, tmp_path, "quiet")
    assert ended.code == 0, ended.stdout + ended.stderr
    result = only_result(ended)
    assert result.judgement.reason == (
        "exit 0, as expected; rate under 5 % with 95 % confidence after 59 trials"
    )
    assert (len(result.trials), result.not_kept) == (3, 56)
    assert len({trial.outcome.container for trial in result.trials}) == 1


def test_a_race_that_should_be_quiet_fails_at_its_first_crash(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "race", "outcome: exit, status: 0, survive: {rate: 0.05}")
    ended = ask(project, tmp_path, "race")
    assert ended.code == 1, ended.stdout + ended.stderr
    result = only_result(ended)
    assert result.judgement.verdict is Verdict.FAIL
    assert result.judgement.reason.startswith("saw SIGABRT")
    check_core(ended, result.trials[-1])


NUMBERS = "axes: {number: [n1, n2, n3, n4]}\n"


def test_cells_of_one_image_share_a_container_until_one_fails(project: Path, tmp_path: Path) -> None:
    """The third of four fails: it is told that it was not the first, and the fourth has another container."""
    add_scenario(project, "numbered", "outcome: exit, status: 0", more=NUMBERS)
    ended = ask(project, tmp_path, "numbered", "--jobs", "1")
    assert ended.code == 1, ended.stdout + ended.stderr
    results = [ended.results[cell] for cell in sorted(ended.results)]
    assert [result.judgement.verdict for result in results] == [
        Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.PASS
    ]  # fmt: skip
    outcomes = [trial.outcome for result in results for trial in result.trials]
    first, second, third, fourth = (outcome.container for outcome in outcomes)
    assert first == second == third != fourth
    notes = [note for outcome in outcomes for note in outcome.notes]
    assert notes == ["2 cells ran in its container before it; `share: 1` in the scenario gives each its own"]


def test_a_scenario_gives_each_cell_a_container_of_its_own(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "numbered", "outcome: exit, status: 0", more=f"{NUMBERS}share: 1\n")
    ended = ask(project, tmp_path, "numbered", "--jobs", "1")
    trials = [trial for result in ended.results.values() for trial in result.trials]
    assert len({trial.outcome.container for trial in trials}) == len(trials) == 4
    assert not any(trial.outcome.notes for trial in trials)


def test_a_race_that_is_never_lost_is_not_the_expected_crash(project: Path, tmp_path: Path) -> None:
    add_scenario(project, "quiet", "outcome: signal, signal: SIGABRT", more="trials: 20\nshare: 20\n")
    ended = ask(project, tmp_path, "quiet")
    assert ended.code == 1
    assert only_result(ended).judgement.reason == (
        "saw exit 0; expected SIGABRT (0 of 20 trials as expected: rate under 14 % with 95 % confidence)"
    )


def test_a_crash_of_a_grandchild_is_found_though_its_parents_end_with_0(
    project: Path, tmp_path: Path
) -> None:
    add_scenario(project, "grandchild", "outcome: exit, status: 0, children: forbidden")
    ended = ask(project, tmp_path, "grandchild")
    assert ended.code == 1, ended.stdout + ended.stderr
    result = only_result(ended)
    assert result.judgement.verdict is Verdict.FAIL
    (trial,) = result.trials
    assert (trial.outcome.kind, trial.outcome.status, trial.outcome.others) == (OutcomeKind.EXIT, 0, ())
    assert trial.core.state is CoreState.NONE
    first, second = trial.others
    for other in (first, second):
        assert (other.process.role, other.process.signal, other.core.state) == (
            "child",
            "SIGSEGV",
            CoreState.FOUND,
        )
        assert other.crash is not None
        assert other.crash.crashed_thread is not None
        assert other.crash.crashed_thread.tid == other.process.pid
        assert other.crash.signal.fault_address == "0x10"
    assert first.core.path != second.core.path
    signature = first.crash.signature if first.crash else ""
    assert result.judgement.reason == (
        f"saw exit 0, and {signature} of child process python3 and 1 more; no other process may crash"
    )
    junit = unescape((ended.folder / "junit.xml").read_text())
    assert f"signature of child process python3: {signature}\n" in junit
    assert list((ended.folder / "signatures").glob("*.html"))


def test_an_expected_crash_of_a_child_passes_by_its_own_signal_and_frames(
    project: Path, tmp_path: Path
) -> None:
    expect = "outcome: exit, status: 0, children: crash, signal: SIGSEGV, fault_address: '== 0x10'"
    add_scenario(project, "grandchild", f"{expect}, frames: [Py_BytesMain]")
    ended = ask(project, tmp_path, "grandchild")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "; of another process SIGSEGV" in only_result(ended).judgement.reason


def test_a_process_that_writes_its_core_when_its_time_is_up_has_crashed(
    project: Path, tmp_path: Path
) -> None:
    """It crashes a second before its time is up; the kernel writes 3 GiB of zeros for longer than that."""
    add_scenario(project, "long-dump", "outcome: signal, signal: SIGSEGV, frames: [string_at]", timeout=5)
    ended = ask(project, tmp_path, "long-dump")
    assert ended.code == 0, ended.stdout + ended.stderr
    (trial,) = only_result(ended).trials
    assert (trial.outcome.kind, trial.core.truncated) == (OutcomeKind.SIGNAL, False)


def test_a_core_that_a_child_still_writes_when_its_parent_ends_is_whole(
    project: Path, tmp_path: Path
) -> None:
    add_scenario(project, "left-dumping", "outcome: exit, status: 0")
    ended = ask(project, tmp_path, "left-dumping")
    assert ended.code == 0, ended.stdout + ended.stderr
    ((other,),) = (trial.others for trial in only_result(ended).trials)
    assert (other.process.signal, other.core.truncated) == ("SIGABRT", False)
    assert other.crash is not None
    assert not other.crash.truncated
