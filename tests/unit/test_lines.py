"""Functions and lines of the program of tests/data/cores/tiny.c, and what an attacker makes of them."""

import math
import random
from pathlib import Path

import pytest

from orchestrator.binary.dwarf.debug_info import DebugInfo, Sources
from orchestrator.binary.dwarf.entries import Dwarf, Unit
from orchestrator.binary.dwarf.functions import Code
from orchestrator.binary.dwarf.lines import LineTable
from orchestrator.binary.dwarf.sections import Allowance, Sections
from orchestrator.binary.elf.objectfile import ObjectFile, map_object

DATA = Path(__file__).parents[1] / "data" / "cores"
TINY = DATA / "tiny"
SOURCE = (DATA / "tiny.c").read_text().splitlines()


SECTIONS = (".debug_line", ".debug_aranges", ".debug_info", ".debug_abbrev", ".debug_str", ".debug_line_str")
TOUCH, JUMP = 0x401070, 0x40105E


def find(source: ObjectFile, deadline: float = math.inf) -> dict[int, Code]:
    return DebugInfo(Sources(main=source), deadline).find({TOUCH, JUMP, 0x401000, 0x5})


def damaged(name: str) -> tuple[bytearray, range]:
    """The program, and where a section of it lies."""
    section = map_object(TINY).section(name)
    assert section is not None
    return bytearray(TINY.read_bytes()), range(section.offset, section.offset + section.size)


def test_addresses_lead_to_their_functions_and_lines() -> None:
    # `addr2line -f -e tiny 0x401070 0x40105e`: touch and jump.
    found = find(map_object(TINY))
    assert {name: [call.name for call in found[name].calls] for name in (TOUCH, JUMP)} == {
        TOUCH: ["touch"], JUMP: ["jump"],
    }  # fmt: skip
    lines = {address: code.line for address, code in found.items()}
    assert {Path(line.file).name for line in lines.values() if line} == {"tiny.c"}
    touch, jump = lines[TOUCH], lines[JUMP]
    assert touch is not None
    assert "return thing->value" in SOURCE[touch.line - 1]
    assert jump is not None
    assert "jump(void)" in SOURCE[jump.line - 1]
    assert 0x5 not in found


def test_after_the_deadline_nothing_is_read_and_that_is_said() -> None:
    info = DebugInfo(Sources(main=map_object(TINY)), -1)
    assert info.find({TOUCH}) == {}
    assert info.damaged


@pytest.mark.parametrize("name", [".debug_line", ".debug_info", ".debug_abbrev"])
@pytest.mark.parametrize("fill", [0x7F, 0xFF])
def test_damaged_sections_give_nothing_and_that_is_said(name: str, fill: int) -> None:
    data, place = damaged(name)
    data[place.start : place.stop] = bytes([fill]) * len(place)
    info = DebugInfo(Sources(main=ObjectFile(bytes(data))), math.inf)
    assert info.find({TOUCH}) == {}
    assert info.damaged


@pytest.mark.parametrize("name", SECTIONS)
def test_no_damage_is_an_error_or_takes_long(name: str) -> None:
    if map_object(TINY).section(name) is None:
        pytest.skip(f"the program has no {name}")
    draw = random.Random(7)  # noqa: S311 - the same damage in every run
    for _ in range(150):
        data, place = damaged(name)
        for at in draw.choices(place, k=draw.randint(1, 4)):
            data[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        info = DebugInfo(Sources(main=ObjectFile(bytes(data))), math.inf)
        info.find({TOUCH, JUMP})
        info.sites(TOUCH)


def test_what_leads_in_circles_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.binary.dwarf.debug_info.MAX_STEPS", 20)
    info = DebugInfo(Sources(main=map_object(TINY)), math.inf)
    assert info.find({TOUCH}) == {}
    assert info.damaged


def test_a_table_of_endless_empty_rows_is_refused() -> None:
    head = (100).to_bytes(4, "little") + b"\x05\0" + b"\x08\0" + (40).to_bytes(4, "little")
    head += b"\x01\x01\x01\xfb\x0e\x01"
    for table, is_refused in ((b"\x00" + b"\xff" * 8 + b"\x7f", True), (b"\x00\x00\x00\x00", False)):
        dwarf = Dwarf(Sections(map_object(TINY), Allowance()))
        dwarf.line = head + table + bytes(100)
        unit = Unit(dwarf, offset=0, start=0, end=0, version=5, abbreviations=0, top={0x10: (0x17, 0)})
        if is_refused:
            with pytest.raises(ValueError, match="no compiler writes"):
                LineTable(unit)
        else:
            assert LineTable(unit).find({TOUCH}) == {}
