"""The same crash in many trials: it is named once, and each core tells the rest itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.engine import Engine
from orchestrator.binary.core.corefile import open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.cores import image_sysroot
from orchestrator.crash import CacheContext, StackCache, read_crash
from orchestrator.model import Crash
from orchestrator.pipeline.analyze import AnalyzeRequest, analyze_core
from tests.integration.dying import FAULTS, LABELS, die

Look = Callable[..., Crash]


@pytest.fixture
def look(engine: Engine, image: str) -> Look:
    """Reads a core as a run does, with what was read before; each has an image's name of its own choice."""

    def look(core: Path, cache: StackCache | None, name: str = "image") -> Crash:
        with plain_core(core) as plain, open_core(plain) as opened:
            found, sysroot = image_sysroot(
                engine, image, opened, cache=cache_folder("sysroots"), labels=LABELS
            )
            cached = CacheContext(cache=cache, image=name, origin="trial 1 of x") if cache else None
            return read_crash(plain, found, sysroot, cached=cached)

    return look


@pytest.mark.parametrize(
    "command",
    [(FAULTS, "segv"), (FAULTS, "threads"), (FAULTS, "handler"), (FAULTS, "twice"), (FAULTS, "stale"),
     (FAULTS, "terminate"), ("python3", "/faults/inner.py")],
    ids=" ".join,
)  # fmt: skip
def test_a_second_core_is_named_by_the_first_and_tells_all_else_itself(
    command: tuple[str, str], engine: Engine, image: str, look: Look, tmp_path: Path
) -> None:
    first, second = (die(engine, image, tmp_path / name, *command) for name in ("first", "second"))
    cache = StackCache()
    learnt = look(first, cache)
    assert learnt.named_from is None
    quick, slow = look(second, cache), look(second, None)
    assert quick.named_from is not None
    assert "gave trial 1 of x, in the same image" in quick.named_from
    assert slow.sources["native"] == ("gdb" if command[1] == "terminate" else "elf")
    assert quick.sources["native"] == "elf"
    differ = {"named_from", "sources", "backends", "threads"}
    assert quick.model_dump(exclude=differ) == slow.model_dump(exclude=differ)
    assert [thread.native for thread in quick.threads] == [thread.native for thread in slow.threads]
    assert [thread.python for thread in quick.threads] == [thread.python for thread in slow.threads]
    for ours, theirs in zip(quick.threads, slow.threads, strict=True):
        # The flags are not in what is read of a handler's frame; they are where no handler ran.
        flags = {"eflags"} if command[1] == "handler" else set()
        assert {name: ours.registers.get(name) for name in theirs.registers.keys() - flags} == {
            name: value for name, value in theirs.registers.items() if name not in flags
        }
    assert quick.threads != learnt.threads  # addresses differ from process to process


def test_another_fault_or_another_image_is_read_by_the_debugger(
    core_of: Callable[..., Path], look: Look
) -> None:
    cache = StackCache()
    look(core_of(FAULTS, "segv"), cache)
    assert look(core_of(FAULTS, "segv"), cache).named_from is not None
    assert look(core_of(FAULTS, "segv"), cache, "other").named_from is None
    for way in ("fpe", "threads", "wild", "abrt"):
        assert look(core_of(FAULTS, way), cache).named_from is None


def test_a_wild_jump_is_never_taken_for_another(core_of: Callable[..., Path], look: Look) -> None:
    cache = StackCache()
    for _ in range(2):
        assert look(core_of(FAULTS, "wild"), cache).named_from is None


def test_analyze_names_a_core_by_what_an_earlier_one_of_the_image_had(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    """Python frames, addresses and all else are this core's own; another set of backends is asked afresh."""
    cores = [die(engine, image, tmp_path / name, "python3", "/faults/inner.py") for name in ("one", "two")]
    first, second = (analyze_core(AnalyzeRequest(core=str(core), image=image)) for core in cores)
    assert first.named_from is None
    assert second.named_from is not None
    assert "gave an earlier core, in the same image" in second.named_from
    own = analyze_core(AnalyzeRequest(core=str(cores[1]), image=image, backends=("elf", "pystack")))
    assert own.named_from is None
    assert own.threads == second.threads
    assert own.signature == second.signature == first.signature
