"""The environment at the crash, and the stale array that a crashing walk was in.

`setenv` reallocates the array that `environ` points to, while another thread's `getenv` walks the
freed one. The walk is found without debug information: a register of the crashing frames points into
another array that shares entries with `environ`. Values are shown only of names that hold no
secrets: a core has the whole environment of the process.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.crash.memory import ProcessMemory
from orchestrator.crash.process.startup import MAX_ENTRIES, WORD, read_string, strings, word
from orchestrator.model import Environment, Variable, WalkedArray

SHOWN: Final = frozenset({
    "COLUMNS", "GLIBC_TUNABLES", "HOME", "HOSTNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_COLLATE", "LC_CTYPE",
    "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME", "LD_BIND_NOW", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "LINES", "MALLOC_ARENA_MAX", "MALLOC_CHECK_", "MALLOC_PERTURB_", "MALLOC_TRIM_THRESHOLD_", "OLDPWD",
    "OMP_NUM_THREADS", "PATH", "PWD", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONDONTWRITEBYTECODE",
    "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONHOME", "PYTHONMALLOC", "PYTHONOPTIMIZE", "PYTHONPATH",
    "PYTHONUNBUFFERED", "RUST_BACKTRACE", "SHELL", "SHLVL", "SSL_CERT_DIR", "SSL_CERT_FILE", "TERM", "TMPDIR",
    "TZ", "UWSGI_RELOADS", "VIRTUAL_ENV",
})  # fmt: skip
"""Names whose values are shown: they choose how programs run, and hold no secrets."""
MAX_VALUE: Final = 200
FIRST: Final = "the copy that the kernel laid at the start (it may have changed)"
SYMBOLS: Final = ("environ", "__environ")
OVERWRITTEN: Final = "(overwritten)"
"""Shown in place of an invalid name: reused memory may hold anything, including secrets."""
_VARIABLE: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_.%()-]*")
_GAP: Final = 4
"""Slots without an entry that an array may have in a row: free() writes two words, a refill writes more."""
_WORTH: Final = 2
"""Entries in common with `environ` that make an array a former one."""


@dataclass(frozen=True, kw_only=True)
class _Array:
    """An array of entries: pointers to `NAME=value`, by slot; others were overwritten."""

    address: int
    pointers: tuple[int, ...]


def read_environment(
    memory: ProcessMemory, initial: int | None, registers: Mapping[int, Mapping[str, int]]
) -> Environment | None:
    """The environment; `registers` of the crashing frames by number, `initial` the first array's address.

    None where neither `environ` nor the first array can be read.
    """
    core, found = memory.core, _find_environ(memory)
    if found is None and initial is None:
        return None
    address, source = found or (
        initial or 0,
        "the copy that the kernel laid at the start; it may have changed",
    )
    array = _Array(address=address, pointers=tuple(pointer for pointer, _ in strings(core, address)))
    return Environment(
        source=source,
        environ=hex(address),
        variables=_variables(core, array.pointers),
        walked=_walked(core, array, initial, registers) if found else None,
    )


def _find_environ(memory: ProcessMemory) -> tuple[int, str] | None:
    """The value of `environ`, from the program where that has its own (copied) one, else from libc."""
    core = memory.core
    for module in (core.executable, *core.modules):
        place = memory.pointer(module, SYMBOLS) if module else None
        value = word(core, place) if place else None
        if module and value:
            return value, f"environ of {module.path}"
    return None


def _walked(
    core: Core, environ: _Array, initial: int | None, registers: Mapping[int, Mapping[str, int]]
) -> WalkedArray | None:
    """The former array that is most similar to `environ`, of those that a register points into.

    The kernel's first array is left out: it is never freed, and main() often has it in a register.
    """
    candidates = []
    for number, held in sorted(registers.items()):
        for name, value in held.items():
            array = None if value % WORD or _is_in(environ, value) else _array_around(core, value)
            if array is None or (initial is not None and _is_in(array, initial)):
                continue
            common = len(set(array.pointers) & set(environ.pointers))
            if common >= min(_WORTH, max(1, len(environ.pointers))):
                candidates.append((common, -number, name, array))
    if not candidates:
        return _overwritten(core, environ, registers)
    common, number, name, array = max(candidates, key=lambda item: item[:2])
    return _compare(core, environ, array, f"{name} of frame {-number} points into it")


def _overwritten(
    core: Core, environ: _Array, registers: Mapping[int, Mapping[str, int]]
) -> WalkedArray | None:
    """A block filled with one word that another register holds: a freed array that was reused.

    Its entries are overwritten, so nothing can be compared; only the walk itself is reported.
    """
    for number, held in sorted(registers.items()):
        for name, value in held.items():
            word_there = word(core, value) if value % WORD == 0 and not _is_in(environ, value) else None
            others = {other for key, other in held.items() if key != name}
            if not word_there or word_there not in others or core.read(word_there, 1):
                continue
            before, after = (_repeated(core, value, word_there, step) for step in (-WORD, WORD))
            if before + after > _GAP:
                found = f"{name} of frame {number} points into it; every word of it is {word_there:#x}"
                start = value - WORD * before
                return WalkedArray(address=hex(start), found=found, kept=0, overwritten=before + 1 + after)
    return None


def _repeated(core: Core, place: int, wanted: int, step: int) -> int:
    """How many words in a row, from the next one on, are the same."""
    places = range(1, MAX_ENTRIES)
    return next((n - 1 for n in places if word(core, place + step * n) != wanted), MAX_ENTRIES - 1)


def _array_around(core: Core, address: int) -> _Array | None:
    """The array of entries that an address points into or right behind; None where there is none."""
    before = list(_run(core, address - WORD, -WORD))
    after = list(_run(core, address, WORD))
    slots = [*reversed(before), *after]
    if not any(entry for _, entry in slots):
        return None
    return _Array(address=slots[0][0], pointers=tuple(entry for _, entry in slots))


def _run(core: Core, start: int, step: int) -> Iterable[tuple[int, int]]:
    """Slots from `start` on as (place, pointer or 0), up to a NULL or to too many without an entry."""
    slots: list[tuple[int, int]] = []
    lost = 0
    for number in range(MAX_ENTRIES):
        place = start + step * number
        value = word(core, place)
        if not value:
            break
        entry = _is_entry(core, value)
        lost = 0 if entry else lost + 1
        slots.append((place, value if entry else 0))
        if lost > _GAP:
            break
    while slots and not slots[-1][1]:
        slots.pop()
    return slots


def _is_entry(core: Core, pointer: int) -> bool:
    text = read_string(core, pointer, 4096)
    return bool(text and b"=" in text[1:256] and 0x20 < text[0] < 0x7F)


def _is_in(array: _Array, address: int) -> bool:
    return array.address <= address <= array.address + WORD * len(array.pointers)


def _compare(core: Core, environ: _Array, old: _Array, found: str) -> WalkedArray:
    """The two arrays by entry. An entry whose slot in the old array was overwritten may have been there."""
    now, then = environ.pointers, old.pointers
    common = set(now) & set(then)
    shift = next(then.index(entry) - place for place, entry in enumerate(now) if entry in common)
    lost = {place for place, _ in enumerate(now) if place + shift < 0 or _is_lost(then, place + shift)}
    names_now, names_then = ({_name(core, entry) for entry in entries if entry} for entries in (now, then))
    added = [entry for place, entry in enumerate(now) if entry not in common and place not in lost]
    removed = [entry for entry in then if entry and entry not in common]
    return WalkedArray(
        address=hex(old.address - WORD * max(0, -shift)),
        found=found,
        kept=len(common),
        overwritten=sum(not entry for entry in then) + max(0, -shift),
        added=_variables(core, (entry for entry in added if _name(core, entry) not in names_then)),
        removed=_variables(core, (entry for entry in removed if _name(core, entry) not in names_now)),
    )


def _is_lost(slots: tuple[int, ...], place: int) -> bool:
    return 0 <= place < len(slots) and not slots[place]


def _name(core: Core, pointer: int) -> bytes:
    return (read_string(core, pointer) or b"").partition(b"=")[0]


def _variables(core: Core, pointers: Iterable[int]) -> tuple[Variable, ...]:
    return tuple(_variable(read_string(core, pointer) or b"") for pointer in pointers)


def _variable(text: bytes) -> Variable:
    raw, sign, value = text.partition(b"=")
    if not sign or not _VARIABLE.fullmatch(raw):
        return Variable(name=OVERWRITTEN, value=None)
    name = raw.decode(errors="replace")[:MAX_VALUE]
    shown = value.decode(errors="replace")[:MAX_VALUE] if name in SHOWN else None
    return Variable(name=name, value=shown)
