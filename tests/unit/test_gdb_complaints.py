"""Of what gdb 13.1 wrote about real cores, some with altered register notes, what limits the evidence."""

from pathlib import Path

import pytest

from orchestrator.crash.stacks.gdb.complaints import complaints_in

STDERR = Path(__file__).parents[1] / "data/gdb/stderr.txt"


def test_only_what_bears_on_names_frames_and_their_registers_is_kept_and_each_once() -> None:
    assert complaints_in(STDERR.read_text()) == (
        "Could not load shared library symbols for /lib64/ld-linux-x86-64.so.2.",
        "core file may not match specified executable file.",
        "Couldn't find general-purpose registers in core file.",
    )


@pytest.mark.parametrize(
    ("section", "matters"),
    [
        (".reg/12", True), (".reg", True), (".reg-aarch-pauth/12", True),
        (".reg-xstate/12", False), (".reg2/12", False), (".reg-xfp/12", False), (".reg-aarch-sve/12", False),
    ],
)  # fmt: skip
def test_a_register_set_of_another_size_matters_where_stacks_are_computed_from_it(
    section: str, matters: bool
) -> None:
    for line in (f"Unexpected size of section `{section}' in core file.",
                 f"Section `{section}' in core file too small."):  # fmt: skip
        assert complaints_in(f"warning: {line}\n") == ((line,) if matters else ())
