"""Tail calls: a function that ends with a jump to another one leaves no frame.

If the call before a return address targets another function than that of the next inner frame, tail calls lie
between. Debug information lists the jumps of each function; if exactly one chain of jumps connects the two,
it is the chain of tail calls. gdb finds them in the same way. x86-64 only.
"""

from collections.abc import Iterator
from typing import Final

from orchestrator.binary.dwarf.expression import MASK
from orchestrator.binary.dwarf.functions import CallSite, Leads
from orchestrator.binary.dwarf.naming import Language
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.stacks.elf.names import Names
from orchestrator.model import Arch

MAX_DEPTH: Final = 6
MAX_JUMPS: Final = 400
"""Jumps that are followed for one frame."""
_CALL, _JUMP, _SHORT = 0xE8, 0xE9, 0xEB
_CALL_SLOT, _JUMP_SLOT = b"\xff\x15", b"\xff\x25"
_LANDING, _BOUND = b"\xf3\x0f\x1e\xfa", b"\xf2"
"""endbr64, and the prefix bnd."""


class _AmbiguousError(Exception):
    """Several chains, or a call with an uncertain target; never leaves this module."""


class _UntoldError(Exception):
    """A call whose target debug information does not give; never leaves this module."""


class TailCalls:
    """Finds the calls between the frames of one core."""

    def __init__(self, memory: ProcessMemory, names: Names) -> None:
        self._memory, self._names = memory, names
        self._known: dict[tuple[int, int], list[int] | None] = {}

    def between(self, callee: int, returns_to: int) -> list[int] | None:
        """The addresses after the jumps from the called function to a function's entry; innermost first.

        A chain that gdb cannot find is left out, so that both backends agree. None: several chains, or a
        call with an uncertain target.
        """
        call = callee, returns_to
        if call not in self._known:  # Threads of a program, and a recursion, make the same calls.
            try:
                self._known[call] = self._find(callee, returns_to)
            except _AmbiguousError:
                self._known[call] = None
        return self._known[call]

    def _find(self, callee: int, returns_to: int) -> list[int]:
        """As `between`; raises _AmbiguousError."""
        if self._memory.core.arch is not Arch.X86_64:
            return []
        called = self._called(returns_to)
        if called is None or called == callee:
            return []
        sites = self._names.sites(returns_to - 1)
        site = next((item for item in sites if item.behind == returns_to), None)
        if site is None:
            return []
        try:
            self._check(site, called)
            ways = list(self._ways(called, callee, (called,), [MAX_JUMPS]))
        except _UntoldError:
            return []
        if len(ways) > 1:
            raise _AmbiguousError
        return list(reversed(ways[0])) if ways else []

    def _check(self, site: CallSite, target: int) -> None:
        """Raise _UntoldError for a call whose target gdb cannot know, _AmbiguousError where it may not."""
        calls = self._names.look_up(target)
        if site.leads is Leads.ABSTRACT or not calls:
            raise _UntoldError
        here = self._memory.object_at(site.behind) is self._memory.object_at(target)
        by_name = site.leads is Leads.DECLARED and here and site.name in self._names.linked(target)
        if calls[-1].language is not Language.C or not (site.leads is Leads.DEFINED or by_name):
            raise _AmbiguousError

    def _ways(self, entry: int, callee: int, seen: tuple[int, ...], left: list[int]) -> Iterator[list[int]]:
        """All chains of jumps from one function's entry to another's."""
        for site in self._names.sites(entry):
            if not site.tail:
                continue
            left[0] -= 1
            target = self._jumped(site.behind)
            if left[0] < 0 or target is None:
                raise _AmbiguousError
            self._check(site, target)
            if target == callee:
                yield [site.behind]
            elif target not in seen:
                if len(seen) == MAX_DEPTH:
                    raise _AmbiguousError
                for way in self._ways(target, callee, (*seen, target), left):
                    yield [site.behind, *way]

    def _called(self, behind: int) -> int | None:
        """The target of the call that ends at an address; None for one through a register."""
        code = self._memory.read(behind - 6, 6)
        if len(code) < 6:
            return None
        if code[1] == _CALL:
            target = self._through(self._relative(behind, code[2:]))
            if target is not None and self._memory.is_code(target):
                return target
        return self._memory.word(self._relative(behind, code[2:])) if code[:2] == _CALL_SLOT else None

    def _jumped(self, behind: int) -> int | None:
        code = self._memory.read(behind - 6, 6)
        if len(code) < 6:
            return None
        is_conditional = code[0] == 0x0F and code[1] & 0xF0 == 0x80
        if code[1] == _JUMP or is_conditional:
            return self._through(self._relative(behind, code[2:]))
        if code[:2] == _JUMP_SLOT:
            return self._memory.word(self._relative(behind, code[2:]))
        if code[4] == _SHORT or code[4] & 0xF0 == 0x70:
            return self._through(self._relative(behind, code[5:]))
        return None

    def _through(self, target: int) -> int | None:
        """The target of a stub of the procedure linkage table; any other address is returned as it is."""
        code = self._memory.read(target, 16)
        place = len(_LANDING) if code.startswith(_LANDING) else 0
        place += code[place : place + 1] == _BOUND
        if code[place : place + 2] != _JUMP_SLOT:
            return target
        behind = target + place + 6
        return self._memory.word(self._relative(behind, code[place + 2 : place + 6]))

    @staticmethod
    def _relative(behind: int, offset: bytes) -> int:
        return behind + int.from_bytes(offset, "little", signed=True) & MASK
