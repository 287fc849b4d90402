"""`crashmatrix analyze`: what it takes, and the exit codes of what it cannot."""

import json
from pathlib import Path

import pytest

from orchestrator import cores
from orchestrator.cli import main
from orchestrator.cores import DumpedCore
from orchestrator.errors import EXIT_INPUT, EXIT_OK
from orchestrator.model import SCHEMA

DATA = Path(__file__).parents[1] / "data" / "cores"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"just text\n", "is not ELF"), ((DATA / "handler").read_bytes(), "is no core")],
)  # fmt: skip
def test_a_file_that_is_no_core_is_one_line_and_2(
    content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert main(["analyze", str(tmp_path / "file")]) == EXIT_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


def test_what_cannot_be_read_is_one_line_and_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(tmp_path)]) == EXIT_INPUT
    assert "it cannot be read: Is a directory; name a core file" in capsys.readouterr().err


@pytest.mark.parametrize("match", ["COREDUMP_EXE=/usr/bin/python3.11", "1234"])
def test_a_match_is_asked_of_coredumpctl(match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def dump(name: str, target: Path) -> DumpedCore:
        assert name == match
        target.write_bytes((DATA / "plain.core.zst").read_bytes())
        return DumpedCore(path=target)

    monkeypatch.setattr(cores, "dump", dump)
    assert main(["analyze", match, "--exe", str(DATA / "handler")]) == EXIT_OK


@pytest.mark.parametrize("more", [["--sysroot", "/nowhere/at/all"], ["--exe", "/nowhere/at/all"]])
def test_a_place_that_is_not_there_is_2(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(DATA / "plain.core.zst"), *more]) == EXIT_INPUT
    assert "/nowhere/at/all: " in capsys.readouterr().err


def test_a_core_is_read_with_the_files_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root/fx").mkdir(parents=True)
    (tmp_path / "root/fx/handler").write_bytes((DATA / "handler").read_bytes())
    line = ["analyze", str(DATA / "plain.core.zst"), "--sysroot", str(tmp_path / "root"), "--json"]
    assert main(line) == EXIT_OK
    crash = json.loads(capsys.readouterr().out)
    assert crash["schema"] == SCHEMA
    assert {"arch", "truncated", "warnings", "message", "signal", "crash", "threads", "modules", "signature",
            "backends"} <= crash.keys()  # fmt: skip
    assert any("libc.so.6 is not in folder" in warning for warning in crash["warnings"])
    assert list((tmp_path / "cache/sysroots").iterdir()) == []


def test_the_page_names_the_crash_before_all_else(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(DATA / "plain.core.zst"), "--exe", str(DATA / "handler")]
    assert main(["analyze", *arguments]) == EXIT_OK
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("SIG")
