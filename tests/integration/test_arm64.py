"""arm64 under qemu-user: cells with their own cores, and no hang. Left out where arm64 is native.

Warm, 76 s at a load of 10 on two cores. What it needs first is bookworm's arm64 base, the cheapest with a
CPython of its own and debug files: 104 s of processor time, 207 to 363 s as measured under load. The probes'
builder for arm64 comes on top; the one for the host is what other tests need too. Slow tests build the
portable CPython for arm64 (1021 s at that load).
"""

from pathlib import Path

import pytest

from orchestrator.binary.core.corefile import open_core
from orchestrator.host import HostPaths, probe
from orchestrator.model import CellResult, CoreState, Verdict
from tests.integration.runs import add_scenario, run

pytestmark = pytest.mark.skipif(probe.emulation(HostPaths()).native, reason="arm64 is native here")


def ask_arm64(project: Path, tmp_path: Path, scenario: str, expect: str, *, timeout: int) -> CellResult:
    add_scenario(project, scenario, expect, timeout=timeout)
    cell = f"{scenario}/py3.11-glibc2.36-arm64-plain-cpp"
    ended = run("--cell", cell, reports=tmp_path / "reports", project=project)
    (result,) = ended.results.values()
    assert result.judgement.verdict is Verdict.PASS, ended.stdout + ended.stderr
    assert result.trials[0].outcome.emulated
    assert ended.code == 0
    return result


def test_a_guests_core_is_read_and_the_emulators_own_is_left_aside(project: Path, tmp_path: Path) -> None:
    expect = "outcome: signal, signal: SIGSEGV, frames: [string_at, thread_run, start_thread]"
    result = ask_arm64(project, tmp_path, "guest-crash", expect, timeout=20)
    (trial,) = result.trials
    assert trial.core.state is CoreState.FOUND
    assert trial.core.note == (
        "written by qemu-user; this host also stored a core of the emulator itself, which was left aside"
    )
    assert trial.crash is not None
    assert trial.crash.arch == "arm64"
    assert len(trial.crash.threads) == 2
    names = {Path(module.path).name for module in trial.crash.modules}
    assert {"libc.so.6", "ld-linux-aarch64.so.1"} <= names
    frames = [frame for thread in trial.crash.threads for frame in thread.native]
    assert any(frame.function == "Py_RunMain" and frame.exact for frame in frames)
    assert trial.crash.crashed_thread is not None
    assert {"x0", "x29", "sp", "pc"} <= trial.crash.crashed_thread.registers.keys()
    assert any("not checked" in warning for warning in trial.crash.warnings)
    assert trial.core.path is not None
    with open_core(next(tmp_path.glob(f"reports/*/{trial.core.path}"))) as core:
        assert core.arch == "arm64"


def test_a_hanging_guest_ends_with_its_core(project: Path, tmp_path: Path) -> None:
    result = ask_arm64(project, tmp_path, "hang", "outcome: hang", timeout=2)
    (trial,) = result.trials
    assert (trial.outcome.signal, trial.core.state) == ("SIGABRT", CoreState.FOUND)
    assert trial.crash is not None
    assert any(frame.function == "Py_RunMain" for frame in trial.crash.threads[0].native)
    assert trial.crash.signature == "hang python:pysleep"
    (said,) = trial.crash.waits
    assert "waits in clock_nanosleep, called by pysleep" in said


def test_a_guest_whose_core_is_being_written_when_its_time_is_up_has_crashed(
    project: Path, tmp_path: Path
) -> None:
    """It crashes 2 s before its time is up, and gets almost no time of the processor for its core."""
    expect = "outcome: signal, signal: SIGSEGV, frames: [string_at]"
    (trial,) = ask_arm64(project, tmp_path, "late-guest", expect, timeout=20).trials
    assert trial.outcome.seconds > 20
    assert trial.core.state is CoreState.FOUND
    assert not trial.core.truncated


def test_story_5s_stale_array_is_told_from_a_guests_core(project: Path, tmp_path: Path) -> None:
    expect = "outcome: signal, signal: SIGSEGV, frames: [getenv]"
    result = ask_arm64(project, tmp_path, "guest-stale", expect, timeout=20)
    crash = result.trials[0].crash
    assert crash is not None
    assert crash.crash.function in ("getenv", "__GI_getenv")
    assert crash.environment is not None
    walked = crash.environment.walked
    assert walked is not None
    assert [variable.name for variable in walked.added] == ["SSL_CERT_FILE", "SSL_CERT_DIR"]
    assert (walked.kept, walked.overwritten) == (len(crash.environment.variables) - 3, 1)
    assert walked.removed == ()


def test_story_3_is_asked_of_guests_too(tmp_path: Path) -> None:
    """Python's own signal handler faults, and qemu writes no address: the instruction tells it."""
    cell = "finalize-signal/py3.11-glibc2.36-arm64-plain-cpp+call=chain+caller=c-atexit+registered=load"
    ended = run("--cell", cell, reports=tmp_path)
    assert ended.code == 0, ended.stdout + ended.stderr
    crash = ended.results[cell].trials[0].crash
    assert crash is not None
    assert (crash.signal.code, crash.signal.fault_address) == ("SEGV_MAPERR", "0x28")


@pytest.mark.slow
def test_a_crash_in_a_wheel_of_the_other_architecture_is_read(tmp_path: Path) -> None:
    """A recursion without a limit, until orjson 3.9.15: the wheel is arm64's, as are its frames."""
    folder = tmp_path / "project"
    (folder / "scenarios").mkdir(parents=True)
    (folder / "matrix.yaml").write_text("schema: 1\n")
    (folder / "repro.py").write_text('import orjson\norjson.loads("[" * 200_000 + "]" * 200_000)\n')
    scenario = "schema: 1\nscript: repro.py\npackages: {orjson: ['3.9.14', '3.9.15']}\n"
    (folder / "scenarios" / "repro.yaml").write_text(scenario)
    cells = [f"repro/py3.11-glibc2.36-arm64-plain+orjson={version}" for version in ("3.9.14", "3.9.15")]
    flags = [word for cell in cells for word in ("--cell", cell)]
    ended = run(*flags, reports=folder / "reports", project=folder)
    assert ended.code == 1, ended.stdout + ended.stderr
    old, new = (ended.results[cell] for cell in cells)
    assert "JSONDecodeError" in new.judgement.reason
    (trial,) = old.trials
    assert trial.outcome.emulated
    assert trial.crash
    assert (trial.crash.arch, trial.crash.signal.name) == ("arm64", "SIGSEGV")
    assert "orjson" in trial.crash.signature
    lock = (ended.folder / "locks" / f"{old.lock}.txt").read_text()
    assert "aarch64.whl" in lock


@pytest.mark.slow
def test_story_5s_own_cell_shows_its_backtrace(tmp_path: Path) -> None:
    """glibc 2.17 on arm64: each of 20 runs crashed in its first trial, and the cell takes up to 100."""
    cell = "getenv-race/py3.13-glibc2.17-arm64-plain-cpp+reader=oserror+writer=native"
    ended = run("--cell", cell, reports=tmp_path)
    assert ended.code == 0, ended.stdout + ended.stderr
    trial = ended.results[cell].trials[-1]
    assert trial.outcome.versions == {"python": "3.13.5", "glibc": "2.17"}
    assert trial.crash is not None
    assert trial.crash.crashed_thread is not None
    seen = [frame.function for frame in trial.crash.crashed_thread.native if frame.exact and frame.line]
    story = ["__dcigettext", "strerror", "PyErr_SetFromErrnoWithFilenameObjects", "os_stat"]
    assert [name for name in seen if name in story] == story


@pytest.mark.slow
def test_a_thread_that_is_ended_in_the_portable_interpreter_unwinds_its_cpp_frames(tmp_path: Path) -> None:
    """Without unwind tables in libpython it ended in silence: the frames behind that were passed over."""
    cell = "daemon-thread/py3.13-glibc2.36-arm64-plain-cpp+frame=noexcept+window=during"
    ended = run("--cell", cell, reports=tmp_path)
    assert ended.code == 0, ended.stdout + ended.stderr
    crash = ended.results[cell].trials[0].crash
    assert crash is not None
    assert crash.signal.name == "SIGABRT"
