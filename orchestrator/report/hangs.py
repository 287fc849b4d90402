"""A hang in words: which thread waits for what, which one holds it, and whether that is a deadlock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model import Crash, NativeFrame, PythonFrame, Thread
from orchestrator.model.frame_names import is_interpreter_file
from orchestrator.report.stack_rows import is_own


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A thread of a hang. `holds` names what it has and others wait for."""

    tid: int
    main: bool
    what: str
    call: str | None
    holder: int | None
    holds: tuple[str, ...]
    place: NativeFrame | None
    """The function that waits: of the code under test, else of anything but the interpreter."""
    python: PythonFrame | None

    @property
    def name(self) -> str:
        """The thread as a sentence names it."""
        return f"thread {self.tid}{' (main)' if self.main else ''}"

    @property
    def state(self) -> str:
        """Its state as a verb: `waits for a mutex, held by thread 9`."""
        if not self.what:
            return f"waits in {self.call}" if self.call else "runs"
        held = f", held by thread {self.holder}" if self.holder and str(self.holder) not in self.what else ""
        return f"waits for {self.what}{held}"


def waiting(crash: Crash) -> tuple[Waiting, ...]:
    """All threads of a hang: those of a deadlock first, then the main thread."""
    held = _held(crash)
    circle = deadlock(crash)
    threads = [_waiting(crash, thread, held.get(thread.tid, ())) for thread in crash.threads]
    return tuple(sorted(threads, key=lambda item: (item.tid not in circle, not item.main)))


def deadlock(crash: Crash) -> tuple[int, ...]:
    """The ids of threads that wait for each other in a circle, the main thread first; empty without one."""
    waits = {item.tid: item.waits.thread for item in crash.threads if item.waits and item.waits.thread}
    for start in sorted(waits, key=lambda tid: tid != crash.main):
        way = [start]
        while (after := waits.get(way[-1])) is not None and after not in way:
            way.append(after)
        if after == start:
            return tuple(way)
    return ()


def sentence(crash: Crash) -> str:
    """The hang in one sentence: the deadlock, or what the main thread waits for."""
    threads = {item.tid: item for item in waiting(crash)}
    circle = [threads[tid] for tid in deadlock(crash)]
    if circle:
        return f"Deadlock: {'; '.join(f'{item.name} {item.state}' for item in circle)}."
    first = next((item for item in threads.values() if item.main), None)
    return f"The process did not end: {first.name} {first.state}." if first else "The process did not end."


def _waiting(crash: Crash, thread: Thread, holds: Sequence[str]) -> Waiting:
    waits = thread.waits
    return Waiting(
        tid=thread.tid,
        main=thread.tid == crash.main,
        what=(waits.what or "") if waits else "",
        call=(waits.function or waits.call) if waits else None,
        holder=waits.thread if waits else None,
        holds=tuple(holds),
        place=_place(thread),
        python=thread.python[0] if thread.python else None,
    )


def _place(thread: Thread) -> NativeFrame | None:
    named = [frame for frame in thread.native if frame.function]
    own = (frame for frame in named if is_own(frame))
    outside = (frame for frame in named if not is_interpreter_file(frame.module))
    return next(own, None) or next(outside, None)


def _held(crash: Crash) -> Mapping[int, Sequence[str]]:
    """The locks that each thread holds and another waits for."""
    found: dict[int, list[str]] = {}
    for thread in crash.threads:
        if thread.waits and thread.waits.thread and thread.waits.what:
            found.setdefault(thread.waits.thread, []).append(thread.waits.what)
    return {tid: tuple(dict.fromkeys(what)) for tid, what in found.items()}
