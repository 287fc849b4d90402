"""The environment of a core, whose memory may be used again for anything."""

from types import SimpleNamespace
from typing import cast

import pytest

from orchestrator.binary.core.corefile import Core
from orchestrator.crash.process.environ import OVERWRITTEN, _variable
from orchestrator.crash.process.startup import MAX_STRINGS, _vector_place


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [
        (b"PATH=/bin", "PATH", "/bin"),
        (b"SECRET_TOKEN=hunter2", "SECRET_TOKEN", None),
        (b"BASH_FUNC_run%%=() { true; }", "BASH_FUNC_run%%", None),
        (b"hunter2-db-password-of-prod", OVERWRITTEN, None),
        (b"postgres://user:hunter2@db/?sslmode=on", OVERWRITTEN, None),
        (b"=x", OVERWRITTEN, None),
    ],
)
def test_what_can_be_no_name_is_not_shown(entry: bytes, name: str, value: str | None) -> None:
    variable = _variable(entry)
    assert (variable.name, variable.value) == (name, value)


def test_no_more_of_a_stack_is_searched_than_a_stack_has() -> None:
    """A forged core's may be of many gigabytes, of which each zero costs nothing in an archive."""
    asked: list[int] = []
    stack = SimpleNamespace(start=0x7F0000000000, size=3 << 30, stored=3 << 30)

    def read(_start: int, size: int) -> bytes:
        asked.append(size)
        return b""

    forged = SimpleNamespace(auxv={31: stack.start + (2 << 30)}, loads=[stack], read=read)
    assert _vector_place(cast("Core", forged)) is None
    assert max(asked) <= MAX_STRINGS + 4096
