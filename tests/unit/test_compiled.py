"""Compiled templates are kept as modules are, and compiled anew where what they are made of differs."""

import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from orchestrator.report import compiled
from orchestrator.report.compiled import CompiledTemplates


class Counting(Environment):
    """An environment that counts what it compiles."""

    compiled = 0

    def _generate(self, *args: object, **kwargs: object) -> str:
        self.compiled += 1
        return str(super()._generate(*args, **kwargs))  # type: ignore[arg-type]


def compiled_in(folder: Path, text: str = "{{ name }}") -> int:
    """How many templates a new process with this template compiles."""
    environment = Counting(loader=DictLoader({"page": text}), bytecode_cache=CompiledTemplates(folder))
    assert environment.get_template("page").render(name="shown") == "shown"
    return environment.compiled


@pytest.fixture(autouse=True)
def _written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def test_a_template_is_compiled_once(tmp_path: Path) -> None:
    assert [compiled_in(tmp_path), compiled_in(tmp_path)] == [1, 0]


def test_a_template_that_changed_is_compiled_anew(tmp_path: Path) -> None:
    compiled_in(tmp_path)
    assert compiled_in(tmp_path, "{{- name }}") == 1
    assert len(list(tmp_path.iterdir())) == 1  # in the place of the other


def test_a_template_is_compiled_anew_by_another_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_in(tmp_path)
    monkeypatch.setattr(compiled, "_compiler", lambda: "another")
    assert compiled_in(tmp_path) == 1


@pytest.mark.parametrize("size", [0, 20, 40, 90])
def test_a_damaged_one_is_compiled_anew(tmp_path: Path, size: int) -> None:
    compiled_in(tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:size])
    assert compiled_in(tmp_path) == 1


def test_nothing_is_kept_where_modules_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_in(tmp_path / "missing") == 1
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    compiled_in(tmp_path)
    assert not list(tmp_path.iterdir())
