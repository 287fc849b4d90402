"""The message and the place of panics of Rust, in the memory of real programs.

tests/data/cores/panics.json has the frames of each panic and the memory that is looked at: stack, heap and
constants. The programs are of several releases of rustc, with panic=abort.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.process.panic_message import read_panic
from orchestrator.crash.stacks.reading import Frame
from tests.unit.test_meaning import core_with

PANICS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data/cores/panics.json").read_text())
NONE = "called `Option::unwrap()` on a `None` value"
INDEX = "index out of bounds: the len is 3 but the index is 7"


def read(panic: dict[str, Any], *, frames: slice = slice(None), without: str = "") -> str | None:
    loads = [
        (
            address,
            len(content) // 2,
            flags,
            bytes.fromhex(content).replace(without.encode(), b"\0" * len(without)),
        )
        for address, flags, content in panic["memory"]
    ]
    stack = [Frame(pc=1, sp=sp, function=function) for function, sp in panic["frames"]]
    return read_panic(ProcessMemory(core_with(*loads), Path("/nowhere")), stack[frames])


@pytest.mark.parametrize("panic", PANICS, ids=lambda panic: panic["release"])
def test_a_panics_message_and_place_are_told(panic: dict[str, Any]) -> None:
    said = f"p.rs:2:60: {INDEX}" if "index" in panic["release"] else f"p.rs:3:58: {NONE}"
    assert (read(panic) or "").replace("/w/", "") == f"panicked at {said}"


def test_what_is_not_in_the_core_is_left_out() -> None:
    (panic,) = (item for item in PANICS if item["release"] == "1.95-index-legacy")
    assert read(panic, without=INDEX) == "panicked at p.rs:2:60"
    assert read(panic, without="p.rs") == f"panicked: {INDEX}"
    assert read({**panic, "memory": panic["memory"][:1]}) is None


def test_other_stacks_have_no_panic() -> None:
    panic = PANICS[0]
    renamed = [[f"a::{name}", sp] for name, sp in panic["frames"]]
    assert read({**panic, "frames": renamed}) is None
    assert read(panic, frames=slice(0)) is None
