from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import EngineError
from orchestrator.execute.fate import MAX_BYTES, parse_fate
from orchestrator.execute.leftovers import _is_gone, _owner
from orchestrator.execute.streams import open_streams
from orchestrator.model import OutcomeKind

# As images/launch/supervisor.py wrote it in a uWSGI cell on glibc 2.36.
FATE = (
    b'{"schema": 1, "pid": 8, "kind": "signal", "status": null, "signal": "SIGABRT", "core_dumped": true, '
    b'"interrupted": false, "seconds": 0.412, "versions": {"python": "3.11.2", "glibc": "2.36"}, "notes": []}'
)


def test_a_real_time_signal_has_a_number_only() -> None:
    assert parse_fate(FATE.replace(b"SIGABRT", b"SIG41")).signal == "SIG41"


def test_a_fate() -> None:
    fate = parse_fate(FATE)
    assert (fate.kind, fate.signal, fate.core_dumped, fate.pid) == (OutcomeKind.SIGNAL, "SIGABRT", True, 8)
    assert fate.versions == {"python": "3.11.2", "glibc": "2.36"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        FATE.replace(b"SIGABRT", b"<script>"),
        FATE.replace(b'"schema": 1', b'"schema": 2'),
        FATE.replace(b'"pid": 8', b'"pid": 0'),
        FATE.replace(b"0.412", b"-1"),
        FATE.replace(b"3.11.2", b"x" * 600),
        FATE[:-1] + b', "more": 1}',
        b" " * (MAX_BYTES + 1),
    ],
)
def test_a_forged_fate_is_infrastructure_trouble_and_no_verdict(raw: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        parse_fate(raw)
    assert caught.value.exit_code == 3


@given(st.binary(max_size=200))
def test_any_bytes_are_a_fate_or_an_engine_error(raw: bytes) -> None:
    with pytest.raises(EngineError):
        parse_fate(raw)


def test_streams_are_kept_apart_and_a_cut_is_said(tmp_path: Path) -> None:
    with open_streams(tmp_path / "trial-1", limit=5) as streams:
        streams.write("stdout", b"abc")
        streams.write("stderr", b"\x00\xff")
        streams.write("stdout", b"defg")
        streams.write("stdout", b"h")
        assert streams.cut == ("stdout",)
    assert (tmp_path / "trial-1" / "stdout.txt").read_bytes() == b"abcde"
    assert (tmp_path / "trial-1" / "stderr.txt").read_bytes() == b"\x00\xff"


def test_an_owner_is_gone_when_its_process_is_or_its_pid_was_reused() -> None:
    mine = _owner(1)
    assert mine is not None
    assert not _is_gone(mine)
    assert _is_gone(f"{mine}9")  # the same pid, started at another time
    assert not _is_gone(f"elsewhere-{mine}")  # another host's processes cannot be seen from here
