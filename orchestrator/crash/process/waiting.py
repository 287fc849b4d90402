"""Where a thread waits: the system call that it is in, the function that asked for it, and what it waits for.

A process that hangs has no fault; these explain it instead. The registers at a system call are the
kernel's calling convention (syscall(2)). Linux on arm64 overwrites the first argument with the result
before a core is written, so a futex has no address there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from orchestrator.binary.core.notes import ThreadState
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.signature.functions import GIL, GONE, JOIN, MUTEX, PYTHON_LOCK
from orchestrator.crash.signature.hang import split_wait
from orchestrator.crash.signature.names import normalise, public_name
from orchestrator.model import Arch, NativeFrame, PythonFrame, Wait

CALLS: Final[Mapping[Arch, Mapping[int, str]]] = {
    Arch.X86_64: {
        0: "read", 1: "write", 7: "poll", 17: "pread64", 19: "readv", 23: "select", 34: "pause",
        35: "nanosleep", 42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg",
        47: "recvmsg", 61: "wait4",
        65: "semop", 70: "msgrcv", 72: "fcntl", 73: "flock", 128: "rt_sigtimedwait", 130: "rt_sigsuspend",
        202: "futex", 208: "io_getevents", 220: "semtimedop", 230: "clock_nanosleep", 232: "epoll_wait",
        247: "waitid", 270: "pselect6", 271: "ppoll", 281: "epoll_pwait", 288: "accept4", 299: "recvmmsg",
        426: "io_uring_enter", 441: "epoll_pwait2", 449: "futex_waitv", 455: "futex_wait",
    },
    Arch.ARM64: {
        63: "read", 64: "write", 65: "readv", 67: "pread64", 98: "futex", 101: "nanosleep", 203: "connect",
        202: "accept", 206: "sendto", 207: "recvfrom", 211: "sendmsg", 212: "recvmsg", 260: "wait4",
        193: "semop", 188: "msgrcv", 25: "fcntl", 32: "flock", 137: "rt_sigtimedwait", 133: "rt_sigsuspend",
        4: "io_getevents", 192: "semtimedop", 115: "clock_nanosleep", 95: "waitid", 72: "pselect6",
        73: "ppoll", 22: "epoll_pwait", 242: "accept4", 243: "recvmmsg",
        426: "io_uring_enter", 441: "epoll_pwait2", 449: "futex_waitv", 455: "futex_wait",
    },
}  # fmt: skip
"""The calls that block, by number (asm/unistd_64.h, asm-generic/unistd.h)."""
_OF_FILES: Final = frozenset({
    "read", "write", "pread64", "readv", "connect", "accept", "accept4", "sendto", "recvfrom", "sendmsg",
    "recvmsg", "recvmmsg", "fcntl", "flock",
})  # fmt: skip
"""Their first argument is a file descriptor."""
_FUTEXES: Final = frozenset({"futex", "futex_wait"})
_ARM_CALL: Final = bytes.fromhex("010000d4")
"""svc #0. qemu puts the pc before it where the call would be made again."""
_NO_CALL: Final = (1 << 64) - 1
"""orig_rax of a thread that is in no system call (arch/x86/entry/calling.h)."""

_OWNER_AT: Final = 8
"""struct __pthread_mutex_s of glibc: __lock, to which the futex points, __count, __owner (a thread id)."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The state of all threads: their registers by id, and the id of the thread that holds the GIL."""

    memory: ProcessMemory
    states: Mapping[int, ThreadState] = field(default_factory=dict)
    gil: int | None = None

    def of(self, tid: int, native: Sequence[NativeFrame], python: Iterable[PythonFrame]) -> Wait | None:
        """Where a thread waits; None for one that runs or is in an unknown state."""
        frames = list(takewhile(lambda frame: not frame.trampoline, native))
        call = self._call(self.states.get(tid))
        inside, outside = split_wait(frames, called=call is not None)
        names = [normalise(frame.function) for frame in outside if frame.function]
        if call is None and not (names and names[0] in GIL | GONE):
            return None
        function = public_name(inside[-1].function) if inside and inside[-1].function else None
        caller = names[0] if names and outside[0].function else None
        place = self._first_argument(tid, call)
        what, whom = self._what(function, names, call, place)
        return Wait(
            text=_sentence(function or call, _told(what, whom), caller, python),
            what=what,
            call=call,
            function=function,
            caller=caller,
            address=hex(place) if place is not None and call in _FUTEXES else None,
            thread=whom,
        )

    def _call(self, state: ThreadState | None) -> str | None:
        if state is None:
            return None
        core = self.memory.core
        if core.arch is Arch.ARM64:
            near = self.memory.read(state.pc - 4, 4), self.memory.read(state.pc, 4)
            number = state.registers.get("x8", 0) if _ARM_CALL in near else _NO_CALL
        else:
            number = state.registers.get("orig_rax", _NO_CALL)
        return CALLS.get(core.arch, {}).get(number)

    def _first_argument(self, tid: int, call: str | None) -> int | None:
        known = call is not None and self.memory.core.arch is Arch.X86_64
        return self.states[tid].registers.get("rdi") if known else None

    def _what(
        self, function: str | None, names: Sequence[str], call: str | None, place: int | None
    ) -> tuple[str | None, int | None]:
        """What a thread waits for, in words, and the thread that has it or whose end is awaited."""
        for group, what, whom in (
            (GONE, "the GIL of an interpreter that has ended, so for ever", None),
            (GIL, "the GIL", self.gil),
            (PYTHON_LOCK, "a Python lock", None),
        ):
            if group & set(names[:2]):
                return what, whom
        if place is None:
            return None, None
        if function in MUTEX and call in _FUTEXES:
            owner = self._thread_at(place + _OWNER_AT)
            return "a mutex", owner
        joined = self._thread_at(place) if function in JOIN and call in _FUTEXES else None
        if joined:
            return f"the end of thread {joined}", joined
        return (f"file descriptor {place & 0xFFFFFFFF}" if call in _OF_FILES else None), None

    def _thread_at(self, address: int) -> int | None:
        """The thread id stored at an address; None if no thread of this process has it."""
        number = self.memory.word(address, 4)
        return number if number in self.states else None


def _told(what: str | None, whom: int | None) -> str:
    held = f", held by thread {whom}" if whom and what and str(whom) not in what else ""
    return f"for {what}{held}" if what else ""


def _sentence(where: str | None, what: str, caller: str | None, python: Iterable[PythonFrame]) -> str:
    said = " ".join(filter(None, ("waits", f"in {where}" if where else "", what)))
    frame = next(iter(python), None)
    told = f"; in Python: {frame.function} ({frame.file}:{frame.line})" if frame else ""
    return ", ".join(filter(None, (said, f"called by {caller}" if caller else ""))) + told
