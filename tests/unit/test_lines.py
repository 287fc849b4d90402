"""tools.lines on the program of tests/data/cores/tiny.c, and on what an attacker makes of it."""

import math
import time
from pathlib import Path

import pytest

from orchestrator.tools.lines import _is_bounded, find_lines
from orchestrator.tools.objectfile import ObjectFile, map_object

DATA = Path(__file__).parents[1] / "data" / "cores"
TINY = DATA / "tiny"
SOURCE = (DATA / "tiny.c").read_text().splitlines()


def test_addresses_lead_to_their_source_lines() -> None:
    # `addr2line -e tiny 0x401070 0x40105e`: touch and jump.
    found = find_lines(map_object(TINY), [0x401070, 0x40105E, 0x401000, 0x5], math.inf)
    assert {Path(line.file).name for line in found.values()} == {"tiny.c"}
    assert "return thing->value" in SOURCE[found[0x401070].line - 1]
    assert "jump(void)" in SOURCE[found[0x40105E].line - 1]
    assert 0x5 not in found


def test_after_the_deadline_nothing_is_read() -> None:
    assert find_lines(map_object(TINY), [0x401070], time.monotonic() - 1) == {}


@pytest.mark.parametrize("name", [".debug_line", ".debug_aranges", ".debug_info", ".debug_abbrev"])
@pytest.mark.parametrize("fill", [0x00, 0x7F, 0xFF])
def test_damaged_sections_give_no_lines_and_no_error(name: str, fill: int) -> None:
    section = map_object(TINY).section(name)
    assert section is not None
    data = bytearray(TINY.read_bytes())
    data[section.offset : section.offset + section.size] = bytes([fill]) * section.size
    assert find_lines(ObjectFile(bytes(data)), [0x401070], math.inf) == {}


def test_a_table_of_endless_empty_rows_is_refused() -> None:
    head = (100).to_bytes(4, "little") + b"\x05\0" + b"\x08\0" + bytes(4) + bytes(5) + b"\x01"
    assert not _is_bounded(head + b"\x00" + b"\xff" * 8 + b"\x7f" + bytes(50), 0)
    assert _is_bounded(head + b"\x00\x00" + b"\x00\x00" + bytes(50), 0)
