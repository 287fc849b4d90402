"""Story 2 on the real engine: what becomes of a late thread, by its frames, and the traps that hide it."""

from pathlib import Path

import pytest

from orchestrator.model import CellResult, Verdict
from tests.integration.runs import Run, parts_that_assert_nothing, run

CELL = "daemon-thread/py3.11-glibc2.36-x86_64-plain"


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def ask(project: Path, tmp_path: Path, *cells: str) -> Run:
    flags = [word for cell in cells for word in ("--cell", f"{CELL}-{cell}")]
    return run(*flags, reports=tmp_path / "reports", project=project)


def stack(result: CellResult) -> list[str]:
    (trial,) = result.trials
    assert trial.crash is not None
    assert trial.crash.crashed_thread is not None
    return [frame.function or "?" for frame in trial.crash.crashed_thread.native]


def test_which_frame_stands_on_the_stack_decides(project: Path, tmp_path: Path) -> None:
    names = (
        "cpp+frame=raii+window=during",
        "cpp+frame=noexcept+window=during",
        "c-embed+frame=ensure+window=after",
    )
    ended = ask(project, tmp_path, *names)
    assert ended.code == 0, ended.stdout + ended.stderr
    raii, terminated, embedded = (ended.results[f"{CELL}-{name}"] for name in names)
    assert raii.trials[0].outcome.status == 0
    assert any("without_exceptions" in function for function in stack(terminated))
    assert "PyGILState_Ensure" in stack(embedded)
    assert parts_that_assert_nothing(ended) == []


def test_gcc_drops_a_noexcept_frame_whose_last_call_is_a_jump(project: Path, tmp_path: Path) -> None:
    """The trap that the probe's empty asm avoids: without it nothing terminates, and the cell fails."""
    edit(project / "scenarios/daemon-thread/cpp/latethread.cpp", ('    asm volatile("");\n', ""))
    cell = "cpp+frame=noexcept+window=during"
    ended = ask(project, tmp_path, cell)
    assert ended.code == 1, ended.stdout + ended.stderr
    (trial,) = ended.results[f"{CELL}-{cell}"].trials
    assert (trial.outcome.kind, trial.outcome.status) == ("exit", 0)


def test_an_unwinder_of_its_own_crashes_where_the_story_does_not(project: Path, tmp_path: Path) -> None:
    """Compiled by zig, even the quiet frame dies, of SIGSEGV: hence the probe's toolchain."""
    path = project / "scenarios/daemon-thread/scenario.yaml"
    edit(path, ("module: latethread, toolchain: gcc-2.17}\n  rust", "module: latethread}\n  rust"))
    cell = "cpp+frame=raii+window=during"
    ended = ask(project, tmp_path, cell)
    assert ended.code == 1, ended.stdout + ended.stderr
    result = ended.results[f"{CELL}-{cell}"]
    assert result.judgement.verdict is Verdict.FAIL
    assert result.trials[0].outcome.signal == "SIGSEGV"


@pytest.mark.parametrize(
    ("cell", "right", "wrong"),
    [
        ("noexcept", "terminate called without an active exception", "FATAL: exception not rethrown"),
        ("noexcept", "frames: [abort, _Unwind_ForcedUnwind,", "frames: [abort, catch_all,"),
        ("raii", "absent: 'the thread has the GIL'", "absent: 'the destructor ran'"),
    ],
)
def test_an_expectation_turned_round_fails(
    project: Path, tmp_path: Path, cell: str, right: str, wrong: str
) -> None:
    edit(project / "scenarios/daemon-thread/scenario.yaml", (right, wrong))
    ended = ask(project, tmp_path, f"cpp+frame={cell}+window=during")
    assert ended.code == 1, ended.stdout + ended.stderr
    assert [result.judgement.verdict for result in ended.results.values()] == [Verdict.FAIL]
