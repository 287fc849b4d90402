"""The check that every portable interpreter must pass, run on this one."""

import platform
import runpy
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "images" / "python" / "check.py"


def check(version: str, monkeypatch: pytest.MonkeyPatch, *may_lack: str) -> int:
    monkeypatch.setattr(sys, "argv", [str(CHECK), version, *may_lack])
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


@pytest.mark.parametrize("module", ["bz2", "curses", "lzma", "readline", "sqlite3", "ssl"])
def test_a_module_that_may_be_missing_is_told_and_is_no_failure(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert check(platform.python_version(), monkeypatch) == 1
    assert f"lacks: {module} (" in capsys.readouterr().out
    assert check(platform.python_version(), monkeypatch, f"zlib,{module}") == 0
    assert f"is known to be without: {module} (" in capsys.readouterr().out


def test_a_module_that_loads_and_does_not_work_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lzma.compress", lambda data: data)
    assert check(platform.python_version(), monkeypatch, "lzma") == 1
    assert "lacks: lzma (LZMAError: " in capsys.readouterr().out


def test_an_interpreter_with_the_gil_is_not_the_free_threaded_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version = f"{platform.python_version()}t"
    assert check(version, monkeypatch) == 1
    assert f"lacks: the version {version}, threads without the GIL" in capsys.readouterr().out
