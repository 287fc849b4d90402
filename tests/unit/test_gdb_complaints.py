"""What limits the evidence in what gdb 13.1 wrote about real cores; and a gdb that does not end."""

from pathlib import Path

import pytest

from orchestrator.adapters import process
from orchestrator.binary.core.unpack import plain_core
from orchestrator.crash.stacks.gdb import run
from orchestrator.crash.stacks.gdb.complaints import complaints_in
from orchestrator.errors import TransientError

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


@pytest.mark.skipif(not any(map(process.find, run.PROGRAMS)), reason="gdb is not installed")
def test_a_gdb_that_does_not_end_is_not_one_that_has_to_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(run, "SCRIPT", script)
    monkeypatch.setattr(run, "TIMEOUT", 0.5)
    with (
        plain_core(STDERR.parents[1] / "cores/plain.core.zst") as core,
        pytest.raises(TransientError, match=r"gdb did not end within 0\.5 s") as caught,
    ):
        run.read_with_gdb(core, tmp_path, None)
    assert caught.value.hint == run.SLOW_HINT
    assert "install" not in run.SLOW_HINT
