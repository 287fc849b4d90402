"""The two other texts of a repro's folder: the command that runs it, and the expected output."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from orchestrator import __version__
from orchestrator.model import Arch, Cell, CellResult, Crash, NativeFrame
from orchestrator.model.memory import memory_flag
from orchestrator.model.recursion import Repeats, folded, native_calls, python_calls
from orchestrator.repro.dockerfile import FILES, PACKED, ROOT

MOST_FRAMES: Final = 16
_UNSAFE: Final = re.compile(r"[^ -~]")


@dataclass(frozen=True, kw_only=True)
class Story:
    """The contents of a repro: a cell's result, its environment, the rules that match it; and its folder."""

    result: CellResult
    versions: Mapping[str, str]
    rules: Sequence[str]
    notes: Sequence[str]
    trials: int
    """The most runs of the command until it crashes."""
    network: bool
    memory: int
    """The memory limit of the container, in bytes."""


def run_script(tag: str, arch: Arch, story: Story, served: str | None) -> str:
    """The shell script that builds the image and runs it, until it ends with another status than 0.

    `served`: the whole command of an application under its server, which is run once.
    """
    network = "" if story.network else " --network none"
    build = f"docker build --platform {arch.platform} --tag {tag} "
    head = (
        "#!/bin/sh\n# Builds the image and runs it. Arguments go to `docker build`.\nset -eu\n"
        f'cd "$(dirname "$0")"\n{build}"$@" .\n'
    )
    if served is not None:
        return f"{head}exec {served}\n"
    run = (
        f'docker run --rm --init --hostname "$name"{network} --platform {arch.platform} --cap-drop ALL '
        f"--security-opt no-new-privileges --memory {memory_flag(story.memory)} --ulimit core=-1 {tag}"
    )
    return (
        f"{head}n=0\nwhile [ $n -lt {story.trials} ]; do\n  n=$((n + 1))\n  status=0\n"
        f'  name="repro-$$-$n"\n  {run} || status=$?\n  echo "run $n ended with status $status"\n'
        '  [ $status -eq 0 ] || {\n    echo "its core, if any: coredumpctl info COREDUMP_HOSTNAME=$name"\n'
        "    exit $status\n  }\ndone\n"
    )


def readme(story: Story) -> str:
    """README.md: what is wrong, where, how to see it, and what is in the folder."""
    return "\n".join(_lines(story)) + "\n"


def _lines(story: Story) -> Iterator[str]:
    result, cell = story.result, story.result.cell
    trial = next((item for item in result.trials if item.crashes), result.trials[0])
    crash = next(iter(trial.crashes), None)
    yield f"# {_title(cell, crash, trial.ended)}"
    yield ""
    yield "    sh run.sh"
    yield ""
    yield "needs Docker, and a network to build the image. It runs the program up to"
    yield f"{_times(story.trials)}, until that ends with another status than 0: of a crash, 128 and"
    yield "the signal's number (139 is SIGSEGV). The core goes where the machine's"
    yield "`/proc/sys/kernel/core_pattern` says; the last line tells how to find it in systemd's journal."
    yield ""
    yield "## Seen"
    yield ""
    yield f"{_plain(result.judgement.reason)}."
    yield from (f"\n> {_plain(rule)}" for rule in story.rules)
    yield ""
    for name, value in story.versions.items():
        yield f"- {name} {_plain(value)}"
    for name, value in sorted(result.packages.items()):
        yield f"- {_plain(name)} {_plain(value)}"
    if crash:
        yield from _stack(crash)
    yield "\n## In this folder\n"
    yield f"`{FILES}/` is what runs, as it ran; look through it before you pass it on."
    yield from story.notes
    yield f"\nMade by crashmatrix {__version__} of the cell `{cell.id}` of run `{_plain(result.run)}`."


def _title(cell: Cell, crash: Crash | None, ended: str) -> str:
    where = f"CPython {cell.python}, glibc {cell.glibc}, {cell.arch}, {cell.launcher}"
    if crash is None:
        return f"{cell.scenario}: {_plain(ended)} on {where}"
    function = f" in `{_plain(crash.crash.function)}`" if crash.crash.function else ""
    return f"{cell.scenario}: {_plain(crash.signal.name)}{function} on {where}"


def _stack(crash: Crash) -> Iterator[str]:
    thread = crash.crashed_thread
    yield f"\nSignature: `{_plain(crash.signature)}`"
    if crash.message:
        yield f"\nIt said: `{_plain(crash.message)}`"
    if thread is None:
        return
    yield "\n```"
    for native in islice(folded(native_calls(thread)), MOST_FRAMES):
        yield _code(f"... {native.words()}" if isinstance(native, Repeats) else _frame(native, thread.native))
    for item in islice(folded(python_calls(thread.python)), MOST_FRAMES):
        if isinstance(item, Repeats):
            yield f"    ... {item.words(())}"
        else:
            frame = thread.python[item]
            yield _code(f"    {frame.function} {frame.file}:{frame.line}")
    yield "```"


def _frame(number: int, frames: Sequence[NativeFrame]) -> str:
    frame = frames[number]
    module = f" in {frame.module}" if frame.module else ""
    source = f" at {frame.file}:{frame.line}" if frame.file else ""
    return f"#{number:<3}{frame.function or frame.pc}{module}{source}"


def _plain(text: str | None) -> str:
    """Untrusted text on one line, without markup and terminal escapes."""
    return _code(str(text)).replace("<", "&lt;")


def _code(text: str) -> str:
    """Untrusted text inside of a block of code."""
    return _UNSAFE.sub("?", text).replace("`", "'")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def packed_notes(*, root: bool, packed: bool) -> Sequence[str]:
    """The binary files of the folder, and why they are there."""
    notes = []
    if root:
        notes.append(f"`{ROOT}` is the root filesystem: no public image has this C library.")
    if packed:
        notes.append(
            f"`{PACKED}` has what no public image has, as it ran: interpreter, server, modules, packages."
        )
    return notes
