import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.adapters.engine import Ended
from orchestrator.errors import EngineError
from orchestrator.execute.exits import exits_of
from orchestrator.execute.leftovers import _is_gone, _owner
from orchestrator.execute.streams import open_streams
from orchestrator.execute.supervisor_report import MAX_BYTES, ProcessExit, parse_report
from orchestrator.model import OutcomeKind

# As the supervisor wrote it in a uWSGI cell on glibc 2.36.
REPORT = (
    b'{"schema": 4, "versions": {"python": "3.11.2", "glibc": "2.36"}}\n{"pid": 8, '
    b'"kind": "signal", "status": null, "signal": "SIGABRT", "core_dumped": true, "interrupted": false, '
    b'"after": 0.002, "seconds": 0.412, "notes": []}\n'
)
CLEAN, KILLED = Ended(status=0, oom=False), Ended(status=137, oom=False)


def process_exit(**changes: object) -> ProcessExit:
    return ProcessExit.model_validate({"pid": 8, "kind": "exit", "status": 0, "seconds": 0.1, **changes})


def test_a_real_time_signal_has_a_number_only() -> None:
    assert parse_report(REPORT.replace(b"SIGABRT", b"SIG41")).trials[0].signal == "SIG41"


def test_a_report() -> None:
    report = parse_report(REPORT)
    (seen,) = report.trials
    assert (seen.kind, seen.signal, seen.core_dumped, seen.pid) == (OutcomeKind.SIGNAL, "SIGABRT", True, 8)
    assert report.versions == {"python": "3.11.2", "glibc": "2.36"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        REPORT.replace(b"SIGABRT", b"<script>"),
        REPORT.replace(b'"schema": 4', b'"schema": 3'),
        REPORT.replace(b'"pid": 8', b'"pid": 0'),
        REPORT.replace(b"0.412", b"-1"),
        REPORT.replace(b"3.11.2", b"x" * 600),
        REPORT[:-2] + b', "more": 1}\n',
        REPORT.partition(b"\n")[2],
        b"\n" + REPORT,
        b" " * (MAX_BYTES + 1),
    ],
)
def test_a_forged_report_is_infrastructure_trouble_and_no_verdict(raw: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        parse_report(raw)
    assert caught.value.exit_code == 3


def test_a_failure_of_the_supervisor_is_its_last_word() -> None:
    failed = parse_report(REPORT + b'{"failure": "OSError: no room"}\n')
    assert (len(failed.trials), failed.failure) == (1, "OSError: no room")
    with pytest.raises(EngineError):
        parse_report(REPORT + b'{"failure": "x"}\n' + REPORT.splitlines(keepends=True)[1])


def test_a_line_that_was_cut_off_is_no_exit() -> None:
    one = REPORT.splitlines()[1]
    assert len(parse_report(REPORT + one).trials) == 1
    assert len(parse_report(REPORT + one + b"\n").trials) == 2


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_an_engine_error(raw: bytes) -> None:
    with pytest.raises(EngineError):
        parse_report(raw)


def test_the_engine_knows_what_the_supervisor_could_not_tell() -> None:
    quiet, killed = process_exit(), process_exit(kind="signal", status=None, signal="SIGKILL")
    assert exits_of([quiet, quiet], CLEAN, False, 1) == (quiet, quiet)
    oom = exits_of([quiet, killed], Ended(status=0, oom=True), False, 1)
    assert [item.kind for item in oom] == [OutcomeKind.EXIT, OutcomeKind.OOM]
    gone = exits_of([quiet], Ended(status=137, oom=True), False, 1)
    assert [item.kind for item in gone] == [OutcomeKind.EXIT, OutcomeKind.OOM]
    stuck = exits_of([quiet], KILLED, True, 1)
    assert [item.kind for item in stuck] == [OutcomeKind.EXIT, OutcomeKind.HANG]


@pytest.mark.parametrize("told", [[], [process_exit()], [process_exit(), process_exit(interrupted=True)]])
def test_a_trial_that_was_stopped_from_outside_is_no_verdict(told: list[ProcessExit]) -> None:
    with pytest.raises(EngineError):
        exits_of(told, KILLED, False, 1)


def test_streams_are_kept_apart_and_a_cut_is_said(tmp_path: Path) -> None:
    with open_streams([tmp_path / "trial-1"], limit=5) as streams:
        streams.write("stdout", b"abc")
        streams.write("stderr", b"\x00\xff")
        streams.write("stdout", b"defg")
        streams.write("stdout", b"h")
        assert streams.truncated(0) == ("stdout",)
    assert (tmp_path / "trial-1" / "stdout.txt").read_bytes() == b"abcde"
    assert (tmp_path / "trial-1" / "stderr.txt").read_bytes() == b"\x00\xff"


MARK = b"\x1ecrashmatrix 00ff\x1e\n"


@given(st.lists(st.binary(max_size=40) | st.just(MARK[:-1]), min_size=1, max_size=4), st.integers(1, 30))
def test_shared_streams_come_apart_at_the_marks(outputs: list[bytes], size: int) -> None:
    whole = MARK.join(outputs)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(number) for number in range(len(outputs))]
        with open_streams(folders, MARK) as streams:
            for start in range(0, len(whole), size):
                streams.write("stderr", whole[start : start + size])
        assert [(folder / "stderr.txt").read_bytes() for folder in folders] == outputs


def test_a_cut_is_the_trials_in_which_it_came(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(3)]
    with open_streams(folders, MARK, limit=4) as streams:
        streams.write("stdout", b"abc" + MARK + b"defgh" + MARK + b"i")
        streams.flush()
        assert [streams.truncated(index) for index in range(3)] == [(), ("stdout",), ()]
    assert [(folder / "stdout.txt").read_bytes() for folder in folders] == [b"abc", b"defg", b"i"]


def test_an_owner_is_gone_when_its_process_is_or_its_pid_was_reused() -> None:
    mine = _owner(1)
    assert mine is not None
    assert not _is_gone(mine)
    assert _is_gone(f"{mine}9")  # the same pid, started at another time
    assert not _is_gone(f"elsewhere-{mine}")  # another host's processes cannot be seen from here
