"""The check that every portable interpreter must pass, run on this one."""

import platform
import runpy
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "images" / "python" / "check.py"


def check(version: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", [str(CHECK), version])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(CHECK), run_name="__main__")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_whole_interpreter_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(platform.python_version(), monkeypatch) == 0
    assert "lacks: nothing" in capsys.readouterr().out


def test_another_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("3.0.1", monkeypatch) == 1
    assert "lacks: the version 3.0.1" in capsys.readouterr().out


def test_a_module_that_does_not_load_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "syslog", None)
    assert check(platform.python_version(), monkeypatch) == 1
    assert "lacks: syslog (" in capsys.readouterr().out
